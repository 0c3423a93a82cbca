"""What operators order of a running pool: switchovers in windows and at heights, pauses, drained hosts."""

import json
import time

import pytest

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until

from .test_commands import command
from .waiting import standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]


def roles(host: FailoverHost) -> dict[str, str]:
    view = json.loads(command(host, "status", "--json").stdout)
    return {host["node"]: host["role"] for host in view["hosts"]}


def test_a_switchover_in_a_window_loses_nothing(pool: LabPool) -> None:
    active = pool.wait_settled()
    target = standbys(pool, active)[0]

    would = command(target, "switchover", "--dry-run", "--to", target.name, "--json")
    assert would.returncode == 0, would.stderr
    assert json.loads(would.stdout)["to_node"] == target.name

    done = command(target, "switchover", "--to", target.name, "--json")

    assert done.returncode == 0, done.stderr
    moved = json.loads(done.stdout)
    assert (moved["from_node"], moved["to_node"]) == (active, target.name)
    assert moved["start"] < moved["end"]
    assert (moved["blocks_missed"], moved["chunks_missed"], moved["producing"]) == (0, 0, True)
    assert pool.wait_settled() == target.name

    # History and audit tell of it.

    def measured() -> dict[str, object]:
        row: dict[str, object] = json.loads(command(target, "history", "--json").stdout)["changes"][-1]
        return row

    wait_until(lambda: measured()["blocks_missed"] is not None, timeout_s=40, what="what it has cost")
    row = measured()
    assert (row["from_node"], row["to_node"], row["cause"]) == (active, target.name, "switchover asked for")
    assert (row["blocks_missed"], row["chunks_missed"]) == (0, 0)
    assert isinstance(row["silent_s"], float)
    assert row["silent_s"] < 5

    audit = command(target, "audit", "--json")
    assert audit.returncode == 0, audit.stdout
    found = json.loads(audit.stdout)
    assert found["own_blocks"] > 0
    assert found["wrong"] == []
    assert "the node that was asked has no evidence of two blocks of ours at one height" in found["checked"]


def test_now_takes_the_best_moment_of_the_next_seconds(pool: LabPool) -> None:
    active = pool.wait_settled(steady=True)
    target = standbys(pool, active)[0]
    done = command(target, "switchover", "--now", "--to", target.name)
    assert done.returncode == 0, done.stderr
    first, *_, cost, last = done.stdout.splitlines()
    assert first.startswith(("no duty at ", "no height of the next 10 s is free of duties"))
    assert cost.startswith("missed: 0 blocks, 0 chunks"), done.stdout
    assert last.startswith(f"{target.name} signs, and produces (last "), done.stdout


def test_a_plan_outlives_a_restart_of_the_agent_and_can_be_taken_back(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = pool.host(active)
    height = json.loads(command(host, "status", "--json").stdout)["hosts"][0]["height"]

    planned = command(host, "switchover", "--at", str(height + 5000))
    assert planned.returncode == 0, planned.stderr
    assert "planned: the best standby" in planned.stdout
    again = command(host, "switchover", "--at", str(height + 6000))
    assert (again.returncode, "planned already" in again.stderr) == (5, True)

    host.running_agent().kill()
    host.start()
    wait_until(
        lambda: f"waiting for height {height + 5000}" in command(host, "switchover", "--status").stdout,
        timeout_s=20,
        what="the plan, taken up by the agent",
    )
    cancelled = command(host, "switchover", "--cancel")
    assert (cancelled.returncode, cancelled.stdout.startswith("cancelled: ")) == (0, True)
    assert "no switchover is planned" in command(host, "switchover", "--status").stdout
    assert pool.wait_settled() == active


def test_at_a_height(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = pool.host(active)
    height = json.loads(command(host, "status", "--json").stdout)["hosts"][0]["height"] + 10

    done = command(host, "switchover", "--at", str(height), "--wait")

    assert done.returncode == 0, done.stderr
    assert f"at height {height}" in done.stdout
    assert pool.wait_settled() != active


def test_in_a_pause_nobody_takes_over_until_it_ends(pool: LabPool) -> None:
    active = pool.wait_settled()
    other = standbys(pool, active)[0]
    paused = command(other, "pause", "--for", "1h", "--reason", "a test")
    assert paused.returncode == 0, paused.stderr
    wait_until(
        lambda: "paused" in command(other, "status").stdout, timeout_s=10, what="the pause in the status"
    )

    pool.host(active).kill_host()
    time.sleep(12)

    assert "active" not in roles(other).values()
    assert command(other, "resume").stdout == "automatic failover is on again\n"
    wait_until(lambda: "active" in roles(other).values(), timeout_s=30, what="somebody who signs again")
    pool.host(active).start()


def test_a_drained_active_hands_over_and_stays_out(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = pool.host(active)

    done = command(host, "drain", active, "--reason", "a test")

    assert done.returncode == 0, done.stderr
    assert "in the window from" in done.stdout
    assert f"{active} is drained\n" in done.stdout
    wait_until(lambda: roles(host)[active] == "drained", timeout_s=20, what="the drained host's role")
    wait_until(lambda: "active" in roles(host).values(), timeout_s=20, what="another host that signs")
    refused = command(host, "switchover", "--at-once", "--to", active)
    assert (refused.returncode, "drained" in refused.stderr) == (5, True)

    assert command(host, "undrain", active).stdout == f"{active} is back\n"
    wait_until(lambda: roles(host)[active] == "standby", timeout_s=20, what="the host's return")


def test_a_drain_that_would_leave_nobody_is_refused(pool: LabPool) -> None:
    active = pool.wait_settled()
    for host in standbys(pool, active):
        command(host, "drain", host.name)
    seen = pool.hosts[0]
    wait_until(lambda: list(roles(seen).values()).count("drained") == 2, timeout_s=20, what="two drained")
    refused = command(pool.hosts[0], "drain", active)
    assert (refused.returncode, "nobody would sign" in refused.stderr) == (5, True)
    for host in standbys(pool, active):
        command(host, "undrain", host.name)
