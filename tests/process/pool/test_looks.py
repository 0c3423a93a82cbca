"""``status`` and ``explain`` on a running pool: what they foretell comes true, also without a leader."""

from __future__ import annotations

import json
import stat

import pytest

from hafailover.config.load import load_settings
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until
from hafailover.local.start import place_in

from .test_commands import command, get
from .waiting import other_active, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(150)]


def test_status_shows_consul_disks_clocks_and_the_next_window(pool: LabPool) -> None:
    pool.wait_settled()
    seen: dict[str, object] = {}

    def all_told() -> bool:
        seen.update(json.loads(command(pool.hosts[0], "status", "--json").stdout))
        hosts = seen["hosts"]
        assert isinstance(hosts, list)
        return all(one["disk_free_bytes"] and one["clock_ahead_s"] is not None for one in hosts)

    # A host has to see some blocks before it can hold its clock against them.
    wait_until(all_told, timeout_s=60, what=lambda: f"disks and clocks in {seen}", interval_s=1)
    hosts = seen["hosts"]
    assert isinstance(hosts, list)
    # One machine, one clock: whatever it says, all say the same, but for the rounding.
    ahead = [one["clock_ahead_s"] for one in hosts]
    assert max(ahead) - min(ahead) <= 2
    consul = seen["consul"]
    assert isinstance(consul, dict)
    assert len(consul["servers"]) == 3
    assert consul["leader"] in consul["servers"]
    assert consul["failing"] == []


def test_what_may_still_be_missed_is_on_every_hosts_record_and_in_the_metrics(pool: LabPool) -> None:
    pool.wait_settled()
    host = pool.hosts[0]
    # The pool's first block of the epoch may be due in a while.
    wait_until(
        lambda: all(one.budget is not None and len(one.budget.rows) >= 3 for one in pool.look().hosts),
        timeout_s=40,
        what="the budgets",
    )
    budget = json.loads(command(host, "status", "--json").stdout)["budget"]
    assert (budget["source"], budget["protocol"]) == ("protocol_config", 84)
    rows = {(row["rule"], row["duty"]): row for row in budget["rows"]}
    assert rows["early_kickout", "chunks"]["shard"] == 0
    assert not rows["early_kickout", "chunks"]["in_force"]
    assert rows["seat", "blocks"]["in_force"]
    shown = get(host, "/metrics").text
    assert 'hafailover_missable_duties{duty="chunks",rule="early_kickout",shard="0"}' in shown
    assert 'hafailover_budget_ratio{duty="blocks",rule="seat",shard=""}' in shown


@pytest.mark.parametrize("agent", ["stopped", "dead"])
def test_status_does_without_the_agent_that_it_asks_first(pool: LabPool, agent: str) -> None:
    active = pool.wait_settled()
    host = standbys(pool, active)[0]
    assert stat.S_ISSOCK(place_in(load_settings(host.config)).socket.stat().st_mode)
    process = host.running_agent()
    if agent == "dead":
        process.kill()
    else:
        process.freeze()
    try:
        done = command(host, "status", "--json")
        assert json.loads(done.stdout)["active"] == active, done.stderr
    finally:
        if agent == "dead":
            host.start_agent()
        else:
            process.thaw()


def test_explain_shows_every_gate_open_and_the_one_that_is_shut(pool: LabPool) -> None:
    active = pool.wait_settled()
    other = standbys(pool, active)[0]
    told = json.loads(command(other, "explain", other.name, "--json").stdout)
    assert list(told["gates"]) == [other.name]
    assert set(told["gates"][other.name].values()) == {""}

    other.running_guard().kill()

    def shut() -> bool:
        gates = json.loads(command(other, "explain", "--json").stdout)["gates"][other.name]
        return bool(gates["guard connected"] == "the guard is not connected")

    wait_until(shut, timeout_s=20, what="a gate that is shut")
    done = command(other, "explain")
    assert "FAIL guard connected: the guard is not connected" in done.stdout
    assert f"not {other.name}: " in done.stdout


def test_one_of_those_who_were_said_to_takes_over(pool: LabPool) -> None:
    active = pool.wait_settled()
    order = json.loads(command(pool.hosts[0], "explain", "--json").stdout)["if_active_died"]["order"]
    assert sorted(order) == sorted(host.name for host in standbys(pool, active))
    pool.host(active).neard().signal(9)
    assert other_active(pool, active, 30) in order


def test_without_consuls_majority_the_pool_is_shown_as_it_was(pool: LabPool) -> None:
    pool.wait_settled()
    host, *others = pool.hosts
    for other in others:
        other.consul.kill()

    wait_until(
        lambda: "Consul has no leader; before that: " in command(host, "status").stdout,
        timeout_s=30,
        what="a status without a leader",
    )
    done = command(host, "status", "--json")
    assert done.returncode == 4
    view = json.loads(done.stdout)
    assert (view["stale"], view["ok"], len(view["hosts"])) == (True, False, 3)
