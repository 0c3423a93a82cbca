"""Somebody else signs: an old validator that still runs while a new pool starts, and random faults beside it.

Nobody of the pool may load the key meanwhile, whatever else goes wrong; and once the other has ended somebody
must, by itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .faults import strike
from .referee import Violation
from .run import Result, recover
from .takeovers import KINDS
from .world import World

CALM = 0.3
"""The share of courses in which nothing else goes wrong."""


def _strike(world: World, rng: random.Random) -> Callable[[], object]:
    draw = random.Random(rng.getrandbits(32))
    kind, host = rng.choice(KINDS), rng.choice(world.hosts)
    return lambda: strike(world, kind, host, draw)


def course(seed: int) -> Result:
    """A pool that starts while somebody else signs with its key, until that one ends."""
    world, result = World(seed), Result(seed, course="foreigners")
    rng = random.Random(f"foreigners {seed}")
    world.chain.foreign_signer = True
    try:
        lasts = 40.0 + 120.0 * rng.random()
        world.faults_end = lasts + 20.0
        at = 1000.0 if rng.random() < CALM else 5.0 * rng.random()
        while at < world.faults_end:
            world.at(at, _strike(world, rng))
            at += rng.expovariate(1 / 10.0)
        world.struck("somebody else signs")
        for one in world.hosts:
            one.silent_of_work_until = lasts * rng.random() if rng.random() < 0.3 else 0.0
        world.run_until(lasts)
        world.did["looks that showed somebody else"] += sum(
            agent.state.chain.evidence.finding is not None for agent in world.agents()
        )
        world.note("--- the other signer ends")
        world.chain.foreign_signer = False
        world.run_until(world.faults_end)
        result.recovered_s.append(recover(world))
        result.episodes += 1
    except Violation as violation:
        result.rule, result.what = violation.rule, str(violation.args[1])
        result.when = world.now
        result.log = list(world.log)
    result.seconds = world.now
    result.faults, result.did = world.faults, world.did
    result.exposures_s = world.referee.exposures
    return result
