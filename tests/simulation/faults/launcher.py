"""A neard that a launcher has started: the launcher is the guard's child, and neard is the launcher's."""

from __future__ import annotations

import random

from ..host import Host
from ..world import World
from .kinds import kind


@kind("neard's launcher ends")
def launcher_ends(world: World, host: Host, rng: random.Random) -> bool:
    """neard would live on. A guard ends all that it has started before it takes the end for the key's."""
    neard, guard = host.neard, host.guard
    if neard is None or not neard.alive or guard is None or not guard.alive:
        return False
    guard.launcher_ended(neard)
    return True
