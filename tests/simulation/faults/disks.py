"""Disks that hang, and a leader of Consul that answers but cannot store what it is to agree on."""

from __future__ import annotations

import random

from ..disk import Disk
from ..host import Host
from ..world import World
from .kinds import kind

LONG_S = 60.0
"""Nobody notices that a leader's disk hangs, or the state folder's: it may take as long as it likes."""


FOR_EVER = 0.2
"""This share of them hangs until the end of the episode's faults, up to three minutes later."""


def lasts(world: World, rng: random.Random, longest: float) -> float:
    return world.faults_end - world.now if rng.random() < FOR_EVER else world.lasts(rng, longest)


def hang(world: World, disk: Disk, rng: random.Random, longest: float = 15.0) -> bool:
    """Half of them are frozen, so that reading goes on, as under ``fsfreeze``."""
    return disk.hang(lasts(world, rng, longest), reads=rng.random() < 0.5)


@kind("disk hung under neard's home")
def home(world: World, host: Host, rng: random.Random) -> bool:
    """The guard's link lies there; neard's data lies elsewhere, and neard signs on."""
    return hang(world, host.home, rng)


@kind("disk hung under neard's data")
def data(world: World, host: Host, rng: random.Random) -> bool:
    return hang(world, host.data, rng)


@kind("disk hung under the state folder")
def state(world: World, host: Host, rng: random.Random) -> bool:
    return hang(world, host.state, rng, LONG_S)


@kind("disk hung under Consul's data on a host")
def consuls(world: World, host: Host, rng: random.Random) -> bool:
    disk = host.server.disk
    if disk is None or world.servers.leader is host.server:
        return False
    return hang(world, disk, rng)


@kind("all disks of a host hung")
def all_of_them(world: World, host: Host, rng: random.Random) -> bool:
    seconds, reads = lasts(world, rng, 15.0), rng.random() < 0.5
    disks = [host.home, host.data, host.state, host.server.disk]
    done = [disk.hang(seconds, reads) for disk in disks if disk is not None]
    return any(done)


@kind("Consul's leader answers and does not commit")
def does_not_commit(world: World, host: Host, rng: random.Random) -> bool:
    """The leader's disk hangs: its heartbeats and its answers go on, so that it leads on."""
    leader = world.servers.leader
    if leader is None or leader.disk is None:
        return False
    return hang(world, leader.disk, rng, LONG_S)
