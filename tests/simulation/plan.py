"""Which faults strike when: drawn from the seed beforehand, so that a run can be had without some of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from .aims import MOMENTS
from .faults import KINDS, strike
from .host import Host
from .world import World

EPISODE_S = 180.0
"""Faults for so long, then calm."""
FIRST_S = 8.0
MEAN_PAUSE_S = 0.9
AIMED_SHARE = 0.25
RARE = (
    "all restarted",
    "all of Consul down",
    "Consul restarted one after the other",
    "hosts cut off from each other",
    "Consul's servers lose all they agreed on",
    "Consul loses everything",
)
"""They strike every host at once: too often, and nothing else would ever happen."""
RARE_SHARE = 0.3
ISOLATING = ("agent frozen", "host cut off", "calls go wrong", "host cannot hear", "all of Consul down")
"""What comes before a fault that is aimed at a deadline, so that the deadline is one."""


@dataclass(frozen=True)
class Strike:
    """One fault.

    :param at: seconds after the episode began.
    :param where: a host's number, or -1 for whichever has the key then.
    :param draw: seed of the fault's own generator.
    :param moment: it waits from ``at`` on for this moment and strikes ``offset`` seconds after it.
    :param first: a fault that strikes at ``at`` on the host that is aimed at.
    """

    at: float
    kind: str
    where: int
    draw: int
    moment: str = ""
    offset: float = 0.0
    first: str = ""

    def __str__(self) -> str:
        place = "the host with the key" if self.where < 0 else f"host {self.where + 1}"
        if not self.moment:
            return f"at {self.at:7.2f} s: {self.kind} on {place}"
        first = f"{self.first}, then " if self.first else ""
        return (
            f"from {self.at:5.2f} s: {first}{self.kind} on {place}, {self.offset:+.2f} s from '{self.moment}'"
        )


def plan(seed: int, episode: int, hosts: int, kinds: Sequence[str] | None = None) -> list[Strike]:
    """The faults of one episode, in order."""
    rng = random.Random(f"plan {seed} {episode}")
    names = list(kinds or KINDS)
    # Some episodes are thick with faults, some thin; some know only a few kinds, each of them often.
    pace = MEAN_PAUSE_S * rng.choice((0.5, 2.0, 6.0))
    if kinds is None and rng.random() < 0.4:
        names = rng.sample(names, 6)
    strikes = []
    at = FIRST_S * rng.random()
    while at < EPISODE_S:
        name, where = rng.choice(names), rng.choice((-1, rng.randrange(hosts)))
        if name in RARE and rng.random() > RARE_SHARE:
            name = rng.choice(names)
        moment, offset, first = "", 0.0, ""
        if rng.random() < AIMED_SHARE:
            moment = rng.choice(MOMENTS)
            offset = 0.3 * rng.random()
            if moment in ("deadline", "wait over"):
                offset = 2.5 * rng.random() - 0.5
            if moment == "deadline" and rng.random() < 0.7:
                where, first = -1, rng.choice([one for one in ISOLATING if one in names] or [""])
        strikes.append(Strike(at, name, where, rng.getrandbits(32), moment, offset, first))
        # Faults often come in pairs: what one of them leaves open, the next one meets.
        at += 0.5 * rng.random() if rng.random() < 0.4 else rng.expovariate(1 / pace)
    return strikes


def schedule(world: World, strikes: Sequence[Strike]) -> None:
    """Puts the faults of an episode that begins now into the world's time."""
    world.faults_end = world.now + EPISODE_S
    world.aims.clear()
    for one in strikes:
        world.at(one.at, lambda one=one: _begin(world, one))  # type: ignore[misc]


def _begin(world: World, one: Strike) -> None:
    rng = random.Random(one.draw)
    host = _where(world, one)

    def fire(_: Host) -> None:
        if world.now < world.faults_end:
            # Where it happens is where it strikes, half of the time: else one of the others feels it.
            strike(world, one.kind, host if one.where >= 0 else _, rng)

    if not one.moment:
        strike(world, one.kind, host, rng)
        return
    world.aims.wait_for(one.moment, one.offset, fire)
    if one.first:
        strike(world, one.first, host, rng)


def _where(world: World, one: Strike) -> Host:
    if one.where >= 0:
        return world.hosts[one.where]
    return world.holder() or world.hosts[one.draw % len(world.hosts)]
