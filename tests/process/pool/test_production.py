"""A host that holds the key and produces nothing is never called good, and it is said why; it heals."""

import json
import re

import pytest

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until

from .test_commands import command, get
from .waiting import logged, set_fault, size, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]

SOON_S = 30.0
"""Blocks of 1 s, of which one in four or five is the pool's: two of them are due long before."""


def metric(host: FailoverHost, name: str) -> float:
    lines = get(host, "/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


def test_a_new_holder_whose_work_does_not_arrive_is_not_called_good(pool: LabPool) -> None:
    active = pool.wait_settled(steady=True)
    target, onlooker = standbys(pool, active)
    # The stand-in holds the key then, and nothing that it should produce gets to anybody.
    set_fault(target, freeze_producing=True)
    moved = command(target, "switchover", "--now", "--to", target.name, "--json")
    assert (moved.returncode, json.loads(moved.stdout)["producing"]) == (1, False), moved.stderr
    assert f"hafailover: {target.name} holds the key, and nothing of it arrives" in moved.stderr

    seen: list[str] = []

    def told() -> bool:
        done = command(onlooker, "status")
        seen[:] = [done.stdout + done.stderr]
        said = f"{target.name} holds the key, and nothing of it" in done.stdout
        # Endorsements are due at each height, and show it before a block of the pool's has been due.
        blocks = re.search(r"\b0 of \d+ blocks", " ".join(done.stdout.split()))
        return done.returncode == 1 and said and blocks is not None

    wait_until(told, timeout_s=SOON_S, what=lambda: f"a status that says so; it says {seen}")
    # By the default routing, seconds after the key.
    assert "the news of the new holder may not have reached all validators yet" in " ".join(seen[0].split())
    plain = json.loads(command(onlooker, "status", "--json").stdout)
    assert (plain["ok"], plain["producing"], plain["active"]) == (False, False, target.name)
    found = next(host["production"] for host in plain["hosts"] if host["node"] == target.name)
    assert found["grade"] == "deaf"
    assert found["blocks"]["produced"] == 0 < found["blocks"]["expected"]
    assert metric(target, "hafailover_not_producing") == 1
    assert metric(target, 'hafailover_duties_expected{kind="blocks"}') >= 1
    assert "holds the key, and nothing" in command(onlooker, "explain").stdout
    logged(target.agent_log, f"{target.name} holds the key, and nothing of it arrives", 1)

    set_fault(target)
    assert pool.wait_settled(60) == target.name
    done = command(onlooker, "status")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{target.name} signs, and produces (last block " in done.stdout
    assert metric(target, "hafailover_not_producing") == 0
    logged(target.agent_log, f"{target.name} signs, and produces", 1)
    assert "in this epoch " in done.stdout


def test_a_chain_that_stands_still_is_not_called_good(pool: LabPool) -> None:
    """The plain validators freeze: as where the uplink is lost, it has its own peers left, and Consul."""
    active = pool.host(pool.wait_settled())
    onlooker, _ = standbys(pool, active.name)
    before = size(active.agent_log)
    frozen = [pool.validators.process(node.name) for node in pool.validators.nodes]
    try:
        for process in frozen:
            process.freeze()
        seen: list[str] = []

        def told(words: str, code: int) -> bool:
            done = command(onlooker, "status")
            seen[:] = [done.stdout + done.stderr]
            return done.returncode == code and words in " ".join(done.stdout.split())

        wait_until(
            lambda: told(
                f"{active.name} holds the key, but the chain stands still, or this site is cut off", 1
            ),
            timeout_s=SOON_S,
            what=lambda: f"a status that says so; it says {seen}",
        )
        assert metric(active, "hafailover_not_producing") == 1
        logged(active.agent_log, "the chain stands still", 5, before)
        assert "uplink" in command(onlooker, "explain").stdout
    finally:
        for process in frozen:
            process.thaw()
    assert pool.wait_settled(60) == active.name
    wait_until(
        lambda: told(f"{active.name} signs, and produces (last", 0),
        timeout_s=SOON_S,
        what=lambda: f"a status that is good again; it says {seen}",
    )
    assert metric(active, "hafailover_not_producing") == 0
