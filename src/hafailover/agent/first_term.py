"""The agent's part in an order to sign first whatever the chain shows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hafailover.clock import until_next
from hafailover.core import events as ev
from hafailover.core.work import Pass
from hafailover.log import fields
from hafailover.takeover.first_term import FirstTermFile

log = logging.getLogger(__name__)

LOOK_S = 1.0


class FirstTermDesk:
    """Looks for an order once a second, in a thread of its own: nothing else waits for the disk."""

    def __init__(self, file: FirstTermFile, emit: Callable[[ev.Event], None]) -> None:
        self._file = file
        self._emit = emit
        self._told: str | None = None
        self._used: set[str] = set()

    def start(self) -> None:
        threading.Thread(target=self._run, name="first-term", daemon=True).start()

    def used(self, order: str, by: str, term: int) -> None:
        """The order is carried out, and counts for no other term. Called in the agent's own thread."""
        self._used.add(order)
        log.critical(
            "term %d is the first on record, by order of %s: what the chain shows was not waited for",
            term,
            by,
            extra=fields(event="first_term", term=term, reason=f"allow-first-term by {by}"),
        )

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self.look()
            except OSError as error:
                log.warning("the order for a first term cannot be removed: %s", error.strerror)
            pause.wait(until_next(LOOK_S))

    def look(self) -> None:
        """One look. :raises OSError: an order that was used cannot be taken away."""
        order = self._file.order()
        if order is not None and order.id in self._used:
            self._file.end()
            order = None
        told = order.id if order is not None else None
        if told == self._told:
            return
        self._told = told
        self._emit(ev.FirstTermAllowed(Pass(order.id, order.by, order.until) if order is not None else None))
