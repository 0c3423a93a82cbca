"""Drills on a running pool: each kind does what it says, and the history keeps it."""

import json
import threading

import pytest
import requests

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until
from hafailover.lock.keys import PoolKeys

from .test_commands import command, get
from .waiting import standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]


def start_again(host: FailoverHost) -> threading.Event:
    """Stands in for the service manager: starts what dies of the drill, until told to stop."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.3):
            host.start_guard()
            host.start_agent()

    threading.Thread(target=look, daemon=True).start()
    return over


@pytest.mark.parametrize(
    ("kind", "moves"), [("neard", True), ("agent", False), ("host", True), ("switchover", True)]
)
def test_a_drill_is_held_and_kept(pool: LabPool, kind: str, moves: bool) -> None:
    active = pool.wait_settled()
    other = standbys(pool, active)[0]
    over = start_again(pool.host(active))
    try:
        done = command(other, "drill", "--kind", kind, "--yes", "--json")
    finally:
        over.set()

    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["kind"], outcome["ok"], outcome["from_node"]) == (kind, True, active)
    assert (outcome["to_node"] != active) is moves
    if kind in ("agent", "switchover"):
        assert outcome["blocks_missed"] == 0
    held = json.loads(command(other, "history", "--json").stdout)["drills"][-1]
    assert (held["ok"], held["cause"].partition(":")[0]) == (True, kind)
    wait_until(
        lambda: "hafailover_last_successful_drill_timestamp_seconds 1." in get(other, "/metrics").text,
        timeout_s=10,
        what="the drill in the metrics",
    )


def test_a_drill_is_refused_where_it_would_do_harm(pool: LabPool) -> None:
    pool.wait_settled()
    host = pool.hosts[0]
    unasked = command(host, "drill", "--kind", "neard")
    assert (unasked.returncode, "--yes" in unasked.stderr) == (2, True)
    command(host, "pause", "--for", "10m")
    try:
        refused = command(host, "drill", "--kind", "neard", "--yes")
    finally:
        command(host, "resume")
    assert (refused.returncode, "paused" in refused.stderr) == (5, True)
    assert requests.get(f"http://127.0.0.1:{host.metrics_port}/healthz", timeout=5).status_code == 200


def test_the_audit_finds_terms_that_overlap(pool: LabPool) -> None:
    host = pool.hosts[0]
    assert command(host, "audit").returncode == 0
    # Before all others, and ended long after they had begun.
    planted = {"1.began": {"event": "began", "height": 1}, "1.ended": {"event": "ended", "height": 10**9}}
    keys = f"{host.consul_url}/v1/kv/{PoolKeys(pool.account_id).history}{0:019d}"
    try:
        for name, entry in planted.items():
            requests.put(
                keys + name, json={"term": 1, "node": "ghost", **entry}, timeout=5
            ).raise_for_status()
        found = command(host, "audit", "--json")
    finally:
        for name in planted:
            requests.delete(keys + name, timeout=5)
    assert found.returncode == 1
    (wrong,) = json.loads(found.stdout)["wrong"]
    assert wrong.endswith("before term 1 of ghost ended at height 1000000000")
    assert command(host, "audit").returncode == 0
