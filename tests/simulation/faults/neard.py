"""neard that hangs, syncs, refuses or loses a reload, and disks without room."""

from __future__ import annotations

import random

from ..host import Host
from ..world import World
from .kinds import flag, kind


@kind("neard's RPC hung")
def hung(world: World, host: Host, rng: random.Random) -> bool:
    neard = host.neard
    if neard is None or not neard.alive:
        return False
    return flag(world, neard, "hung", world.lasts(rng, 8.0))


@kind("neard syncing")
def syncing(world: World, host: Host, rng: random.Random) -> bool:
    host.syncing_until = world.now + world.lasts(rng, 8.0)
    return True


@kind("config.json broken")
def config_broken(world: World, host: Host, rng: random.Random) -> bool:
    return flag(world, host, "broken_config", world.lasts(rng, 10.0))


@kind("neard loses signals")
def loses_signals(world: World, host: Host, rng: random.Random) -> bool:
    return flag(world, host, "loses_reloads", world.lasts(rng, 10.0))


@kind("neard reloads slowly")
def slow(world: World, host: Host, rng: random.Random) -> bool:
    return flag(world, host, "slow_reloads", world.lasts(rng, 10.0))


@kind("disk full")
def disk_full(world: World, host: Host, rng: random.Random) -> bool:
    return flag(world, host, "disk_full", world.lasts(rng, 15.0))
