"""A takeover without a lease on a running pool: Consul dies, one host signs by order, Consul is back."""

import json
import subprocess
import sys
import time

import pytest

from hafailover.clock import boottime
from hafailover.core.forced import FORCE_AFTER_S
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until

from .test_commands import command, get
from .waiting import log_since, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(240)]


def force(host: FailoverHost, typed: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hafailover", "takeover", "--force", *words, "--config", str(host.config)],
        input=typed + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


def role(host: FailoverHost) -> str:
    return str(json.loads(get(host, "/api/status").text)["host"]["role"])


def test_one_host_signs_without_consul_and_gives_way_when_it_is_back(pool: LabPool) -> None:
    active = pool.wait_settled()
    chosen = standbys(pool, active)[0]
    alive = force(chosen, pool.account_id)
    assert (alive.returncode, "Consul answers" in alive.stderr) == (5, True)

    died_at = boottime()
    # Its own server stays up and says that there is no leader.
    for host in pool.hosts:
        if host is not chosen:
            host.consul.kill()
    wait_until(
        lambda: "fenced" in log_since(pool.host(active).agent_log, 0), timeout_s=30, what="the active's fence"
    )
    # It watches the chain for half a minute, and by then Consul has been silent for long enough.
    time.sleep(max(0.0, died_at + FORCE_AFTER_S - 25 - boottime()))
    done = force(chosen, pool.account_id)
    assert done.returncode == 0, done.stderr

    assert role(chosen) == "forced"
    assert "hafailover_forced 1.0" in get(chosen, "/metrics").text
    again = force(pool.host(active), pool.account_id, "--local-consul-down")
    assert (again.returncode, "another host signs" in again.stderr) == (5, True), again.stderr

    for host in pool.hosts:
        host.consul.start()
    wait_until(lambda: role(chosen) != "forced", timeout_s=30, what="the end of it")
    pool.wait_settled(120)
    assert "hafailover_forced 0.0" in get(chosen, "/metrics").text
    changes = json.loads(command(chosen, "history", "--json").stdout)["changes"]
    assert any(row["to_node"] == chosen.name and "without a lease" in row["cause"] for row in changes)
