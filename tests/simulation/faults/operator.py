"""What people do in the middle of it all."""

from __future__ import annotations

import random

from ..host import Host
from ..world import World
from .kinds import kind


@kind("switchover")
def switchover(world: World, host: Host, rng: random.Random) -> bool:
    world.ask(rng.choice([one.name for one in world.hosts]))
    return True
