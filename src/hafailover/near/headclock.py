"""How old neard's head is and whether blocks come in as they should, by the chain's own timestamps."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from dataclasses import dataclass

from hafailover.clock import boottime
from hafailover.core.views import KNOWN_BY_BLOCKS

SAMPLES = 60
ENOUGH = KNOWN_BY_BLOCKS
STEADY_S = 10.0
"""For so long every block must have come in time, or something may be missing still."""
TURNS = 1.5
"""A head that is older than so many turns may not be the last one."""
LOOK_S = 1.0
"""The longest time between two looks, by which a block is seen late without having come late."""
TURN_S = 1.0
"""Taken for a turn's length until the chain has shown its own."""


@dataclass(frozen=True, slots=True)
class Head:
    """``age_s``: how long ago the head's block was made; infinite until that is known. It is at least as
    old as it has been seen here: a block may be stamped with a clock that is ahead.

    ``steady``: whether every block has come in time for a while. ``live``: whether, beyond that, this is all
    that there is. ``lacking``: how many more blocks are to be seen before the age is known.
    """

    age_s: float
    steady: bool
    live: bool
    lacking: int


class HeadClock:
    """Learns from the blocks that come in how the chain's timestamps go with this machine's CLOCK_BOOTTIME.

    Most blocks are seen shortly after they are made, so the lower quartile of the differences is what a block
    that is just made would show: neither a few that came late nor a producer whose clock is ahead shifts it.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque(maxlen=SAMPLES)
        self._differences: deque[float] = deque(maxlen=SAMPLES)
        self._height = -1
        self._first_seen_at = boottime()
        self._looked_at = -1e9
        self._late_at = boottime()

    def look(self, height: int, made_at: float, syncing: bool) -> Head:
        """Takes what neard says of its head now.

        :param made_at: its timestamp, in seconds since 1970.
        :param syncing: blocks of a neard that syncs are old, and nothing is learned from them.
        """
        now = boottime()
        new = height > self._height >= 0
        if new and not syncing:
            self._differences.append(now - made_at)
            self._seen.append((height, now))
        if height != self._height:
            self._first_seen_at = now
        self._height = height
        age = max(now - self._first_seen_at, now - made_at - self._difference())
        turn = self._turn_s()
        if syncing or now - self._looked_at > 2 * LOOK_S or (new and age > LOOK_S + TURNS * turn):
            self._late_at = now
        self._looked_at = now
        steady = now - self._late_at > STEADY_S
        lacking = max(0, ENOUGH - len(self._differences))
        return Head(age, steady, steady and age <= TURNS * turn, lacking)

    def _difference(self) -> float:
        if len(self._differences) < ENOUGH:
            # Not enough seen yet. Any age is possible, and a wall clock may be wrong.
            return -math.inf
        return statistics.quantiles(self._differences, n=4, method="inclusive")[0]

    def wall_ahead_s(self) -> float | None:
        """How far this machine's wall clock is ahead of the chain's timestamps; ``None``: not known yet.

        By the same quartile, so blocks' time on the way counts as if the clock were ahead: some 0.3 s.
        """
        if len(self._differences) < ENOUGH:
            return None
        now = boottime()
        return time.time() - now + self._difference()

    def _turn_s(self) -> float:
        """Seconds per height, turns that nobody took included; by when blocks came, not by their stamps."""
        if len(self._seen) < ENOUGH:
            return TURN_S
        (first, began), (last, ended) = self._seen[0], self._seen[-1]
        return max(0.1, (ended - began) / max(1, last - first))
