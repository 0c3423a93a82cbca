"""``hafailover doctor`` and ``upgrade-plan`` on a running pool: what they see; they disturb nothing."""

import json

import pytest

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool

from .test_commands import command
from .waiting import log_since, size, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(120)]

OF_THE_MACHINE = {"clock", "disk", "kernel", "units", "latency"}
"""What these say is no matter of the pool."""


def examine(host: FailoverHost, *words: str) -> dict[str, list[dict[str, str]]]:
    """Findings by id, but for those about the machine."""
    done = command(host, "doctor", "--json", *words)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        assert not finding["id"].endswith((".failed", ".deadline")), finding
        if finding["id"].partition(".")[0] not in OF_THE_MACHINE:
            found.setdefault(finding["id"], []).append(finding)
    return found


def errors(found: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    every = [finding for findings in found.values() for finding in findings]
    return {finding["id"]: finding["text"] for finding in every if finding["severity"] == "error"}


def test_a_pool_that_is_well_and_is_not_disturbed(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = pool.host(active)
    term = pool.look().term
    logs = {log: size(log) for log in (host.guard_log, host.agent_log)}

    found = examine(host)

    assert errors(found) == {}
    assert found["pool.active"][0]["text"] == f"{active} signs, term {term}"
    assert {finding["node"] for finding in found["pool.host"]} == {host.name for host in pool.hosts}
    for id_ in ("consul.voters", "key.file", "key.pool", "home.config", "neard.tracking", "running.guard"):
        assert [finding["severity"] for finding in found[id_]] == ["ok"], found[id_]
    assert found["rights.agent-needs"][0]["severity"] == "ok"
    assert found["ports.servers"][0]["severity"] == "ok"
    assert found["home.key"][0]["severity"] == "info", "the guard's link"
    view = pool.look()
    assert (view.active, view.term) == (active, term)
    # A connection with the guard would have taken the agent's place.
    assert "another agent has connected" not in log_since(host.guard_log, logs[host.guard_log])
    assert "connected with the guard" not in log_since(host.agent_log, logs[host.agent_log])


def test_faults_of_a_standby_are_told(pool: LabPool) -> None:
    host = standbys(pool, pool.wait_settled())[0]
    log_config = host.node.home / "log_config.json"
    before = log_config.read_bytes() if log_config.exists() else None
    log_config.write_text("{")
    try:
        assert "home.reload" in errors(examine(host, "--only", "home"))
    finally:
        log_config.unlink()
        if before is not None:
            log_config.write_bytes(before)
    host.running_agent().kill()
    found = examine(host, "--only", "running")
    assert found["running.agent"][0]["severity"] == "warning"
    assert found["running.guard"][0]["severity"] == "ok"


def test_the_way_to_a_new_version(pool: LabPool) -> None:
    active = pool.wait_settled()
    others = {host.name for host in standbys(pool, active)}
    done = command(pool.host(active), "upgrade-plan", "--neard", "localneard-9.0.0", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    plan = json.loads(done.stdout)
    first, second, moved, last = plan["neard"]
    assert {first["on"], second["on"]} == others
    assert moved["commands"][0] == f"hafailover switchover --to {moved['on']}"
    assert (moved["on"] in others, last["on"]) == (True, active)
    assert all(step["done"] for step in plan["agent"])
