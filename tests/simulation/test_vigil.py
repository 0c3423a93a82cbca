"""The vigil sees what must not last, and faults do what they say."""

from __future__ import annotations

import pytest

from hafailover.core.beat import Phase

from . import disk, vigil
from .faults import KINDS
from .hand import GuardProcess
from .mutants_of_faults import says_ready
from .referee import Violation
from .test_simulation import signing_world
from .world import World

# --- what is judged


def test_a_status_that_names_a_dead_host_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its session never ends, and status does not look whether the beat moves."""
    monkeypatch.setattr(vigil, "still", lambda world: None)
    world = signing_world()
    holder = world.holder()
    assert holder is not None
    monkeypatch.setitem(vigil.LONGEST_S, vigil.OTHER, 1e9)
    monkeypatch.setattr(world.consul, "expire", lambda now: None)
    holder.crash()
    with pytest.raises(Violation) as broken:
        world.run_until(world.now + vigil.SAID_TO_SIGN_S + 5)
    assert broken.value.rule == vigil.STATUS_LIES
    assert f"{holder.name} signs" in str(broken.value)


def test_a_lock_that_a_dead_host_keeps_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    world = signing_world()
    holder = world.holder()
    assert holder is not None
    monkeypatch.setattr(vigil, "SAID_TO_SIGN_S", 1e9)
    monkeypatch.setattr(world.consul, "expire", lambda now: None)
    holder.crash()
    with pytest.raises(Violation) as broken:
        world.run_until(world.now + vigil.LONGEST_S[vigil.OTHER] + 15)
    assert broken.value.rule == vigil.OTHER


def test_a_host_that_says_ready_and_leaves_the_lock_alone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    says_ready(monkeypatch)
    monkeypatch.setattr("hafailover.core.standby._head_start", lambda state, now: (1e9, "others"))
    world = World(1)
    with pytest.raises(Violation) as broken:
        world.run_until(60.0)
    assert broken.value.rule == vigil.RESTS


def test_a_host_without_a_session_is_seen() -> None:
    world = signing_world()
    standby = next(host for host in world.hosts if host not in world.referee.holders)
    assert standby.agent is not None
    # The thread that keeps its session is dead, and nothing tells.
    standby.agent._keeper_waits = True
    world.consul.deregister(standby)
    with pytest.raises(Violation) as broken:
        world.run_until(world.now + vigil.FORGOTTEN_S + 5)
    assert broken.value.rule == vigil.FORGOTTEN
    assert standby.name in str(broken.value)


def test_the_cost_of_a_planned_handover_is_measured_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    world = signing_world()
    assert world.shape.hot_swap

    def hand_over() -> None:
        to = next(host for host in world.hosts if host not in world.referee.holders)
        world.ask(to.name)
        world.run_until(world.now + 15)

    hand_over()
    (took,) = world.vigil.spells[vigil.HANDOVER]
    assert 0 < took < vigil.HANDOVER_S
    monkeypatch.setattr(vigil, "HANDOVER_S", 0.0)
    with pytest.raises(Violation) as broken:
        hand_over()
    assert broken.value.rule == vigil.HANDOVER


def test_a_pool_without_faults_is_never_idle() -> None:
    world = signing_world()
    before = {name: len(spells) for name, spells in world.vigil.spells.items()}
    world.run_until(world.now + 120)
    assert {name: len(spells) for name, spells in world.vigil.spells.items()} == before


# --- what the faults do


def test_a_leader_whose_disk_hangs_answers_and_does_not_commit() -> None:
    world = signing_world()
    leader = world.servers.leader
    assert leader is not None and leader.disk is not None
    leader.disk.hang(14.0)
    at = world.consul.index
    world.run_until(world.now + 12)
    assert (world.servers.has_leader, world.servers.commits) == (True, False)
    assert world.consul.index == at
    assert world.referee.holders == []
    view = vigil.status(world)
    assert view is not None
    world.run_until(world.now + 50)
    assert (world.servers.has_leader, world.servers.commits) == (True, True)
    assert world.active() is not None


def test_a_follower_whose_disk_hangs_costs_nothing() -> None:
    world = signing_world()
    follower = next(one for one in world.servers.all if one is not world.servers.leader and one.disk)
    assert follower.disk is not None
    active = world.active()
    follower.disk.hang(20.0)
    world.run_until(world.now + 15)
    assert world.servers.commits
    assert world.active() is active


def test_what_waits_for_a_disk_is_done_in_order() -> None:
    world, done = World(1), list[int]()
    one = disk.Disk(world)
    assert one.hang(5.0, reads=False)
    assert not one.hang(9.0)
    one.do(lambda: done.append(1))
    one.do(lambda: done.append(2))
    one.read(lambda: done.append(0))
    world.run_until(4.9)
    assert done == [0]
    world.run_until(5.1)
    assert done == [0, 1, 2]
    one.do(lambda: done.append(3))
    assert done == [0, 1, 2, 3]


def test_a_guard_whose_loop_hangs_in_a_file_cannot_be_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GuardProcess, "LOOP_WAITS_FOR_FILES", True)
    world = signing_world()
    holder = world.holder()
    assert holder is not None and holder.guard is not None
    holder.home.hang(10.0)
    holder.sends = holder.hears = False
    with pytest.raises(Violation):
        world.run_until(world.now + 40)


def test_file_work_on_a_thread_of_its_own_lets_the_guard_kill() -> None:
    world = signing_world()
    holder = world.holder()
    assert holder is not None
    holder.home.hang(30.0)
    holder.sends = holder.hears = False
    world.run_until(world.now + 25)
    assert world.active() not in (None, holder)
    # It is not started again before the link is gone for certain.
    assert holder.neard is not None and holder.neard.dying
    holder.sends = holder.hears = True
    world.run_until(world.now + 30)
    assert holder.neard is not None and holder.neard.up and not holder.link


def test_a_consul_that_lost_everything_begins_anew() -> None:
    world = signing_world()
    world.run_until(world.now + 120)
    before = world.consul.lock.index, world.consul.index
    world.consul.lose_everything()
    assert world.consul.index < min(before)
    assert not world.consul.sessions and world.consul.heartbeat is None
    world.run_until(world.now + 3)
    assert world.consul.sessions


def test_a_forged_word_stands_in_consul_and_the_lock_is_free() -> None:
    import random

    world = signing_world()
    session = world.consul.lock.session
    assert KINDS["forged: the last beat released"](world, world.hosts[0], random.Random(1))
    assert world.consul.heartbeat is not None
    assert world.consul.heartbeat.beat.phase is Phase.RELEASED
    world.consul.unlock()
    assert world.consul.lock.session is None
    assert session in world.consul.sessions
