"""How old a block is, although its timestamp is of another machine's wall clock."""

from __future__ import annotations

import statistics
import time
from collections import deque

from hafailover.clock import boottime

SAMPLES = 60
ENOUGH = 10


class HeadClock:
    """Learns from the blocks that come in how the chain's timestamps go with this machine's CLOCK_BOOTTIME.

    Most blocks are seen shortly after they are made, so the lower quartile of the differences is what a block
    that is just made would show: neither a few that came late nor a producer whose clock is ahead shifts it.
    """

    def __init__(self) -> None:
        self._differences: deque[float] = deque(maxlen=SAMPLES)
        self._height = -1

    def age_s(self, height: int, made_at: float, syncing: bool) -> float:
        """How long ago the block at ``height`` was made, in seconds.

        :param made_at: its timestamp, in seconds since 1970.
        :param syncing: blocks of a neard that syncs are old, and nothing is learned from them.
        """
        now = boottime()
        if height > self._height >= 0 and not syncing:
            self._differences.append(now - made_at)
        self._height = height
        return max(0.0, now - made_at - self._difference(now))

    def _difference(self, now: float) -> float:
        if len(self._differences) < ENOUGH:
            # Not enough seen yet: this machine's own wall clock has to do.
            return now - time.time()
        return statistics.quantiles(self._differences, n=4, method="inclusive")[0]
