"""The warning about a Consul whose failover takes longer than the active waits."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hafailover.agent.advice import warn_of_consul
from hafailover.lock.client import Address
from hafailover.timing import PROFILES

from ..observe.tiny_consul import TinyConsul


def consul_self(server: bool, timeout: Any) -> dict[str, Any]:
    return {"Config": {"Server": server}, "DebugConfig": {"ConsulRaftElectionTimeout": timeout}}


def warnings(
    caplog: pytest.LogCaptureFixture, consul: TinyConsul, answer: Any, profile: str = "default"
) -> list[str]:
    consul.self_answer = answer
    with caplog.at_level(logging.INFO, "hafailover.agent.advice"):
        warn_of_consul(consul.address, PROFILES[profile])
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("server", "timeout", "profile", "need"),
    [
        (True, "5s", "default", "23 s"),
        (True, "5000ms", "default", "23 s"),
        (True, "2s", "default", "11 s"),
        (False, "1s", "default", "10 s"),
        (True, "1s", "fast", "7 s"),
        (True, "5s", "wide", "23 s"),
    ],
)
def test_a_consul_that_is_too_slow(
    caplog: pytest.LogCaptureFixture, consul: TinyConsul, server: bool, timeout: str, profile: str, need: str
) -> None:
    (warning,) = warnings(caplog, consul, consul_self(server, timeout), profile)
    assert f"timing.fence_after_s is {PROFILES[profile].fence_after_s:g}" in warning
    assert f"can take up to {need}" in warning
    assert ("a server" if server else "a client agent") in warning
    assert "performance.raft_multiplier = 1" in warning


@pytest.mark.parametrize(
    ("server", "timeout", "profile"),
    [(True, "1s", "default"), (True, "1000ms", "default"), (True, "2s", "wide"), (False, "1s", "wide")],
)
def test_a_consul_that_is_quick_enough(
    caplog: pytest.LogCaptureFixture, consul: TinyConsul, server: bool, timeout: str, profile: str
) -> None:
    assert warnings(caplog, consul, consul_self(server, timeout), profile) == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        "text",
        {"Config": None},
        {"Config": {"Server": True}},
        {"Config": {"Server": True}, "DebugConfig": None},
        {"Config": {"Server": True}, "DebugConfig": []},
        consul_self(True, "soon"),
        consul_self(True, "xs"),
        consul_self(True, 7),
        consul_self(True, "infs"),
        consul_self(True, "nans"),
    ],
    ids=repr,
)
def test_what_cannot_be_told_is_not_warned_of(
    caplog: pytest.LogCaptureFixture, consul: TinyConsul, answer: Any
) -> None:
    assert warnings(caplog, consul, answer) == []


def test_a_consul_that_does_not_answer_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hafailover.agent.advice"):
        warn_of_consul(Address(port=1), PROFILES["default"])
    assert [record.levelno for record in caplog.records] == [logging.INFO]
