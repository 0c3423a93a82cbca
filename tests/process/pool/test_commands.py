"""``status`` and ``switchover`` as a person or a program calls them, and the agent's HTTP."""

import json
import subprocess
import sys

import pytest
import requests

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until

from .waiting import logged, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(120)]


def command(host: FailoverHost, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hafailover", *words, "--config", str(host.config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
    )


def get(host: FailoverHost, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{host.metrics_port}{path}", timeout=5)


def test_status_says_who_signs_and_who_could(pool: LabPool) -> None:
    active = pool.wait_settled()

    done = command(pool.hosts[0], "status")

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{active} signs" in done.stdout
    for host in pool.hosts:
        assert host.name in done.stdout
    assert "ready" in done.stdout


def test_status_as_json_has_what_a_program_needs(pool: LabPool) -> None:
    active = pool.wait_settled()

    view = json.loads(command(pool.hosts[0], "status", "--json").stdout)

    assert view["ok"] is True
    assert view["active"] == active
    assert view["term"] > 0
    assert view["active_since"]
    by_name = {host["node"]: host for host in view["hosts"]}
    assert by_name[active]["role"] == "active"
    assert 0 < by_name[active]["lease_left_s"] <= 7
    for host in view["hosts"]:
        assert host["height"] > 0
        assert host["syncing"] is False
        assert "localneard" in host["neard_version"]
        assert host["peers"] >= 1


def test_status_exits_with_1_without_a_ready_standby(pool: LabPool) -> None:
    active = pool.wait_settled()
    for host in standbys(pool, active):
        host.running_agent().kill()

    wait_until(
        lambda: command(pool.host(active), "status").returncode == 1,
        timeout_s=20,
        what="exit code 1 of status",
    )
    done = command(pool.host(active), "status")
    assert "no standby is ready" in done.stdout


def test_status_exits_with_4_without_consul(pool: LabPool) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hafailover", "status", "--config", str(pool.hosts[0].config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"HAFAILOVER_CONSUL__ADDRESS": "http://127.0.0.1:1", "PATH": "/usr/bin:/bin"},
    )

    assert done.returncode == 4
    assert "no connection to Consul" in done.stderr


def test_switchover_moves_the_key_and_says_what_it_cost(pool: LabPool) -> None:
    active = pool.wait_settled(steady=True)
    target = standbys(pool, active)[0]

    done = command(target, "switchover", "--at-once", "--to", target.name, "--json")

    assert done.returncode == 0, done.stderr
    moved = json.loads(done.stdout)
    assert (moved["from_node"], moved["to_node"]) == (active, target.name)
    # At once may be in the middle of a height of the pool's own, whose approvals went to the old holder.
    assert moved["blocks_missed"] <= 1
    assert pool.wait_settled() == target.name
    # The old neard would go on swallowing what peers send to the validator.
    takes_over = f"restarting neard: it held the key until now, and {target.name} takes over"
    logged(pool.host(active).guard_log, takes_over, 5)


@pytest.mark.parametrize(
    ("to", "reason"), [("nobody", "no host named nobody"), ("active", "is the active already")]
)
def test_switchover_refuses_with_the_reason(pool: LabPool, to: str, reason: str) -> None:
    active = pool.wait_settled()

    done = command(pool.hosts[0], "switchover", "--at-once", "--to", active if to == "active" else to)

    assert done.returncode == 5
    assert reason in done.stderr
    assert pool.wait_settled() == active


def test_switchover_to_a_host_that_is_gone_is_refused(pool: LabPool) -> None:
    active = pool.wait_settled()
    gone, other = standbys(pool, active)
    gone.kill_host()
    wait_until(
        lambda: "is not ready" in command(other, "switchover", "--at-once", "--to", gone.name).stderr,
        timeout_s=20,
        what="the refusal",
    )
    view = pool.look()
    assert view.active == active


def test_health_and_metrics_say_what_the_host_is(pool: LabPool) -> None:
    active = pool.wait_settled()

    for host in pool.hosts:
        assert get(host, "/healthz").status_code == 200
        assert get(host, "/readyz").status_code == 200
        text = get(host, "/metrics").text
        role = "active" if host.name == active else "standby"
        assert f'hafailover_state{{hafailover_state="{role}"}} 1.0' in text
        assert "hafailover_ready 1.0" in text
    term = pool.look().term
    assert f"hafailover_term {float(term or 0)}" in get(pool.host(active), "/metrics").text


def test_readyz_fails_while_neard_is_down_and_healthz_without_a_guard(pool: LabPool) -> None:
    host = standbys(pool, pool.wait_settled())[0]
    host.running_guard().kill()

    wait_until(lambda: get(host, "/readyz").status_code == 503, timeout_s=5, what="503 of /readyz")
    assert "guard" in get(host, "/readyz").text
    wait_until(lambda: get(host, "/healthz").status_code == 503, timeout_s=20, what="503 of /healthz")


def test_an_unknown_path_is_not_found(pool: LabPool) -> None:
    assert get(pool.hosts[0], "/nothing").status_code == 404
