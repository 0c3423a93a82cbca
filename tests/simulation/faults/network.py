"""Links that are cut, in one direction or both, that flap, and calls that are slow or lost."""

from __future__ import annotations

import random

from ..host import Host
from ..world import World
from .kinds import flag, kind


def mend(world: World, host: Host) -> None:
    host.sends = host.hears = True
    if host.agent is not None:
        host.agent.eyes.look_at_all()


def cut(world: World, host: Host, seconds: float, sends: bool = False, hears: bool = False) -> bool:
    """:param sends: what the host sends gets through still; ``hears``: what is sent to it."""
    if not host.up or not (host.sends and host.hears):
        return False
    host.sends, host.hears = sends, hears
    world.at(seconds, lambda: mend(world, host))
    return True


@kind("host cut off")
def cut_off(world: World, host: Host, rng: random.Random) -> bool:
    return cut(world, host, world.lasts(rng, rng.choice((4.0, 15.0))))


@kind("host cannot hear")
def deaf(world: World, host: Host, rng: random.Random) -> bool:
    return cut(world, host, world.lasts(rng, rng.choice((4.0, 15.0))), sends=True)


@kind("host cannot be heard")
def mute(world: World, host: Host, rng: random.Random) -> bool:
    return cut(world, host, world.lasts(rng, rng.choice((4.0, 15.0))), hears=True)


@kind("link flaps")
def flaps(world: World, host: Host, rng: random.Random) -> bool:
    if not host.up or not (host.sends and host.hears):
        return False
    began, lasts = world.now, world.lasts(rng, 12.0)

    def again() -> None:
        if world.now - began < lasts and cut(world, host, 1.5 * rng.random()):
            world.at(3.0 * rng.random(), again)

    again()
    return True


@kind("hosts cut off from each other")
def split(world: World, host: Host, rng: random.Random) -> bool:
    """Everyone is alone: no part has a majority."""
    seconds = world.lasts(rng, 10.0)
    done = [cut(world, one, seconds) for one in world.hosts]
    return any(done)


@kind("calls go wrong")
def flaky(world: World, host: Host, rng: random.Random) -> bool:
    return flag(world, host, "flaky", world.lasts(rng, 15.0))


@kind("watches lag")
def watches_lag(world: World, host: Host, rng: random.Random) -> bool:
    return flag(world, host, "slow_watch", world.lasts(rng, 15.0))
