"""Keeps an eye on what the validator may still miss in this epoch."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from hafailover.clock import boottime
from hafailover.near.epoch import EpochRules, epoch_counts, epoch_rules
from hafailover.near.rpc import NeardRpc, RpcError
from hafailover.observe.budget import budget_of
from hafailover.observe.records import Budget

log = logging.getLogger(__name__)

EVERY_S = 10.0
"""The answer holds all validators; at half of a shard's slots, eight chunks come up meanwhile."""
SECOND_AFTER_S = 4.0
"""The first look has no speed of the chain."""
OLD_S = 120.0
"""A figure that is older is no figure."""
RULES_EVERY_S = 1800.0
"""They change with an epoch alone; this is for a neard that was exchanged."""
SPEED_LOOKS = 60
"""Ten minutes."""
SPEED_OVER_S = 3.0


class BudgetWatch:
    """Asks in a thread and over a connection of its own; nothing waits for it.

    :param open_rpc: makes the connection; called anew after every failure.
    """

    def __init__(self, open_rpc: Callable[[], NeardRpc], account_id: str) -> None:
        self._open_rpc = open_rpc
        self._account_id = account_id
        self._rpc: NeardRpc | None = None
        self._heads: deque[tuple[float, int]] = deque(maxlen=SPEED_LOOKS)
        self._rules: tuple[EpochRules, int, float] | None = None
        self._last: tuple[Budget | None, float] = (None, boottime())

    def start(self) -> None:
        threading.Thread(target=self._run, name="budget", daemon=True).start()

    def last(self) -> Budget | None:
        """``None``: not known of late, or the account is no validator of this epoch."""
        found, at = self._last
        return found if boottime() - at <= OLD_S else None

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self.look()
            pause.wait(SECOND_AFTER_S if len(self._heads) == 1 else EVERY_S)

    def look(self) -> None:
        """One look; where neard does not answer, the last one stands until it is old."""
        try:
            if self._rpc is None:
                self._rpc = self._open_rpc()
            found = self._ask(self._rpc)
        except RpcError as error:
            if self._rpc is not None:
                self._rpc.close()
                self._rpc = None
            log.debug("what may still be missed cannot be told: %s", error)
            return
        self._last = (found, boottime())

    def _ask(self, rpc: NeardRpc) -> Budget | None:
        height = rpc.status().height
        now = boottime()
        if self._heads and height < self._heads[-1][1]:
            # Another chain, or its data was put back.
            self._heads.clear()
        self._heads.append((now, height))
        counts = epoch_counts(rpc, self._account_id)
        if counts is None:
            return None
        rules = self._rules_of(rpc, counts.epoch_start, now)
        return budget_of(counts, rules, height, self._blocks_per_s())

    def _rules_of(self, rpc: NeardRpc, epoch_start: int, now: float) -> EpochRules:
        if self._rules is not None:
            rules, of_epoch, at = self._rules
            if of_epoch == epoch_start and now - at < RULES_EVERY_S:
                return rules
        rules = epoch_rules(rpc)
        self._rules = (rules, epoch_start, now)
        return rules

    def _blocks_per_s(self) -> float | None:
        (first_at, first), (last_at, last) = self._heads[0], self._heads[-1]
        if last_at - first_at < SPEED_OVER_S or last <= first:
            return None
        return (last - first) / (last_at - first_at)
