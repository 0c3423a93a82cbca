"""neard that hangs, syncs, refuses or loses a reload, and disks without room."""

from __future__ import annotations

import random

from ..host import Host
from ..world import World
from .kinds import kind


def flag(world: World, host: Host, name: str, seconds: float) -> bool:
    """Sets one of the host's flags for a while."""
    if getattr(host, name):
        return False
    setattr(host, name, True)
    world.at(seconds, lambda: setattr(host, name, False))
    return True


@kind("neard's RPC hung")
def hung(world: World, host: Host, rng: random.Random) -> bool:
    neard = host.neard
    if neard is None or not neard.alive or neard.hung:
        return False
    neard.hung = True

    def over() -> None:
        neard.hung = False

    world.at(world.lasts(rng, 8.0), over)
    return True


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
