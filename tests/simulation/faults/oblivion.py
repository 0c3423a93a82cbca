"""A Consul that has forgotten: everything, or what one host has registered with it."""

from __future__ import annotations

import random

from ..host import Host
from ..world import World
from .consul import all_down
from .kinds import kind

AT_MOST_EVERY_S = 60.0
"""The index has to grow before it can go back."""


def _lose(world: World, host: Host, rng: random.Random) -> bool:
    lost = world.consul.lost
    if lost and world.now - lost[-1] < AT_MOST_EVERY_S:
        return False
    if rng.random() < 0.5:
        # As it is done by hand: everything down, then back with empty folders.
        all_down(world, host, rng)
    world.consul.lose_everything()
    return True


@kind("Consul's servers lose all they agreed on")
def lost(world: World, host: Host, rng: random.Random) -> bool:
    """Sessions, locks and keys are gone and the index begins anew; the agents know their checks still."""
    return _lose(world, host, rng)


@kind("Consul loses everything")
def lost_everything(world: World, host: Host, rng: random.Random) -> bool:
    """The checks, too: the folders of the agents lie on the same disks."""
    if not _lose(world, host, rng):
        return False
    world.consul.checks.clear()
    return True


@kind("a host's service is deregistered")
def deregistered(world: World, host: Host, rng: random.Random) -> bool:
    if host not in world.consul.checks or not world.servers.commits:
        return False
    world.consul.deregister(host)
    return True


@kind("a host's session is destroyed")
def session_gone(world: World, host: Host, rng: random.Random) -> bool:
    """Whether it holds the lock or not."""
    if not world.servers.commits:
        return False
    names = [name for name, session in world.consul.sessions.items() if session.host is host]
    for name in names:
        world.consul.destroy(name)
    return bool(names)


@kind("a host's record is removed")
def record_gone(world: World, host: Host, rng: random.Random) -> bool:
    return world.servers.commits and world.consul.records.pop(host.name, None) is not None
