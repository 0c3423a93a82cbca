"""The guard's file work, on a thread of its own: a disk that hangs holds up this thread and nothing else.

A thread that waits for a disk that hangs cannot be ended, not even by SIGKILL, and its process stays as a
zombie. neard goes all the same: the kernel sends PR_SET_PDEATHSIG when the thread that started neard ends,
which is the main thread, and that one never waits for a disk.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class FileWorker:
    """Does jobs one after another, in the order in which they came.

    :param on_defect: called, in the worker's thread, with what a job should not have raised.
    """

    def __init__(self, on_defect: Callable[[BaseException], None]) -> None:
        self._on_defect = on_defect
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def start(self) -> None:
        threading.Thread(target=self._run, name="files", daemon=True).start()

    def do(self, job: Callable[[], None]) -> None:
        """Takes a job; never waits."""
        self._jobs.put(job)

    def finish(self, wait_s: float) -> bool:
        """Waits for what was given so far, at most ``wait_s`` seconds; whether it was done."""
        done = threading.Event()
        self.do(done.set)
        return done.wait(wait_s)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except BaseException as error:
                self._on_defect(error)
                raise
