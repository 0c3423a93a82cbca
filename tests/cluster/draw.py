"""Random faults from a seed: the same seed draws the same faults, durations and pauses."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from .strike import Aim, Kind

T = TypeVar("T")

AIMS = {Aim.ACTIVE: 0.65, Aim.STANDBY: 0.25, Aim.LEADER: 0.1}
SIZES = {1: 0.30, 2: 0.20, 3: 0.15, 5: 0.20, 8: 0.15}
"""How many faults come together, and how often."""
LONGEST_PAUSE_S = 2.0
SHORTER = 0.5
"""Durations are drawn from so much of a kind's range: long enough for what it is to show."""
CROWD = 3
"""From so many at once, they last shorter: what counts is how they mix."""
CROWD_HOLD_S = (0.3, 6.0)
STANDBY_HOLD_S = (1.0, 5.0)
"""Nothing is to come of these, so they need not last."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One fault to come. ``after_s``: the pause before it, from the one before."""

    kind: str
    aim: Aim
    hold_s: float
    after_s: float = 0.0


def episodes(seed: int, count: int, kinds: Mapping[str, Kind]) -> list[list[Drawn]]:
    """``count`` faults in all, in groups that strike together or shortly after each other."""
    dice = random.Random(seed)
    found: list[list[Drawn]] = []
    left = count
    while left > 0:
        size = min(left, _pick(dice, SIZES))
        found.append([draw(dice, kinds, alone=size < CROWD, first=number == 0) for number in range(size)])
        left -= size
    return found


def draw(dice: random.Random, kinds: Mapping[str, Kind], *, alone: bool, first: bool) -> Drawn:
    """One fault."""
    kind = _pick(dice, {one: one.weight for one in kinds.values()})
    aim = kind.aim
    if aim is Aim.ACTIVE and kind.on_standby is not None:
        aim = _pick(dice, AIMS)
    hold = 0.0
    if kind.holds is not None:
        low, high = kind.holds
        if not alone:
            low, high = CROWD_HOLD_S
        elif aim is Aim.STANDBY:
            low, high = min(low, STANDBY_HOLD_S[0]), min(high, STANDBY_HOLD_S[1])
        else:
            high = low + (high - low) * SHORTER
        hold = dice.uniform(low, high)
    return Drawn(kind.name, aim, round(hold, 2), 0.0 if first else round(dice.uniform(0, LONGEST_PAUSE_S), 2))


def _pick(dice: random.Random, weights: Mapping[T, float]) -> T:
    return dice.choices(list(weights), list(weights.values()))[0]
