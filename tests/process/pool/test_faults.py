"""Faults beyond the demo's: Consul without a majority, a neard that misbehaves, a frozen guard."""

import signal
import time
from itertools import pairwise

import pytest

from hafailover.cli.exit_codes import ANOTHER
from hafailover.clock import boottime
from hafailover.lab.guardlog import gone_at, loaded_at
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until
from hafailover.lock.keys import PoolKeys
from hafailover.timing import PROFILES

from .test_commands import command
from .waiting import logged, other_active, role, set_fault, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]

PROFILE = PROFILES["default"]
SLACK_S = 0.5
"""For the log's own granularity and two busy cores."""

SHORT_MEMORY_S = PROFILE.longest_wait_s
"""Comes on top where a test before may have cut the standbys off: their watch is young then."""


def test_consul_without_a_majority_fences_and_the_same_term_resumes(pool: LabPool) -> None:
    active = pool.wait_settled()
    host, term = pool.host(active), pool.look().term
    at = boottime()

    for other in standbys(pool, active):
        other.consul.kill()

    wait_until(lambda: gone_at(host.guard_log, at) is not None, timeout_s=15, what="the fence")
    fenced = gone_at(host.guard_log, at)
    assert fenced is not None
    assert fenced - at <= PROFILE.gone_within_s + SLACK_S
    for other in standbys(pool, active):
        other.consul.start()
    wait_until(lambda: loaded_at(host.guard_log, fenced) is not None, timeout_s=30, what="the key again")
    assert pool.wait_settled() == active
    assert pool.look().term == term, "nobody else took the lock, so the term goes on"
    assert "fenced" in host.agent_log.read_text()


def test_a_hung_rpc_makes_the_active_give_way(pool: LabPool) -> None:
    active = pool.wait_settled()
    at = set_fault(pool.host(active), rpc="hang")

    after = other_active(pool, active, 20 + SHORT_MEMORY_S)

    gone, loaded = gone_at(pool.host(active).guard_log, at), loaded_at(pool.host(after).guard_log, at)
    assert gone is not None
    assert loaded is not None
    assert gone <= loaded
    logged(pool.host(active).guard_log, "killing neard", 1)


def test_garbage_from_the_rpc_makes_the_active_give_way(pool: LabPool) -> None:
    active = pool.wait_settled()
    set_fault(pool.host(active), rpc="garbage")

    other_active(pool, active, 20 + SHORT_MEMORY_S)

    logged(pool.host(active).agent_log, "a body that is not JSON", 1)


def test_a_flood_from_the_rpc_delays_no_beat(pool: LabPool) -> None:
    """15 MB of ``[],`` take seconds to parse."""
    active = pool.wait_settled()
    term, key = pool.look().term, PoolKeys(pool.account_id).heartbeat
    server = pool.host(active).consul
    beats: list[tuple[float, int]] = []

    at = set_fault(pool.host(active), rpc="flood")
    while boottime() < at + 3:
        index = int(server.request("GET", f"/v1/kv/{key}")[0]["ModifyIndex"])
        if not beats or index != beats[-1][1]:
            beats.append((boottime(), index))
        time.sleep(0.02)
    set_fault(pool.host(active), rpc="ok")

    assert pool.wait_settled() == active
    assert pool.look().term == term
    gaps = [after - before for (before, _), (after, _) in pairwise(beats)]
    assert len(gaps) >= 2, "it was looked at for three beats' time"
    assert max(gaps) < 2.0
    assert "an answer of more than" in pool.host(active).agent_log.read_text()


def test_a_refused_reload_is_ended_by_killing_neard(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = pool.host(active)
    set_fault(host, refuse_reload=True)
    at = boottime()

    # The agent dies for good: nobody renews, so the guard has to get the key out by itself.
    host.running_agent().kill()
    other_active(pool, active, 25)

    gone = gone_at(host.guard_log, at)
    assert gone is not None
    assert gone - at <= PROFILE.gone_within_s + SLACK_S
    logged(host.guard_log, "neard killed by signal 9", 1)


def test_a_switchover_that_ends_at_another_host_is_no_success(pool: LabPool) -> None:
    active = pool.wait_settled(steady=True)
    target = standbys(pool, active)[0]
    set_fault(target, refuse_reload=True)
    at = boottime()

    done = command(pool.host(active), "switchover", "--to", target.name, "--at-once")

    assert done.returncode == ANOTHER, (done.stdout, done.stderr)
    after = pool.wait_settled()
    assert after != target.name
    assert f"{target.name} was to take over, but {after} signs" in done.stderr
    gone, loaded = gone_at(pool.host(active).guard_log, at), loaded_at(pool.host(after).guard_log, at)
    assert gone is not None
    assert loaded is not None
    assert gone <= loaded


def test_a_lost_sighup_is_sent_again(pool: LabPool) -> None:
    active = pool.wait_settled()
    for host in standbys(pool, active):
        set_fault(host, lose_sighup=1)
    at = boottime()

    pool.host(active).neard().signal(signal.SIGKILL)
    after = other_active(pool, active, 10)

    loaded = loaded_at(pool.host(after).guard_log, at)
    assert loaded is not None


def test_a_frozen_guard_is_killed_by_its_agent(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = pool.host(active)
    at = boottime()
    host.running_guard().signal(signal.SIGSTOP)

    # Nothing starts the guard again here, so nobody gives a word: another host waits out the last beat.
    after = other_active(pool, active, 30)

    loaded = loaded_at(pool.host(after).guard_log, at)
    assert loaded is not None
    assert host.guard is not None
    assert not host.guard.is_alive()
    logged(host.agent_log, "killing the guard and neard: the guard has been silent", 1)


def test_a_killed_guard_takes_its_neard_with_it(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = pool.host(active)
    neard = host.neard()
    guard = host.running_guard()

    guard.signal(signal.SIGKILL)

    assert neard.wait_gone(2.0)
    other_active(pool, active, 25)


def test_an_agent_that_thaws_late_finds_its_term_over(pool: LabPool) -> None:
    """The active's agent comes back long after another host has taken over, and must see that."""
    active = pool.wait_settled()
    host = pool.host(active)
    host.running_agent().freeze()
    at = boottime()
    wait_until(lambda: gone_at(host.guard_log, at) is not None, timeout_s=12, what="the guard's own drop")
    after = other_active(pool, active, 15)
    host.running_agent().thaw()

    wait_until(lambda: role(pool, active) == "standby", timeout_s=20, what=f"{active} as a standby")
    assert pool.wait_settled() == after
