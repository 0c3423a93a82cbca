"""The agent's own tries: what it tells the core, the log and those who look."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hafailover.agent.commits import CommitWatch
from hafailover.core import events as ev
from hafailover.lock.errors import CallError, Kind
from hafailover.takeover.silence import Consul

TEXT = "stop Consul on host1"


class Bench:
    def __init__(self) -> None:
        self.says = Consul.ANSWERS
        self.events: list[ev.Event] = []
        self.blames = True
        probe: Any = self
        self.watch = CommitWatch(lambda: probe, self._blame, self.events.append)

    def ask(self) -> Consul:
        return self.says

    def _blame(self) -> str:
        if not self.blames:
            raise CallError(Kind.UNREACHABLE, "nobody tells")
        return TEXT

    def look(self, says: Consul, times: int = 1) -> list[type[ev.Event]]:
        self.says = says
        del self.events[:]
        for _ in range(times):
            self.watch.look()
        return [type(event) for event in self.events]


def test_only_a_write_that_was_carried_out_is_an_answer() -> None:
    bench = Bench()
    assert bench.look(Consul.ANSWERS) == [ev.ConsulAnswered]
    for other in (Consul.NO_COMMIT, Consul.NO_LEADER, Consul.DOWN):
        assert bench.look(other) == []


def test_it_names_the_server_to_stop_once_it_is_sure(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.look(Consul.NO_COMMIT)
    assert bench.watch.trouble == "", "one write may be slow"
    with caplog.at_level(logging.INFO):
        bench.look(Consul.NO_COMMIT, 4)
    assert bench.watch.trouble == TEXT
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL], "once in a while"
    assert TEXT in caplog.text


def test_it_says_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.look(Consul.NO_COMMIT, 2)
    with caplog.at_level(logging.INFO):
        bench.look(Consul.ANSWERS)
    assert bench.watch.trouble == ""
    assert "commits again" in caplog.text


def test_where_nobody_says_who_leads_it_is_said_all_the_same() -> None:
    bench = Bench()
    bench.blames = False
    bench.look(Consul.NO_COMMIT, 2)
    assert "carries no write out" in bench.watch.trouble


def test_a_lost_leader_is_another_trouble() -> None:
    bench = Bench()
    bench.look(Consul.NO_COMMIT, 2)
    bench.look(Consul.NO_LEADER)
    assert bench.watch.trouble == ""
