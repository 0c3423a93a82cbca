"""Notifications of a running pool: who tells of what, and that a dead channel costs nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until

from ...unit.notify.hooks import SECRET_PATH, Receiver
from .test_commands import command, get
from .waiting import log_since, other_active, size, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]

DEAD = "http://127.0.0.1:9/services/dead-2b7e151628aed2a6"
STOP_S = 5.0
SESSION_STANDS = ("going on with the session from before the restart", "a session with Consul is open")
SETTLES_S = 3.0
"""Until then the pool's record of a host may be that of its agent before."""


def restart_agent(host: FailoverHost) -> None:
    """Within its lease's time, so that the host goes on with its term; returns when its record is new."""
    mark = size(host.agent_log)
    host.running_agent().terminate(STOP_S)
    host.start_agent()

    def has_session() -> bool:
        text = log_since(host.agent_log, mark)
        return any(words in text for words in SESSION_STANDS)

    wait_until(has_session, timeout_s=30, what="a session with Consul")
    time.sleep(SETTLES_S)


@pytest.fixture
def receiver(pool: LabPool) -> Iterator[Receiver]:
    """Every host tells it of everything, and tells somebody besides who is not there."""
    before = {host.name: host.config.read_text() for host in pool.hosts}
    with Receiver() as one:
        for host in pool.hosts:
            hooks = host.folder / "hooks"
            hooks.write_text(f"{DEAD}\n{one.url}\n")
            host.config.write_text(
                f'{before[host.name]}[notify]\nwebhook_file = "{hooks}"\nrepeat_after_s = 0.0\n'
            )
            restart_agent(host)
        pool.wait_settled()
        try:
            yield one
        finally:
            for host in pool.hosts:
                host.config.write_text(before[host.name])
                host.start()
                restart_agent(host)


def await_news(receiver: Receiver, number: int) -> list[dict[str, Any]]:
    """All that was told, once it is so many."""
    wait_until(
        lambda: len(receiver.documents) >= number,
        timeout_s=30,
        what=lambda: f"{number} notifications; there are {[one['text'] for one in receiver.documents]}",
    )
    return receiver.documents


def test_a_switchover_and_a_death_are_told_by_those_who_know(pool: LabPool, receiver: Receiver) -> None:
    first = pool.wait_settled()
    assert receiver.documents == [], "an agent's restart is no news"

    done = command(standbys(pool, first)[0], "switchover")
    assert done.returncode == 0, done.stdout + done.stderr
    second = other_active(pool, first, 20)
    told = {one["event"]: one for one in await_news(receiver, 2)}
    assert set(told) == {"ceased", "became_active"}
    assert (told["ceased"]["reported_by"], told["ceased"]["to"]) == (first, second)
    news = told["became_active"]
    assert (news["reported_by"], news["from"], news["to"]) == (second, first, second)
    assert news["planned"] is told["ceased"]["planned"] is True
    assert news["cause"] == told["ceased"]["cause"] == "switchover asked for"
    assert news["term"] > told["ceased"]["term"]

    pool.wait_settled()
    pool.host(second).kill_host()
    third = other_active(pool, second, 40)
    news = await_news(receiver, 3)[2]
    assert (news["event"], news["reported_by"], news["from"]) == ("became_active", third, second)
    assert (news["planned"], news["severity"]) == (False, "warning")
    assert f"{second} cannot report this itself, so its successor does" in news["text"]
    assert len(receiver.documents) == 3, "each is told once, and by one host"

    metrics = get(pool.host(third), "/metrics").text
    sent = 'hafailover_notifications_total{channel="webhook-2",outcome="sent"}'
    assert f"{sent} {1.0 if third != first else 2.0}" in metrics
    log = pool.host(third).agent_log.read_text()
    assert "notifications by webhook: no connection" in log
    assert "dead-2b7e1516" not in log
    assert SECRET_PATH not in log
