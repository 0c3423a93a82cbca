"""The list of faults: each a function that strikes a host and sees to its own end."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..host import Host
from ..world import World

Fault = Callable[[World, Host, random.Random], bool]
"""Strikes; says whether it had anything to strike. The generator is the fault's own."""

KINDS: dict[str, Fault] = {}


def kind(name: str) -> Callable[[Fault], Fault]:
    def register(fault: Fault) -> Fault:
        assert name not in KINDS
        KINDS[name] = fault
        return fault

    return register


def flag(world: World, thing: object, name: str, seconds: float) -> bool:
    """Sets one of a host's or a process's flags for a while. Returns whether it was not set before."""
    if getattr(thing, name):
        return False
    setattr(thing, name, True)
    world.at(seconds, lambda: setattr(thing, name, False))
    return True


def strike(world: World, name: str, host: Host, rng: random.Random) -> bool:
    """Strikes, and counts the fault if it took effect."""
    world.note(f"--- {name}: {host.name}")
    said = world.log[-1]
    done = KINDS[name](world, host, rng)
    if done:
        world.struck(name)
    elif world.log[-1] is said:
        world.log.pop()
    return done
