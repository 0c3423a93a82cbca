"""Single courses of events, to the point: those that once went wrong, or nearly did."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from hafailover.core import events as ev
from hafailover.core import foreign
from hafailover.core.beat import Beat, Phase
from hafailover.core.views import Orders
from hafailover.timing import PROFILES

from .consul import LostError, NotHeldError
from .host import Host
from .world import Shape, World


def settled(seed: int, profile: str = "default") -> tuple[World, Host]:
    """A pool of three with one active, and nothing wrong."""
    world = World(seed, Shape((PROFILES[profile],) * 3, agent_watchdog=False, witness=False))
    world.run_until(40.0)
    active = world.active()
    assert active is not None
    return world, active


@pytest.mark.parametrize(("before", "after"), [("wide", "fast"), ("wide", "default"), ("default", "fast")])
def test_an_agent_restarts_with_a_shorter_profile_and_dies(before: str, after: str) -> None:
    """The guard holds on to the longer grant of the agent before."""
    for seed in range(10):
        world, active = settled(seed, before)
        active.kill_agent()
        active.start_agent(PROFILES[after])
        world.run_until(world.now + 0.4)
        active.kill_agent()
        world.run_until(world.now + 40)


def late_release(
    world: World, phase: Phase, after: float, *steps: tuple[float, Callable[[], object]]
) -> None:
    """The next release of this phase takes effect only ``after`` seconds; meanwhile the ``steps``."""
    release = world.consul.release

    def release_late(session: str, beat: Beat) -> None:
        if beat.phase is not phase:
            release(session, beat)
            return

        def land() -> None:
            world.note("the late release arrives")
            with suppress(NotHeldError):
                release(session, beat)

        world.consul.release = release  # type: ignore[method-assign]
        for delay, step in ((after, land), *steps):
            world.at(delay, step)
        raise LostError

    world.consul.release = release_late  # type: ignore[method-assign]


def freeze(host: Host, seconds: float) -> None:
    assert host.agent is not None
    host.agent.stop()
    host.at(seconds, host.agent.cont)


@pytest.mark.parametrize("seed", range(6))
def test_a_lock_that_was_passed_on_is_taken_up_again_before_the_release_arrives(seed: int) -> None:
    """The target of a handover is not fit after all and passes the lock on; Consul is slow to carry it out;
    meanwhile its agent restarts, neard is fit, and after that the agent freezes."""
    world, active = settled(seed)
    target = next(host for host in world.hosts if host is not active)

    def restart() -> None:
        target.kill_agent()
        target.syncing_until = world.now
        target.start_agent()

    late_release(world, Phase.PASSED, 2.5, (0.05, restart), (2.5, lambda: freeze(target, 10.0)))
    world.ask(target.name)
    while world.sessions_host() in (active, None):
        world.run_until(world.now + 0.01)
    target.syncing_until = world.now + 20
    world.run_until(world.now + 60)
    assert world.active() is not None


@pytest.mark.parametrize("seed", range(6))
def test_a_lock_that_was_released_is_taken_up_again_before_the_release_arrives(seed: int) -> None:
    """The active's neard dies and it releases the lock; Consul is slow to carry it out; meanwhile agent and
    guard restart, and nothing on the host knows any more that the term is over."""
    world, active = settled(seed)

    def restart() -> None:
        active.kill_agent()
        active.kill_guard()
        active.start_agent()

    late_release(world, Phase.RELEASED, 6.0, (0.01, restart), (6.0, lambda: freeze(active, 10.0)))
    assert active.neard is not None
    active.neard.kill()
    world.run_until(world.now + 60)
    assert world.active() is not None


@pytest.mark.parametrize("seed", range(6))
def test_an_agent_that_holds_nothing_kills_a_frozen_guard_with_the_key(seed: int) -> None:
    """Its host is cut off from Consul and its agent restarts; then the guard freezes, key and all."""
    world, active = settled(seed)
    active.sends = active.hears = False
    active.kill_agent()
    active.start_agent()
    world.run_until(world.now + 0.5)
    assert active.guard is not None
    active.guard.stopped = True
    world.run_until(world.now + 20)
    assert world.active() not in (active, None)


@pytest.mark.parametrize("seed", range(6))
def test_an_old_validator_signs_while_a_pool_starts_and_ends(seed: int) -> None:
    world = World(seed, Shape((PROFILES["default"],) * 3, agent_watchdog=False, witness=False))
    world.chain.foreign_signer = True
    world.run_until(70.0)
    assert world.referee.holders == []
    told = [agent for agent in world.agents() if foreign.is_alarm(agent.state)]
    assert told
    assert all("somebody else signs for pool.near" in agent.state.reason for agent in told)
    world.chain.foreign_signer = False
    world.run_until(100.0)
    assert world.active() is not None
    assert not any(foreign.is_alarm(agent.state) for agent in world.agents())


@pytest.mark.parametrize("seed", range(6))
def test_a_pool_without_a_signer_sees_one_that_is_not_its_own(seed: int) -> None:
    """Automatic failover is paused, the active's host dies, and somebody else has the key."""
    world, active = settled(seed)
    for agent in world.agents():
        agent.emit(ev.OrdersSeen(Orders(paused_until=1e9)))
    active.crash()
    world.run_until(world.now + 60)
    assert not any(foreign.is_alarm(agent.state) for agent in world.agents())
    world.chain.foreign_signer = True
    world.run_until(world.now + 20)
    assert any(foreign.is_alarm(agent.state) for agent in world.agents())
