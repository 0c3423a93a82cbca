"""Takeovers without a lease: Consul dies, somebody orders a host to sign, and Consul comes back.

What an operator is told to make sure of is kept here, too: nobody else signs when the order is given, and the
host that signs is not cut off from a Consul that is back. Everything else may go wrong beside it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hafailover.agent.takeover import LOOK_S
from hafailover.cli.takeover import ANSWER_S, WATCH_S
from hafailover.core.views import Role

from .desk import Order
from .faults import strike
from .faults.consul import freeze, take_down
from .faults.network import cut
from .faults.processes import kill_agent, stop_agent
from .host import Host
from .referee import Violation
from .run import Result, recover
from .servers import Server
from .world import World

ROUNDS = 3
KINDS = (
    "agent killed",
    "agent frozen",
    "agent stutters",
    "guard killed",
    "guard frozen",
    "agent and guard frozen",
    "agent and guard killed",
    "neard killed",
    "neard frozen",
    "agent and neard killed",
    "host crashed",
    "host suspended",
    "all restarted",
    "neard's RPC hung",
    "neard syncing",
    "neard loses signals",
    "neard reloads slowly",
    "disk full",
    "clock runs at another rate",
    "wall clock stepped",
    "watches lag",
    "switchover",
    "session ended by hand",
)
"""What else may happen: all but what keeps a single host from Consul, or Consul's data from being true."""
BACK_WITHIN_S = 6.0
"""From the first server that is back to the last."""
LONG_S = 60.0
AFTER_S = 30.0
"""So long faults go on after that."""


def course(seed: int) -> Result:
    """Some outages of one pool, in each of which somebody may have to sign without a lease."""
    world, result = World(seed), Result(seed, course="takeovers")
    rng = random.Random(f"takeovers {seed}")
    began = 0.0
    try:
        world.run_until(40.0 + 10.0 * rng.random())
        for _ in range(ROUNDS):
            began = world.now
            _outage(world, rng)
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


def _outage(world: World, rng: random.Random) -> None:
    lasts = 80.0 + 80.0 * rng.random()
    world.faults_end = world.now + lasts + BACK_WITHIN_S + AFTER_S
    _silence(world, rng, lasts)
    pace = rng.choice((2.0, 8.0, 30.0))
    at = 20.0 * rng.random()
    while at < lasts + BACK_WITHIN_S + AFTER_S:
        _later(world, at, rng, _befall)
        at += rng.expovariate(1 / pace)
    at = rng.choice((5.0, 62.0, 62.0, 70.0))
    while at < lasts:
        _later(world, at, rng, _order)
        # Each time the command watches the chain anew, and waits for the agent's answer.
        at += WATCH_S + ANSWER_S + 6.0 * rng.random()
    if rng.random() < 0.2:
        _later(world, lasts * rng.random(), rng, _take_back)
    if rng.random() < 0.3:
        _later(world, lasts - 5.0 * rng.random(), rng, _does_not_see_the_end)
    world.run_until(world.faults_end)


def _silence(world: World, rng: random.Random, lasts: float) -> None:
    """All servers, or most, are dead or stand still; the others go on answering without a leader."""
    servers = rng.sample(world.servers.all, len(world.servers.all))
    most = len(servers) // 2 + 1
    hit = servers if rng.random() < 0.5 else servers[:most]
    dead = rng.random() < 0.7
    world.struck("Consul dead for long")
    world.note(f"--- no Consul for {lasts:.0f} s: {', '.join(one.name for one in hit)}")
    for server in hit:
        seconds = lasts + BACK_WITHIN_S * rng.random()

        def gone(server: Server = server, seconds: float = seconds) -> None:
            if not (take_down(world, server, seconds) if dead else freeze(world, server, rng, seconds)):
                # It stands still already, and goes on when it does: that is one way for Consul to come back.
                world.note(f"{server.name} stands still already")

        world.at(2.0 * rng.random(), gone)


def _later(
    world: World, seconds: float, rng: random.Random, work: Callable[[World, random.Random], None]
) -> None:
    draw = random.Random(rng.getrandbits(32))
    world.at(seconds, lambda: work(world, draw))


def _befall(world: World, rng: random.Random) -> None:
    signer = world.holder()
    host = signer if signer is not None and rng.random() < 0.5 else rng.choice(world.hosts)
    if host is not _ordered(world) and rng.random() < 0.1:
        if cut(world, host, world.lasts(rng, 15.0)):
            world.struck("host cut off")
        return
    if rng.random() < 0.1:
        _long_absence(world, host, rng)
        return
    strike(world, rng.choice(KINDS), host, rng)


def _does_not_see_the_end(world: World, rng: random.Random) -> None:
    host = _ordered(world)
    if host is not None:
        _long_absence(world, host, rng)


def _long_absence(world: World, host: Host, rng: random.Random) -> None:
    """The agent is away for longer than a successor waits: only the guard's deadline is left."""
    away = min(LONG_S * rng.random(), world.faults_end - world.now)
    if kill_agent(world, host, rng, away) if rng.random() < 0.5 else stop_agent(world, host, away):
        world.struck("agent away for long")


def _order(world: World, rng: random.Random) -> None:
    """As the command does, which looks at the chain first: nobody may be seen to sign."""
    signing = [one for one in world.referee.holders if not one.frozen]
    able = [one for one in world.hosts if one.up and not one.frozen and one.sends and one.hears]
    if signing or not able or _ordered(world) is not None or world.servers.has_leader:
        return
    host = rng.choice(able)
    host.order = order = Order(f"o{rng.getrandbits(32)}", host.clock())
    world.struck("takeover ordered")
    world.note(f"--- takeover ordered: {host.name}")
    if host.agent is not None:
        host.at(LOOK_S * rng.random(), host.agent.own(host.agent.desk.look))

    def withdraw() -> None:
        if host.order is order and not order.answered:
            world.note(f"--- takeover withdrawn, since nobody answers: {host.name}")
            host.order = None

    # The command waits on the same machine, and stands still with it.
    host.at(ANSWER_S, lambda: host.when_running(withdraw))


def _take_back(world: World, rng: random.Random) -> None:
    host = _ordered(world)
    if host is not None and not host.frozen and host.order is not None:
        world.struck("takeover taken back")
        host.order = None


def _ordered(world: World) -> Host | None:
    """The host that signs without a lease, or is about to."""
    for host in world.hosts:
        agent = host.agent
        told = agent is not None and agent.alive and agent.state.role is Role.FORCED
        if told or host.order is not None:
            return host
    return None
