"""Work that may hang, such as on a disk, done by a thread that nobody waits for."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


class Errands:
    """Does jobs one after another, in the order in which they came.

    :param name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def do(self, job: Callable[[], object]) -> None:
        """Takes a job; never waits."""
        self._jobs.put(job)

    def ask(self, job: Callable[[], T], wait_s: float) -> T | None:
        """What the job returns, or ``None`` if it has not ended within ``wait_s`` seconds."""
        answer: queue.SimpleQueue[T] = queue.SimpleQueue()
        self.do(lambda: answer.put(job()))
        try:
            return answer.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except OSError as error:
                log.warning("%s: %s", threading.current_thread().name, error)
