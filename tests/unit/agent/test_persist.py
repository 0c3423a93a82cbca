"""Trying again until it works, and complaints that neither flood the log nor fall silent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from hafailover.agent import persist as module
from hafailover.agent.persist import Complaints, persist
from hafailover.lock.errors import CallError, Kind


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The agent's log lines so far."""
    caplog.set_level(logging.INFO, module.__name__)
    return lambda: [record.getMessage() for record in caplog.records if record.name == module.__name__]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(module, "boottime", lambda: now[0])
    return now


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [times]

    def call() -> str:
        if left[0]:
            left[0] -= 1
            raise error
        return "done"

    return call


DOWN = CallError(Kind.UNREACHABLE, "no connection to Consul")


def test_it_tries_until_it_works(log: Callable[[], list[str]]) -> None:
    stop = threading.Event()
    assert persist(failing(2, DOWN), stop, Complaints("Consul"), 0.1) == "done"
    assert log()[0] == "Consul: no connection to Consul"
    assert "works again after" in log()[-1]


def test_what_works_at_once_is_no_news(log: Callable[[], list[str]]) -> None:
    assert persist(failing(0, DOWN), threading.Event(), Complaints("Consul")) == "done"
    assert log() == []


def test_a_stop_ends_it() -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(CallError, match="no connection"):
        persist(failing(10_000, DOWN), stop, Complaints("Consul"), 0.1)


def test_a_defect_is_not_tried_again() -> None:
    call = failing(1, KeyError("a defect"))
    with pytest.raises(KeyError):
        persist(call, threading.Event(), Complaints("Consul"))
    assert call() == "done", "it was called once"


def test_a_trouble_that_lasts_is_told_at_its_begin_and_every_30_s(
    log: Callable[[], list[str]], clock: list[float]
) -> None:
    complaints = Complaints("neard's RPC")
    for _ in range(65):
        complaints.trouble("connection refused")
        clock[0] += 1
    assert log() == [
        "neard's RPC: connection refused",
        "neard's RPC: connection refused (for 30 s now)",
        "neard's RPC: connection refused (for 60 s now)",
    ]


def test_another_trouble_is_told_at_once(log: Callable[[], list[str]], clock: list[float]) -> None:
    complaints = Complaints("Consul")
    complaints.trouble("no connection")
    clock[0] += 2
    complaints.trouble("no leader")
    assert log()[1] == "Consul: no leader (for 2 s now)"


def test_its_end_is_told_once_with_how_long_it_was(log: Callable[[], list[str]], clock: list[float]) -> None:
    complaints = Complaints("Consul")
    complaints.trouble("no connection")
    clock[0] += 12.5
    complaints.fine()
    complaints.fine()
    assert log()[1:] == ["Consul: works again after 12.5 s"]
    complaints.trouble("no connection")
    assert len(log()) == 3, "a new trouble is told anew, even within 30 s"


def test_a_trouble_that_takes_turns_is_told_no_oftener(
    log: Callable[[], list[str]], clock: list[float]
) -> None:
    complaints = Complaints("this host's record in Consul")
    for number in range(60):
        complaints.trouble(("reading: no connection", "publishing: no connection")[number % 2])
        clock[0] += 0.5
    assert len(log()) == 2
    complaints.trouble("reading: no connection")
    assert len(log()) == 3
