"""Words in Consul that another host's token has written: with the documented policy it may write every key.

None of them can make the holder's key go sooner; each is made to bring a successor forward. After the word
the lock is freed in the same transaction, or a moment later, since a word alone moves nobody.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hafailover.core.beat import Beat, Phase

from ..host import Host
from ..world import World
from .kinds import kind
from .network import cut
from .processes import stop_agent

SHORTEST_S = 0.5
"""A promise that is shorter is no beat (:func:`hafailover.core.beat.parse_beat`)."""


def last_beat(world: World) -> Beat | None:
    stored = world.consul.heartbeat
    held = world.consul.lock.session is not None and world.servers.commits
    return stored.beat if stored is not None and held else None


def write(world: World, beat: Beat, rng: random.Random) -> bool:
    """The forged word, and the freed lock. Half of the time the holder cannot see that for a while."""
    holder = world.sessions_host()
    if holder is not None and rng.random() < 0.5:
        seconds = world.lasts(rng, 8.0)
        if rng.random() < 0.5:
            stop_agent(world, holder, seconds)
        else:
            cut(world, holder, seconds)
    consul = world.consul
    consul.forge(beat)
    if rng.random() < 0.5:
        consul.unlock()
    else:
        world.at(0.3 * rng.random(), consul.unlock)
    return True


def with_a_word(world: World, beat: Beat, rng: random.Random) -> Beat:
    """What a guard has once signed may be written again, under any beat."""
    released = [one for one in world.consul.written if one.phase is Phase.RELEASED]
    if not released or not hasattr(beat, "word") or rng.random() < 0.3:
        return beat
    old: dict[str, Any] = {"word": getattr(rng.choice(released), "word", "")}
    return replace(beat, **old)


@kind("forged: the last beat released")
def released(world: World, host: Host, rng: random.Random) -> bool:
    beat = last_beat(world)
    if beat is None:
        return False
    forged = replace(beat, phase=Phase.RELEASED, sequence=beat.sequence + 1, inherits=None)
    if rng.random() < 0.5:
        forged = replace(forged, handover_to=host.name)
    return write(world, with_a_word(world, forged, rng), rng)


@kind("forged: an old release written again")
def old_release(world: World, host: Host, rng: random.Random) -> bool:
    old = [one for one in world.consul.written if one.phase is Phase.RELEASED]
    if last_beat(world) is None or not old:
        return False
    return write(world, rng.choice(old), rng)


@kind("forged: a beat with a short promise")
def short_promise(world: World, host: Host, rng: random.Random) -> bool:
    beat = last_beat(world)
    if beat is None:
        return False
    leap = rng.choice((0, 1, 500))
    return write(world, replace(beat, sequence=beat.sequence + leap, gone_within_s=SHORTEST_S), rng)


@kind("forged: a later term")
def later_term(world: World, host: Host, rng: random.Random) -> bool:
    """Released by nobody who ever was, or with a short promise; far away, or just above."""
    beat = last_beat(world)
    if beat is None:
        return False
    term = beat.term + rng.choice((1, 1000, 1 << 61))
    phase = rng.choice((Phase.RELEASED, Phase.ACTIVE))
    forged = Beat(term, 1, rng.choice((host.name, "nobody")), phase, SHORTEST_S)
    return write(world, with_a_word(world, forged, rng), rng)


@kind("forged: a wait passed on that is over")
def passed_on(world: World, host: Host, rng: random.Random) -> bool:
    beat = last_beat(world)
    old = [one for one in world.consul.written if one.phase is Phase.RELEASED]
    if beat is None or not old:
        return False
    inherits = replace(rng.choice(old), inherits=None)
    forged = replace(beat, phase=Phase.PASSED, sequence=beat.sequence + 1, inherits=inherits)
    return write(world, forged, rng)


@kind("forged: a term recorded as dropped")
def dropped(world: World, host: Host, rng: random.Random) -> bool:
    beat = last_beat(world)
    if beat is None:
        return False
    world.consul.forge_dropped(beat.term)
    return write(world, beat, rng)
