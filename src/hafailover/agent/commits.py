"""Whether Consul carries writes out, tried again and again, and whom to stop where it does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hafailover.clock import boottime, until_next
from hafailover.core import events as ev
from hafailover.lock.errors import CallError
from hafailover.log import fields
from hafailover.takeover.silence import Consul, Probe

log = logging.getLogger(__name__)

EVERY_S = 2.0
TWICE = 2
"""So many tries in a row must have failed before it is called a trouble: one write may be slow."""
SAY_EVERY_S = 30.0


class CommitWatch:
    """Tries a write every two seconds, in a thread of its own.

    It is this that tells the core that Consul answers. A session's renewal and a read are no such news: a
    leader that hangs grants both, and it does not let anybody prove or take the lock.

    :param open_probe: makes the connection, in the thread that uses it.
    :param blame: says whom to stop, in a sentence; may raise ``CallError``.
    """

    def __init__(
        self, open_probe: Callable[[], Probe], blame: Callable[[], str], emit: Callable[[ev.Event], None]
    ) -> None:
        self._open_probe = open_probe
        self._blame = blame
        self._emit = emit
        self._probe: Probe | None = None
        self._failed = 0
        self._since = 0.0
        self._said_at = -SAY_EVERY_S
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """That Consul does not commit, and what to do; empty where it does, or does not answer at all."""
        return self._trouble

    def start(self) -> None:
        threading.Thread(target=self._run, name="commits", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self.look()
            pause.wait(until_next(EVERY_S))

    def look(self) -> None:
        """One try."""
        if self._probe is None:
            self._probe = self._open_probe()
        said = self._probe.ask()
        if said is Consul.ANSWERS:
            self._emit(ev.ConsulAnswered())
        if said is not Consul.NO_COMMIT:
            # Where it does not answer, those that need it say so.
            self._well(said)
            return
        self._failed += 1
        if self._failed == 1:
            self._since = boottime()
        if self._failed >= TWICE:
            self._complain()

    def _complain(self) -> None:
        try:
            self._trouble = self._blame()
        except CallError:
            self._trouble = self._trouble or Consul.NO_COMMIT.value
        now = boottime()
        if now - self._said_at < SAY_EVERY_S:
            return
        self._said_at = now
        extra = fields(event="trouble", subject="Consul", reason=self._trouble)
        log.critical("%s (for %.0f s now)", self._trouble, now - self._since, extra=extra)

    def _well(self, said: Consul) -> None:
        if self._trouble and said is Consul.ANSWERS:
            extra = fields(event="trouble_over", subject="Consul")
            log.warning("Consul commits again, after %.0f s", boottime() - self._since, extra=extra)
        self._failed, self._trouble, self._said_at = 0, "", -SAY_EVERY_S
