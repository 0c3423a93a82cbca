"""The agent's eye on neard: what it reports, how it survives a bad RPC, and whose blocks it tells of."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest

from hafailover.agent import neard_watch as module
from hafailover.agent.neard_watch import NeardWatch
from hafailover.core import events as ev
from hafailover.core.views import NeardView
from hafailover.near.rpc import NeardRpc, RpcError, Status

from .parts import Events, Mortals

ACCOUNT = "pool.near"


class FakeRpc:
    """neard's RPC as the watch uses it. One for all connections that the watch makes."""

    def __init__(self) -> None:
        self.height = 100
        self.uptime_s = 42
        self.tracked: Any = {"ShadowValidator": ACCOUNT}
        self.peers_answer: int | RpcError = 5
        self.authors: dict[int, str | RpcError] = {}
        self.error: RpcError | None = None
        self.opened = 0
        self.asked_tracked = 0
        self.asked_blocks: list[int] = []

    def status(self) -> Status:
        if self.error is not None:
            raise self.error
        return Status(self.height, False, None, None, "2.10.0", self.uptime_s, "localnet", time.time())

    def peers(self) -> int:
        if isinstance(self.peers_answer, RpcError):
            raise self.peers_answer
        return self.peers_answer

    def tracked_shards(self) -> Any:
        self.asked_tracked += 1
        return self.tracked

    def block_author(self, height: int) -> str | None:
        self.asked_blocks.append(height)
        author = self.authors.get(height, "other.near")
        if isinstance(author, RpcError):
            raise author
        return author

    def close(self) -> None:
        pass


@pytest.fixture
def rpc() -> FakeRpc:
    return FakeRpc()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def watch(rpc: FakeRpc, events: Events, mortals: Mortals) -> NeardWatch:
    def open_rpc() -> NeardRpc:
        rpc.opened += 1
        return mortals(rpc)  # type: ignore[return-value]

    return NeardWatch(open_rpc, ACCOUNT, events)


def again(watch: NeardWatch, events: Events) -> ev.NeardSeen:
    """What the next look shows, which is made at once."""
    seen = len(events.of(ev.NeardSeen))
    watch.closely(False)
    return events.wait(ev.NeardSeen, seen + 1)


def test_what_it_reports(watch: NeardWatch, events: Events) -> None:
    watch.start()
    seen = events.wait(ev.NeardSeen).neard
    known = replace(seen, head_age_s=0.0, steady=True, live=True, looked_at=None, blocks_lacking=0)
    assert known == NeardView(100, False, None, "2.10.0", 5, True)
    # How the chain's time goes with this machine's is learned from blocks, and none has come in yet.
    assert (seen.head_age_s, seen.steady, seen.live, seen.blocks_lacking) == (math.inf, False, False, 10)


@pytest.mark.parametrize("tracked", ["AllShards", None, {"ShadowValidator": "other.near"}])
def test_a_neard_that_does_not_shadow_this_pool(
    watch: NeardWatch, rpc: FakeRpc, events: Events, tracked: Any
) -> None:
    rpc.tracked = tracked
    watch.start()
    assert events.wait(ev.NeardSeen).neard.shadow is False


def test_what_an_old_neard_does_not_tell_is_not_known(
    watch: NeardWatch, rpc: FakeRpc, events: Events
) -> None:
    rpc.peers_answer = RpcError("network_info: METHOD_NOT_FOUND")
    watch.start()
    view = events.wait(ev.NeardSeen).neard
    assert (view.peers, view.shadow) == (None, None)


def test_a_failure_is_told_and_a_new_connection_made(watch: NeardWatch, rpc: FakeRpc, events: Events) -> None:
    watch.start()
    events.wait(ev.NeardSeen)
    rpc.error = RpcError("connection refused")
    watch.closely(False)
    assert events.wait(ev.NeardFailed).detail == "connection refused"
    rpc.error = None
    again(watch, events)
    assert rpc.opened == 2


def test_after_a_failure_it_asks_again_before_a_second_is_over(
    watch: NeardWatch, rpc: FakeRpc, events: Events
) -> None:
    watch.start()
    events.wait(ev.NeardSeen)
    rpc.error = RpcError("no answer within 1 s")
    watch.closely(False)
    events.wait(ev.NeardFailed)
    began = time.monotonic()
    events.wait(ev.NeardFailed, 3)
    assert time.monotonic() - began < 0.9


def test_a_home_that_cannot_be_read_for_now_is_a_failure_too(events: Events, mortals: Mortals) -> None:
    class Opener:
        def open(self) -> NeardRpc:
            raise RpcError("config.json: not valid JSON")

    NeardWatch(mortals(Opener()).open, ACCOUNT, events).start()
    assert "not valid JSON" in events.wait(ev.NeardFailed).detail


def test_a_neard_that_answers_slowly_is_asked_for_its_peers_as_often(
    watch: NeardWatch, rpc: FakeRpc, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look of 0.9 s leaves a pause of 0.1 s, and the pauses alone say nothing of the time."""
    now = 1000.3
    monkeypatch.setattr(module, "boottime", lambda: now)
    watch._look(False)
    rpc.peers_answer = 7
    for _ in range(10):
        now += 1.0
        watch._look(False)
    assert [one.neard.peers for one in events.of(ev.NeardSeen)] == [5] * 10 + [7]


def test_a_new_process_is_asked_anew(watch: NeardWatch, rpc: FakeRpc, events: Events) -> None:
    """neard was restarted with another config.json: what the old one tracked says nothing."""
    watch.start()
    assert events.wait(ev.NeardSeen).neard.shadow is True
    rpc.tracked = "AllShards"
    assert again(watch, events).neard.shadow is True, "the same process"
    rpc.uptime_s = 1
    assert again(watch, events).neard.shadow is False
    assert rpc.asked_tracked == 2


def test_own_blocks_are_told_while_it_looks_closely(watch: NeardWatch, rpc: FakeRpc, events: Events) -> None:
    rpc.authors = {100: ACCOUNT, 101: ACCOUNT, 102: RpcError("timeout"), 103: ACCOUNT}
    watch.closely(True)
    watch.start()
    events.wait(ev.NeardSeen)
    rpc.height = 104
    events.wait(ev.OwnBlockSeen, 2)
    assert [seen.height for seen in events.of(ev.OwnBlockSeen)] == [101, 103]
    assert rpc.asked_blocks[0] == 101, "what was there before the look began is not new"


def test_no_more_blocks_are_read_than_can_matter(watch: NeardWatch, rpc: FakeRpc, events: Events) -> None:
    watch.closely(True)
    watch.start()
    events.wait(ev.NeardSeen)
    rpc.authors = {9000: ACCOUNT}
    rpc.height = 9000
    events.wait(ev.OwnBlockSeen)
    assert len(rpc.asked_blocks) <= 21


def test_no_blocks_are_read_otherwise(watch: NeardWatch, rpc: FakeRpc, events: Events) -> None:
    watch.start()
    events.wait(ev.NeardSeen)
    rpc.height = 110
    again(watch, events)
    assert rpc.asked_blocks == []
