"""One seed's run: episodes of faults, each followed by a calm in which the pool must recover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hafailover.core.views import NeardPhase

from .host import Host
from .plan import EPISODE_S, Strike, plan, schedule
from .referee import Violation
from .world import World

CALM_LONGEST_S = 200.0
FIT_FOR_S = 75.0
"""A host that was fit for so long after the last fault, and nobody signs: the pool has not recovered.

Consul may keep a session of the past for twice its TTL (40 s with profile ``wide``), and the longest wait for
a predecessor is 16.2 s."""
STEADY_S = 3.0
LOOK_S = 1.0


@dataclass
class Result:
    """What one seed's run saw. ``seconds``: virtual time."""

    seed: int
    course: str = ""
    """What was played instead of random episodes."""
    seconds: float = 0.0
    episodes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)
    recovered_s: list[float] = field(default_factory=list)
    """From the end of each episode's faults to exactly one active."""
    exposures_s: list[float] = field(default_factory=list)
    spells_s: dict[str, list[float]] = field(default_factory=dict)
    """What the vigil has timed, by name."""
    rule: str = ""
    """The rule that was broken; empty if none was."""
    what: str = ""
    episode: int = -1
    """The episode in which it happened, and when within it, in seconds."""
    when: float = 0.0
    log: list[tuple[float, str]] = field(default_factory=list)


def run(
    seed: int,
    hours: float,
    kinds: Sequence[str] | None = None,
    only: dict[int, list[Strike]] | None = None,
) -> Result:
    """Runs episodes until ``hours`` of virtual time are over.

    :param only: other faults than the seed's own for these episodes.
    """
    world, result = World(seed), Result(seed)
    began = 0.0
    try:
        while world.now < hours * 3600:
            number, began = result.episodes, world.now
            strikes = only.get(number) if only is not None else None
            if strikes is None:
                strikes = plan(seed, number, len(world.hosts), kinds)
            schedule(world, strikes)
            world.run_until(world.now + EPISODE_S)
            result.recovered_s.append(recover(world))
            result.episodes += 1
    except Violation as violation:
        result.rule, result.what = violation.rule, str(violation.args[1])
        result.episode, result.when = result.episodes, world.now - began
        result.log = list(world.log)
    result.seconds = world.now
    result.faults, result.did = world.faults, world.did
    result.exposures_s = world.referee.exposures
    result.spells_s = dict(world.vigil.spells)
    return result


def recover(world: World) -> float:
    """Waits for exactly one active that stays; returns how long that took.

    :raises Violation: nobody signs although a host has been fit for long enough.
    """
    began, fit_since, since = world.now, dict.fromkeys(world.hosts, world.now), None
    while world.now - began < CALM_LONGEST_S:
        if world.active() is not None and len(world.referee.holders) == 1:
            since = world.now if since is None else since
            if world.now - since >= STEADY_S:
                return since - began
        else:
            since = None
        for host in world.hosts:
            if not _fit(host):
                fit_since[host] = world.now
            elif world.now - fit_since[host] > FIT_FOR_S and since is None:
                world.referee.broken("liveness", f"nobody signs, although {host.name} is fit")
        world.run_until(world.now + LOOK_S)
    if since is None:
        world.referee.broken("liveness", f"nobody signs {CALM_LONGEST_S:g} s after the last fault")
    return world.now - began


def _fit(host: Host) -> bool:
    guard = host.guard.guard if host.guard is not None and host.guard.alive else None
    return guard is not None and guard.phase is NeardPhase.UP and not guard.problem
