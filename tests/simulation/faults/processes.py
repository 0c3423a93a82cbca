"""Processes and machines that are killed or stand still, alone, in pairs and all at once."""

from __future__ import annotations

import random

from hafailover.timing import PROFILES

from ..host import Host
from ..world import World
from .kinds import kind
from .network import cut


def kill_agent(world: World, host: Host, rng: random.Random, back_after: float) -> bool:
    if not host.kill_agent():
        return False
    profile = PROFILES[rng.choice(sorted(PROFILES))] if world.shape.change_profiles else None
    world.at(back_after, lambda: host.start_agent(profile))
    return True


def stop_agent(world: World, host: Host, seconds: float) -> bool:
    agent = host.agent
    if agent is None or not agent.stop():
        return False
    world.at(seconds, agent.cont)
    return True


def stop_guard(world: World, host: Host, seconds: float) -> bool:
    guard = host.guard
    if guard is None or not guard.stop():
        return False
    world.at(seconds, guard.cont)
    return True


@kind("agent killed")
def agent_killed(world: World, host: Host, rng: random.Random) -> bool:
    return kill_agent(world, host, rng, world.lasts(rng, rng.choice((0.5, 3.0, 10.0))))


@kind("agent frozen")
def agent_frozen(world: World, host: Host, rng: random.Random) -> bool:
    return stop_agent(world, host, world.lasts(rng, rng.choice((3.0, 15.0))))


@kind("agent stutters")
def agent_stutters(world: World, host: Host, rng: random.Random) -> bool:
    first, second = world.lasts(rng, 4.9), world.lasts(rng, 12.0)
    world.at(first + 0.3 * rng.random(), lambda: stop_agent(world, host, second))
    return stop_agent(world, host, first)


@kind("guard killed")
def guard_killed(world: World, host: Host, rng: random.Random) -> bool:
    return host.kill_guard()


@kind("guard frozen")
def guard_frozen(world: World, host: Host, rng: random.Random) -> bool:
    return stop_guard(world, host, world.lasts(rng, 8.0))


@kind("agent and guard frozen")
def both_frozen(world: World, host: Host, rng: random.Random) -> bool:
    longest = rng.choice((3.0, 15.0))
    agent = stop_agent(world, host, world.lasts(rng, longest))
    return stop_guard(world, host, world.lasts(rng, longest)) and agent


@kind("agent and guard killed")
def both_killed(world: World, host: Host, rng: random.Random) -> bool:
    agent = kill_agent(world, host, rng, world.lasts(rng, 3.0))
    return host.kill_guard() and agent


@kind("neard killed")
def neard_killed(world: World, host: Host, rng: random.Random) -> bool:
    neard = host.neard
    if neard is None or not neard.alive:
        return False
    neard.kill()
    return True


@kind("neard frozen")
def neard_frozen(world: World, host: Host, rng: random.Random) -> bool:
    neard = host.neard
    if neard is None or not neard.alive or neard.stopped:
        return False
    neard.stopped = True

    def cont() -> None:
        neard.stopped = False
        neard.thaw()

    world.at(world.lasts(rng, 8.0), cont)
    return True


@kind("agent and neard killed")
def agent_and_neard_killed(world: World, host: Host, rng: random.Random) -> bool:
    agent = kill_agent(world, host, rng, world.lasts(rng, 3.0))
    return neard_killed(world, host, rng) and agent


@kind("host crashed")
def host_crashed(world: World, host: Host, rng: random.Random) -> bool:
    if not host.crash():
        return False
    world.at(max(world.lasts(rng, 20.0), 1.0), host.boot)
    return True


@kind("host suspended")
def host_suspended(world: World, host: Host, rng: random.Random) -> bool:
    if not host.freeze():
        return False
    world.at(world.lasts(rng, rng.choice((2.0, 12.0, 25.0))), host.thaw)
    return True


@kind("all restarted")
def all_restarted(world: World, host: Host, rng: random.Random) -> bool:
    for one in world.hosts:
        one.kill_guard()
        kill_agent(world, one, rng, world.lasts(rng, 2.0))
    return True


@kind("frozen in a call, then cut off")
def frozen_in_a_call(world: World, host: Host, rng: random.Random) -> bool:
    """The request is on its way when its sender freezes, and the answer meets it long after."""
    agent = host.agent
    if agent is None or not agent.alive or agent.stopped or agent.on_sent is not None:
        return False
    thaws_after, cut_for = world.lasts(rng, 5.0), world.lasts(rng, 15.0)

    def freeze() -> None:
        stop_agent(world, host, thaws_after)

    def cut_off() -> None:
        agent.on_sent = None
        cut(world, host, cut_for)

    agent.on_sent = freeze
    world.at(1.3, cut_off)
    return True
