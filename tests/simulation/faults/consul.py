"""Consul's servers that die, freeze, come back from the past, and are restored from a backup."""

from __future__ import annotations

import random

from ..host import Host
from ..servers import Server
from ..world import World
from .kinds import kind
from .network import cut

OLD_ENOUGH_S = 20.0
"""A backup that is restored is at least so old: what every host's watch is behind by is far less."""


def restore(world: World, rng: random.Random) -> bool:
    old = [backup for backup in world.consul.backups if world.now - backup.at >= OLD_ENOUGH_S]
    if not old:
        return False
    world.consul.restore(rng.choice(old))
    return True


def take_down(world: World, server: Server, seconds: float) -> bool:
    if server.down:
        return False
    server.down = True
    if world.servers.leader is server:
        world.servers.depose(server)
        server.past = None

    def back() -> None:
        server.down = False

    world.at(seconds, back)
    return True


def freeze(world: World, server: Server, rng: random.Random, seconds: float) -> bool:
    if server.frozen or server.down:
        return False
    server.frozen = True

    def thaw() -> None:
        server.frozen = False
        world.servers.woke(server, rng)

    world.at(seconds, thaw)
    return True


@kind("Consul killed on a host")
def killed(world: World, host: Host, rng: random.Random) -> bool:
    return take_down(world, host.server, world.lasts(rng, rng.choice((3.0, 12.0))))


@kind("Consul frozen on a host")
def frozen(world: World, host: Host, rng: random.Random) -> bool:
    return freeze(world, host.server, rng, world.lasts(rng, rng.choice((3.0, 12.0))))


@kind("Consul's leader killed")
def leader_killed(world: World, host: Host, rng: random.Random) -> bool:
    leader = world.servers.leader
    return leader is not None and take_down(world, leader, world.lasts(rng, 6.0))


@kind("Consul's leader frozen")
def leader_frozen(world: World, host: Host, rng: random.Random) -> bool:
    leader = world.servers.leader
    return leader is not None and freeze(world, leader, rng, 1.0 + world.lasts(rng, 12.0))


@kind("Consul's leader frozen, and its host with it in the end")
def leader_comes_back(world: World, host: Host, rng: random.Random) -> bool:
    """The leader is on the active's host, freezes for long, and answers from the past while it is cut off."""
    leader = world.servers.leader
    if leader is None or leader.host is None or not leader.host.up:
        return False
    host = leader.host
    seconds = 6.0 + world.lasts(rng, 10.0)
    if not freeze(world, leader, rng, seconds):
        return False

    cut_after, mended_after = seconds - 0.5 * rng.random(), seconds + 1.0 + 3.0 * rng.random()
    world.at(cut_after, lambda: cut(world, host, mended_after - cut_after))
    return True


@kind("Consul's leader steps down")
def steps_down(world: World, host: Host, rng: random.Random) -> bool:
    leader = world.servers.leader
    if leader is None:
        return False
    world.servers.depose(leader)
    return True


@kind("all of Consul down")
def all_down(world: World, host: Host, rng: random.Random) -> bool:
    seconds = world.lasts(rng, 12.0)
    done = [take_down(world, server, seconds + 2 * rng.random()) for server in world.servers.all]
    return any(done)


@kind("Consul restarted one after the other")
def rolling(world: World, host: Host, rng: random.Random) -> bool:
    for number, server in enumerate(world.servers.all):
        down = world.lasts(rng, 3.0)
        world.at(number * (2.0 + 3.0 * rng.random()), lambda s=server, d=down: take_down(world, s, d))  # type: ignore[misc]
    return True


@kind("Consul restored from a backup")
def restored(world: World, host: Host, rng: random.Random) -> bool:
    if not restore(world, rng):
        return False
    if rng.random() < 0.3:
        # As it is done by hand: everything down, then back.
        all_down(world, host, rng)
    return True


@kind("Consul restored while the active is frozen")
def restored_unseen(world: World, host: Host, rng: random.Random) -> bool:
    """In half of the cases the others' agents restart, too, and have no memory of what was before."""
    holder = world.holder()
    if holder is None or holder.agent is None or holder.agent.stopped or not restore(world, rng):
        return False
    holder.agent.stop()
    world.at(2.0 + world.lasts(rng, 6.0), holder.agent.cont)
    restart = rng.random() < 0.5
    for one in world.hosts:
        if restart and one is not holder and one.kill_agent():
            world.at(0.3 * rng.random(), one.start_agent)
    return True


@kind("session ended by hand")
def freed(world: World, host: Host, rng: random.Random) -> bool:
    return world.consul.free_by_hand()


@kind("freed while its holder cannot see it")
def freed_unseen(world: World, host: Host, rng: random.Random) -> bool:
    """And whoever takes the lock then finds its own neard syncing, and passes the lock on."""
    holder = world.holder()
    agent = holder.agent if holder is not None else None
    if agent is None or not agent.stop():
        return False
    world.at(2.0 + world.lasts(rng, 6.0), agent.cont)
    world.at(0.5 * rng.random(), world.consul.free_by_hand)
    syncs_for = world.lasts(rng, 8.0)

    def unfit() -> None:
        taker = world.sessions_host()
        if taker is not None and taker not in world.referee.holders:
            taker.syncing_until = world.now + syncs_for

    world.at(0.8, unfit)
    return True


@kind("release will be late")
def late_release(world: World, host: Host, rng: random.Random) -> bool:
    """Consul holds the next release of this host for seconds; it is counted when that happens."""
    if host.late_release_s is not None:
        return False
    host.late_release_s = 1.0 + 6.0 * rng.random()

    def over() -> None:
        host.late_release_s = None

    world.at(world.lasts(rng, 20.0), over)
    return True
