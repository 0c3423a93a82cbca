"""Looks at the account's work on the chain: neard's own counts of what it produced and should have."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from hafailover.clock import boottime, until_next
from hafailover.core import events as ev
from hafailover.core.production import EARLY_S
from hafailover.core.work import Counts, Work
from hafailover.near.rpc import NeardRpc, Production, RpcError

log = logging.getLogger(__name__)

EVERY_S = 3.0
"""neard's answer holds all validators, so it is not asked for at each look at its head."""
CLOSELY_EVERY_S = 1.0


class WorkWatch:
    """Asks in a thread and over a connection of its own: the answer is large, and nothing waits for it.

    :param open_rpc: makes the connection; called anew after every failure.
    """

    def __init__(
        self, open_rpc: Callable[[], NeardRpc], account_id: str, emit: Callable[[ev.Event], None]
    ) -> None:
        self._open_rpc = open_rpc
        self._account_id = account_id
        self._emit = emit
        self._closely = False
        self._young_until = 0.0
        self._wake = threading.Event()
        self._rpc: NeardRpc | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="work", daemon=True).start()

    def closely(self, on: bool) -> None:
        """Looks once a second, as while this host is about to sign, or every three seconds."""
        self._closely = on
        self._wake.set()

    def began(self) -> None:
        """This host signs now: looks at once, for what was due before, and then closely, while the core
        looks at its first duties singly."""
        self._young_until = boottime() + EARLY_S
        self._wake.set()

    def every_s(self) -> float:
        """How long it waits from one look to the next."""
        closely = self._closely or boottime() < self._young_until
        return CLOSELY_EVERY_S if closely else EVERY_S

    def _run(self) -> None:
        while True:
            self.look()
            self._wake.wait(until_next(self.every_s()))
            self._wake.clear()

    def look(self) -> None:
        """One look, told to the core."""
        try:
            if self._rpc is None:
                self._rpc = self._open_rpc()
            looked_at = boottime()
            epoch, production = self._rpc.work(self._account_id)
            took_s = boottime() - looked_at
        except RpcError as error:
            if self._rpc is not None:
                self._rpc.close()
                self._rpc = None
            log.debug("the account's work cannot be read: %s", error)
            self._emit(ev.WorkFailed(str(error)))
            return
        self._emit(ev.WorkSeen(replace(work_of(looked_at, epoch, production), took_s=took_s)))


def work_of(looked_at: float, epoch: int, production: Production | None) -> Work:
    """The core's view of neard's counts; ``None``: the account is no validator of this epoch."""
    if production is None:
        return Work(looked_at, epoch, validator=False)
    one = production
    return Work(
        looked_at,
        epoch,
        validator=True,
        produced=Counts(one.produced_blocks, one.produced_chunks, one.produced_endorsements),
        expected=Counts(one.expected_blocks, one.expected_chunks, one.expected_endorsements),
        public_key=one.public_key,
    )
