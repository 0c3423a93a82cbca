"""SIGHUP to a running agent: new settings take effect, and nothing restarts or moves."""

import json
import signal

import pytest

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until

from .test_commands import command
from .waiting import log_since, logged, size, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(120)]


def priority_shown(host: FailoverHost, asked: FailoverHost) -> int:
    """As another host shows it, since this one's file may be broken."""
    view = json.loads(command(asked, "status", "--json").stdout)
    return int(next(one["priority"] for one in view["hosts"] if one["node"] == host.name))


def test_a_reload_takes_over_what_it_can_and_nothing_restarts(pool: LabPool) -> None:
    active = pool.wait_settled()
    host, other = pool.host(active), standbys(pool, active)[0]
    before = pool.look()
    pids = (host.running_agent().pid, host.running_guard().pid, host.neard().pid)
    text = host.config.read_text()
    mark = size(host.agent_log)
    new = text.replace("priority = 0", "priority = 7")
    try:
        host.config.write_text(new + "beat_s = -1\n")
        host.running_agent().signal(signal.SIGHUP)
        logged(host.agent_log, "not reloaded, the settings from before stay in force", 10, mark)
        assert priority_shown(host, other) == 0

        host.config.write_text(new.replace("stop_s = 10.0", "stop_s = 11.0"))
        host.running_agent().signal(signal.SIGHUP)
        wait_until(lambda: priority_shown(host, other) == 7, timeout_s=10, what="the new priority in status")
    finally:
        host.config.write_text(text)
        host.running_agent().signal(signal.SIGHUP)

    wait_until(lambda: priority_shown(host, other) == 0, timeout_s=10, what="the old priority in status")
    said = log_since(host.agent_log, mark)
    assert "settings read again: priority changed" in said
    assert "restart hafailover.service for: neard.stop_s; restart neard.service for: neard.stop_s" in said
    after = pool.look()
    assert (after.active, after.term) == (before.active, before.term)
    assert (host.running_agent().pid, host.running_guard().pid, host.neard().pid) == pids
    assert "fenced" not in said
