"""The agent's look at the account's work: what neard counts, as the core takes it."""

from __future__ import annotations

from typing import Any

import pytest

from hafailover.agent.work_watch import CLOSELY_EVERY_S, EVERY_S, WorkWatch
from hafailover.clock import boottime
from hafailover.core import events as ev
from hafailover.core.production import EARLY_S
from hafailover.core.work import Counts
from hafailover.near.rpc import Production, RpcError

from ..observe.tiny_consul import until
from .parts import Events


class FakeRpc:
    def __init__(self, answers: list[tuple[int, Production | None] | None]) -> None:
        self.answers = answers
        self.closed = 0

    def work(self, account_id: str) -> tuple[int, Production | None]:
        assert account_id == "pool.near"
        answer = self.answers.pop(0)
        if answer is None:
            raise RpcError("no answer within 1 s")
        return answer

    def close(self) -> None:
        self.closed += 1


def watch(rpc: Any, events: Events) -> tuple[WorkWatch, list[int]]:
    opened: list[int] = []

    def open_rpc() -> Any:
        opened.append(1)
        return rpc

    return WorkWatch(open_rpc, "pool.near", events), opened


def test_counts_are_told_with_the_moment_before_the_question() -> None:
    events = Events()
    rpc = FakeRpc([(7, Production(1, 2, 3, 4, 7, 5, 6)), (7, None)])
    one, opened = watch(rpc, events)
    one.look()
    one.look()
    first, second = (event.work for event in events.of(ev.WorkSeen))
    assert (first.epoch, first.validator) == (7, True)
    assert (first.produced, first.expected) == (Counts(1, 3, 5), Counts(2, 4, 6))
    assert not second.validator
    assert first.looked_at <= second.looked_at
    assert 0.0 <= first.took_s < 60.0
    assert opened == [1]


def test_a_failure_is_told_and_the_connection_made_anew() -> None:
    events = Events()
    rpc = FakeRpc([None, (7, None)])
    one, opened = watch(rpc, events)
    one.look()
    assert [event.detail for event in events.of(ev.WorkFailed)] == ["no answer within 1 s"]
    one.look()
    assert len(events.of(ev.WorkSeen)) == 1
    assert (rpc.closed, opened) == (1, [1, 1])


def test_a_neard_that_cannot_be_reached_is_told() -> None:
    events = Events()

    def open_rpc() -> Any:
        raise RpcError("connection refused")

    WorkWatch(open_rpc, "pool.near", events).look()
    assert [event.detail for event in events.of(ev.WorkFailed)] == ["connection refused"]


def test_it_looks_once_a_second_for_a_minute_after_this_host_began_to_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, _ = watch(FakeRpc([]), Events())
    assert one.every_s() == EVERY_S
    one.began()
    assert one.every_s() == CLOSELY_EVERY_S
    monkeypatch.setattr("hafailover.agent.work_watch.boottime", lambda: boottime() + EARLY_S)
    assert one.every_s() == EVERY_S
    one.closely(True)
    assert one.every_s() == CLOSELY_EVERY_S


def test_it_looks_at_once_when_this_host_begins_to_sign() -> None:
    events = Events()
    one, _ = watch(FakeRpc([(7, None)] * 9), events)
    one.start()
    until(lambda: len(events.of(ev.WorkSeen)) == 1, "the first look")
    one.began()
    until(lambda: len(events.of(ev.WorkSeen)) == 2, "the next, before its time")
