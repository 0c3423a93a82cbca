"""Drills on a running pool: each kind does what it says, and the history keeps it."""

import json
import threading

import pytest
import requests

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until

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


@pytest.mark.parametrize(("kind", "moves"), [("neard", True), ("agent", False), ("host", True)])
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
    if not moves:
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
