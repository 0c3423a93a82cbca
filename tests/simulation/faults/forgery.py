"""Words in Consul that another host's token has written, while other things go wrong (:mod:`..forger`)."""

from __future__ import annotations

import random

from ..forger import Forger
from ..host import Host
from ..world import World
from .kinds import kind
from .network import cut
from .processes import stop_agent


def blind(world: World, rng: random.Random) -> None:
    """Half of the time the holder cannot see for a while what has been written."""
    holder = world.sessions_host()
    if holder is not None and rng.random() < 0.5:
        seconds = world.lasts(rng, 8.0)
        if rng.random() < 0.5:
            stop_agent(world, holder, seconds)
        else:
            cut(world, holder, seconds)


def forge(world: World, name: str, rng: random.Random) -> bool:
    held = world.consul.lock.session is not None and world.servers.commits
    if not held or not Forger(world, rng).attacks[name]():
        return False
    blind(world, rng)
    return True


@kind("forged: the last beat released")
def released(world: World, host: Host, rng: random.Random) -> bool:
    return forge(world, "the last beat released", rng)


@kind("forged: a release by another host")
def released_by_another(world: World, host: Host, rng: random.Random) -> bool:
    return forge(world, "a release by another host", rng)


@kind("forged: an old release written again")
def old_release(world: World, host: Host, rng: random.Random) -> bool:
    return forge(world, "an old release written again", rng)


@kind("forged: a beat with a short promise")
def short_promise(world: World, host: Host, rng: random.Random) -> bool:
    return forge(world, "a beat with a short promise", rng)


@kind("forged: a later term")
def later_term(world: World, host: Host, rng: random.Random) -> bool:
    return forge(world, "a later term", rng)


@kind("forged: a wait passed on that is over")
def passed_on(world: World, host: Host, rng: random.Random) -> bool:
    return forge(world, "a wait passed on that is over", rng)


@kind("forged: a term recorded as dropped")
def dropped(world: World, host: Host, rng: random.Random) -> bool:
    return forge(world, "a term recorded as dropped", rng)


@kind("forged: the heartbeat is no beat")
def junk(world: World, host: Host, rng: random.Random) -> bool:
    return forge(world, "the heartbeat is no beat", rng)
