"""The pool as Consul holds it, for many readers: one thread looks, and only while somebody asks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from hafailover.clock import boottime
from hafailover.deadline import deadline
from hafailover.lock.errors import CallError
from hafailover.observe.look import Look
from hafailover.observe.overview import Overview
from hafailover.observe.records import TermRecord

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""From the beginning of one look to that of the next."""
ASKED_FOR_S = 3.0
"""So long after the last question the looks go on: a page asks every second."""
LOOK_S = 3.0
"""A look that takes longer has failed."""
FIRST_WAIT_S = 0.5
"""What a question may wait for the first look after a rest."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A look that succeeded. ``at``: its beginning, on CLOCK_BOOTTIME."""

    at: float
    overview: Overview
    history: tuple[TermRecord, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The last look that succeeded, and why the one after it did not; ``""`` if there was none."""

    seen: Seen | None = None
    problem: str = "nobody has looked yet"


class PoolWatch:
    """Looks at most once in :data:`EVERY_S` seconds, however many ask.

    :param connect: makes what looks; called in the thread that uses it.
    """

    def __init__(self, connect: Callable[[], Look], clock: Callable[[], float] = boottime) -> None:
        self._connect = connect
        self._clock = clock
        self._changed = threading.Condition()
        self._asked_at = -1e9
        self._resting = True
        self._view = View()

    def start(self) -> None:
        threading.Thread(target=self._run, name="pool-watch", daemon=True).start()

    def ask(self) -> None:
        """Has the thread look on. After a rest, waits a moment for the first look, so that it is new."""
        with self._changed:
            self._asked_at = self._clock()
            rested, self._resting = self._resting, False
            self._changed.notify_all()
            # The first alone waits, so that the others' threads are free.
            if rested:
                before = self._view
                self._changed.wait_for(lambda: self._view is not before, FIRST_WAIT_S)

    def view(self) -> View:
        return self._view

    def _run(self) -> None:
        look: Look | None = None
        while True:
            with self._changed:
                while self._clock() - self._asked_at > ASKED_FOR_S:
                    self._resting = True
                    self._changed.wait()
            began = self._clock()
            try:
                look = look or self._connect()
                with deadline(LOOK_S):
                    overview, history = look.take_with_history()
                view = View(Seen(began, overview, tuple(history)), "")
            except CallError as error:
                view = View(self._view.seen, str(error))
            except Exception:
                # What nobody thought of must not end the looks: the page would show its last one for ever.
                log.exception("looking at the pool")
                view = View(self._view.seen, "looking at the pool failed; the agent's log says why")
            with self._changed:
                self._view = view
                self._changed.notify_all()
            threading.Event().wait(max(0.0, began + EVERY_S - self._clock()))
