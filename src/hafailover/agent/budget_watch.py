"""Keeps an eye on what the validator may still miss in this epoch."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from hafailover.clock import boottime, until_next
from hafailover.core import events as ev
from hafailover.near.epoch import EpochRules, epoch_counts, epoch_rules
from hafailover.near.rpc import NeardRpc, RpcError
from hafailover.observe.budget import EARLY_KICKOUT, budget_of, refusal, tells_early_kickout
from hafailover.observe.records import Budget

log = logging.getLogger(__name__)

EVERY_S = 10.0
"""The answer holds all validators; at half of a shard's slots, eight chunks come up meanwhile."""
SECOND_AFTER_S = 4.0
"""The first look has no speed of the chain."""
OLD_S = 120.0
"""A figure that is older is no figure."""
OF_AN_EPOCH_S = 3600.0
"""So long counts what changes with an epoch alone, once neard has told it: that the account has no seat, or
that the protocol is older than EarlyKickout. On mainnet an epoch has seven hours."""
RULES_EVERY_S = 1800.0
"""They change with an epoch alone; this is for a neard that was exchanged."""
RULES_AGAIN_S = 60.0
"""Where neard has not told the protocol, as while it is not ready yet."""
LONGEST_WHY = 200
NOT_ASKED = "its neard has not answered yet"
NO_PROTOCOL = "whether EarlyKickout is in force is open: EXPERIMENTAL_protocol_config is not answered"
SPEED_LOOKS = 60
"""Ten minutes."""
SPEED_OVER_S = 3.0


class BudgetWatch:
    """Asks in a thread and over a connection of its own; nothing waits for it.

    :param open_rpc: makes the connection; called anew after every failure.
    :param emit: takes what the core is to know of it.
    """

    def __init__(
        self, open_rpc: Callable[[], NeardRpc], account_id: str, emit: Callable[[ev.Event], None]
    ) -> None:
        self._open_rpc = open_rpc
        self._account_id = account_id
        self._emit = emit
        self._rpc: NeardRpc | None = None
        self._heads: deque[tuple[float, int]] = deque(maxlen=SPEED_LOOKS)
        self._rules: tuple[EpochRules, int, float] | None = None
        self._last: tuple[Budget | None, float] = (None, boottime())
        self._known: tuple[float, float] = (boottime(), 0.0)
        """When all was told last, and how long that counts."""
        self._why = NOT_ASKED

    def start(self) -> None:
        threading.Thread(target=self._run, name="budget", daemon=True).start()

    def last(self) -> Budget | None:
        """``None``: not known of late, or the account is no validator of this epoch."""
        found, at = self._last
        return found if boottime() - at <= OLD_S else None

    def unknown(self) -> tuple[float, str]:
        """For how many seconds it has not been known what may still be missed, and why; 0: it is."""
        at, counts_s = self._known
        silent_s = boottime() - at
        if counts_s and silent_s <= counts_s:
            return 0.0, ""
        return max(0.1, round(silent_s, 1)), self._why

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self.look()
            pause.wait(SECOND_AFTER_S if len(self._heads) == 1 else until_next(EVERY_S))

    def look(self) -> None:
        """One look; where neard does not answer, the last one stands until it is old."""
        self._look()
        self._emit(ev.BudgetSeen(refusal(self.last()) or ""))

    def _look(self) -> None:
        try:
            if self._rpc is None:
                self._rpc = self._open_rpc()
            found = self._ask(self._rpc)
        except RpcError as error:
            if self._rpc is not None:
                self._rpc.close()
                self._rpc = None
            log.debug("what may still be missed cannot be told: %s", error)
            self._why = str(error)[:LONGEST_WHY]
            return
        now = boottime()
        self._last = (found, now)
        if found is not None and not tells_early_kickout(found):
            self._why = NO_PROTOCOL
            self._known = (self._known[0], 0.0)
        else:
            self._known = (now, OF_AN_EPOCH_S if _has_nothing_to_lose(found) else OLD_S)

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
        found = budget_of(counts, rules, height, self._blocks_per_s())
        if found is None:
            # Not to be taken for an account without a seat.
            raise RpcError("its head is of another epoch than its counts")
        return found

    def _rules_of(self, rpc: NeardRpc, epoch_start: int, now: float) -> EpochRules:
        if self._rules is not None:
            before, of_epoch, at = self._rules
            every_s = RULES_EVERY_S if before.protocol is not None else RULES_AGAIN_S
            if of_epoch == epoch_start and now - at < every_s:
                return before
        rules = epoch_rules(rpc)
        if rules.protocol is None and self._rules is not None and self._rules[1] == epoch_start:
            # What was told of this epoch holds until its end.
            rules = self._rules[0]
        self._rules = (rules, epoch_start, now)
        return rules

    def _blocks_per_s(self) -> float | None:
        (first_at, first), (last_at, last) = self._heads[0], self._heads[-1]
        if last_at - first_at < SPEED_OVER_S or last <= first:
            return None
        return (last - first) / (last_at - first_at)


def _has_nothing_to_lose(found: Budget | None) -> bool:
    """Whether EarlyKickout can take nothing before the next epoch: there is no seat, or no such rule yet."""
    return found is None or (found.protocol is not None and found.protocol < EARLY_KICKOUT.since_protocol)
