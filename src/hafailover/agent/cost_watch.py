"""Measures what each change of signer cost, from this host's own neard, far away from the lease."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from hafailover.clock import boottime, until_next
from hafailover.near.rpc import NeardRpc, Production, RpcError
from hafailover.observe.cost import Cost, look_again

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
SETTLE_S = 15.0
"""So long after this host has begun to sign, everything that its predecessor missed has been counted."""


class CostWatch:
    """Keeps the last look at the pool's counts, and compares when this host has taken over.

    :param report: takes the term and its cost, ``None`` if it cannot be told.
    """

    def __init__(
        self,
        open_rpc: Callable[[], NeardRpc],
        account_id: str,
        report: Callable[[int, Cost | None], None],
    ) -> None:
        self._open_rpc = open_rpc
        self._account_id = account_id
        self._report = report
        self._news: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._last: Production | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="cost", daemon=True).start()

    def began(self, term: int) -> None:
        """This host signs, in this term."""
        self._news.put(term)

    def expect(self) -> None:
        """This host is to sign soon: what was missed before is not that change's cost."""
        self._news.put(None)

    def _run(self) -> None:
        while True:
            try:
                term = self._news.get(timeout=until_next(LOOK_EVERY_S))
            except queue.Empty:
                term = None
            if term is None:
                self._last = self._look(None)[0] or self._last
                continue
            end = boottime() + SETTLE_S
            while (left := end - boottime()) > 0:
                threading.Event().wait(left)
            self._last, missed = self._look(self._last)
            self._report(term, missed)

    def _look(self, before: Production | None) -> tuple[Production | None, Cost | None]:
        try:
            with self._open_rpc() as rpc:
                return look_again(rpc, self._account_id, before)
        except RpcError as error:
            log.debug("the pool's counts cannot be read: %s", error)
            return None, None
