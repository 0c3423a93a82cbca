"""The guard's look at neard: only an answer that shows our neard's key field says that no key is loaded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafailover.clock import boottime
from hafailover.guard import model as m
from hafailover.guard import protocol
from hafailover.guard.decide import decide
from hafailover.guard.probe import ProbeError, Status, probe_status

from ..unit.guard.bench import Bench
from ..unit.near.servers import STATUS
from .answering import Answering
from .http_answers import drips, http_answers
from .running import came_to, fuzz
from .secret import SECRET_KEY, Silence

DEADLINE_S = 1.0
SLACK_S = 1.5
NODE_KEY = STATUS["node_public_key"]
KEYLESS = {**STATUS, "validator_public_key": None, "detail": SECRET_KEY}
LOADED = {**STATUS, "detail": SECRET_KEY}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


def ask(runner: asyncio.Runner, answering: Answering, deadline_s: float) -> Status:
    return runner.run(probe_status(answering.host, answering.port, deadline_s, frozenset({NODE_KEY})))


@fuzz(350)
@given(st.sampled_from((KEYLESS, LOADED)).flatmap(http_answers))
def test_a_status_is_proved_or_refused(
    runner: asyncio.Runner, answering: Answering, silence: Silence, data: bytes
) -> None:
    answering.says(data)
    began = boottime()
    error = None
    try:
        status = ask(runner, answering, DEADLINE_S)
        proved(data, status)
        fits_a_report(status)
        came_to("test_a_status_is_proved_or_refused", "no key" if status.public_key is None else "a key")
    except ProbeError as refusal:
        error = refusal
        came_to("test_a_status_is_proved_or_refused", "refused")
    assert boottime() - began < DEADLINE_S + SLACK_S
    silence.check(error)


@fuzz(8, slow=50)
@given(drips())
def test_a_status_that_does_not_end_is_given_up_in_time(
    runner: asyncio.Runner, answering: Answering, data: bytes
) -> None:
    answering.says(data, dripping=True)
    began = boottime()
    with pytest.raises(ProbeError):
        ask(runner, answering, 0.1)
    assert boottime() - began < 0.1 + SLACK_S


@fuzz(30)
@given(st.text(max_size=8) | st.sampled_from(("a" * 300, "\ud800", "\udcff", "x..y", "a b", "")))
def test_an_address_that_is_none_is_a_probe_error(runner: asyncio.Runner, host: str) -> None:
    with pytest.raises(ProbeError):
        runner.run(probe_status(f"{host}\x01", 1, 0.2, frozenset({NODE_KEY})))


def proved(data: bytes, status: Status) -> None:
    """The bytes say so themselves, read by the plainest means."""
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0].split()[1] == b"200"
    said: Any = json.loads(body)
    assert said["node_public_key"] == NODE_KEY
    assert said["validator_public_key"] == status.public_key
    assert type(status.public_key) in (str, type(None))
    assert said["sync_info"]["latest_block_height"] == status.height
    assert type(status.height) is int
    assert 0 <= status.height < 1 << 63


def fits_a_report(status: Status) -> None:
    """Whatever neard said, the guard's word on it reaches the agent, in either state of the key."""
    for bench in (Bench().up(), Bench().loading(), Bench().loaded(), Bench().booting()):
        probed = m.Probed(bench.guard.probe, status.public_key, status.height)
        guard, effects = decide(bench.guard, probed, bench.now)
        for event in [effect.reason for effect in effects if isinstance(effect, m.Report)] or [""]:
            line = protocol.encode(protocol.describe(guard, event, 1))
            report = protocol.parse_report(protocol.decode(line))
            f"{report.event}{report.view.problem}".encode()
