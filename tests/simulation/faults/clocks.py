"""Clocks that change their rate, and wall clocks that are stepped."""

from __future__ import annotations

import random

from ..host import Host
from ..world import World
from .kinds import kind


@kind("clock runs at another rate")
def another_rate(world: World, host: Host, rng: random.Random) -> bool:
    host.redraw_rate(rng)
    return True


@kind("wall clock stepped")
def stepped(world: World, host: Host, rng: random.Random) -> bool:
    host.wall_ahead += rng.choice((-1, 1)) * rng.choice((2.0, 10.0, 3600.0)) * rng.random()
    return True
