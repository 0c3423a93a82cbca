"""The agent's eyes: blocking queries that go on, gaps that are told, and news that comes late."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from hafailover.agent import watchers as module
from hafailover.agent.watchers import LeaseEyes, Watcher
from hafailover.core import events as ev
from hafailover.core.views import LockView, Request
from hafailover.core.words import Claim
from hafailover.lock.base import dropped_json
from hafailover.lock.consul import ConsulWatch
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.roster import RequestWatch
from hafailover.orders.desk import OrdersWatch

from ..observe.pool import beat, fill
from ..observe.tiny_consul import ACCOUNT, KEYS, TinyConsul, until
from .parts import Events, Mortals


def claim(term: int) -> Claim:
    return Claim(term, "0" * 32, "b", 103, None, "a" * 64)


DOWN = CallError(Kind.UNREACHABLE, "no connection to Consul")


class Script:
    """Answers of a blocking query, one after the other, with the clock at which each comes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.asked: list[tuple[int | None, float]] = []
        self.reported: list[tuple[int, Any]] = []
        self.gaps: list[int] = []
        """How many answers had been reported at each gap."""
        monkeypatch.setattr(module, "boottime", lambda: self.now)
        monkeypatch.setattr(module, "PAUSE_S", 0.001)

    def run(self, *steps: tuple[float, int | None]) -> None:
        """Each step: seconds that the query took, and the index it answered with, or its failure."""
        left = list(steps)

        def look(index: int | None, wait_s: float) -> tuple[int, str]:
            self.asked.append((index, wait_s))
            took, at = left.pop(0)
            self.now += took
            if at is None:
                raise DOWN
            return at, f"value {at}"

        watcher = Watcher(
            "lock",
            look,
            lambda at, value: self.reported.append((at, value)),
            on_gap=lambda: self.gaps.append(len(self.reported)),
            until=lambda: not left,
        )
        watcher.start()
        watcher.join(5)
        assert not watcher.is_alive()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(monkeypatch)


def test_the_first_look_does_not_wait_and_the_next_ones_do(script: Script) -> None:
    script.run((0, 7), (3, 8), (10, 8))
    assert script.asked == [(None, 0.0), (7, module.WAIT_S), (8, module.WAIT_S)]
    assert script.reported == [(7, "value 7"), (8, "value 8"), (8, "value 8")]


def test_after_a_failure_it_looks_at_once(script: Script) -> None:
    """What changed meanwhile must not wait for the next change."""
    script.run((0, 7), (1, None), (0, 7))
    assert script.asked[2] == (None, 0.0)


def test_an_index_that_goes_back_starts_anew(script: Script) -> None:
    script.run((0, 700), (1, 5), (0, 5), (1, 6))
    assert [index for index, _ in script.asked] == [None, 700, None, 5]
    assert len(script.reported) == 4


@pytest.mark.parametrize(
    ("steps", "gaps"),
    [
        ([(0, 7), (10.6, 8), (10.6, 8)], []),
        ([(0, 7), (1, None), (1, 7)], []),
        ([(0, 7), (2, None), (2, None), (0, 7)], [1]),
        ([(0, 7), (4, None), (0, 7), (1, 8), (4, None), (0, 8)], [1, 3]),
    ],
    ids=["quiet", "short", "long", "twice"],
)
def test_a_gap_is_told_before_what_is_seen_after_it(
    script: Script, steps: list[tuple[float, int | None]], gaps: list[int]
) -> None:
    """A beat seen before a gap may be older than it seems: the core has to know first."""
    script.run(*steps)
    assert script.gaps == gaps


# --- all of them together


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def eyes(consul: TinyConsul, events: Events, mortals: Mortals) -> LeaseEyes:
    return LeaseEyes(
        lambda: mortals(ConsulWatch(consul.address, ACCOUNT, 10.0)),
        lambda: mortals(RequestWatch(consul.address, ACCOUNT, 10.0)),
        lambda: mortals(OrdersWatch(consul.address, ACCOUNT, 10.0)),
        lambda book: None,
        events,
    )


def test_what_is_there_is_seen_at_once(consul: TinyConsul, events: Events, eyes: LeaseEyes) -> None:
    fill(consul)
    consul.put(KEYS.dropped + "10", json.loads(dropped_json(claim(10))))
    consul.put(KEYS.history_id, {"id": claim(10).history})
    consul.put(KEYS.request, {"id": "wish-1", "to": "b", "term": 20}, "session-of-asker")
    eyes.start()
    lock = events.wait(ev.LockSeen).lock
    assert (lock.session, lock.node) == ("session-of-a", "a")
    stored = events.wait(ev.BeatSeen).stored
    assert stored is not None
    assert stored.beat == beat("a", 20)
    assert events.wait(ev.DroppedSeen).claims == {claim(10)}
    assert events.wait(ev.HistorySeen) == ev.HistorySeen(claim(10).history)
    assert events.wait(ev.RequestSeen).request == Request("wish-1", "b", 20)


@pytest.mark.parametrize(("said", "despite"), [(True, True), (False, False), ("true", False), (1, False)])
def test_a_wish_says_whether_it_was_put_despite_the_budget(
    consul: TinyConsul, events: Events, eyes: LeaseEyes, said: object, despite: bool
) -> None:
    """One of an older version does not say so, and is refused rather than carried out."""
    wish = {"id": "wish-1", "to": "b", "term": 20, "despite_budget": said}
    consul.put(KEYS.request, wish, "session-of-asker")
    eyes.start()
    assert events.wait(ev.RequestSeen).request == Request("wish-1", "b", 20, despite_budget=despite)


def test_every_change_wakes_its_watcher(consul: TinyConsul, events: Events, eyes: LeaseEyes) -> None:
    fill(consul)
    consul.beats = False
    consul.put(KEYS.dropped + ".keep", {})
    consul.put(KEYS.request, {})
    eyes.start()
    for kind in (ev.LockSeen, ev.BeatSeen, ev.DroppedSeen, ev.RequestSeen):
        events.wait(kind)
    consul.expire("session-of-a")
    assert events.wait(ev.LockSeen, 2).lock.session is None
    consul.put_beat(beat("b", 33))
    stored = events.wait(ev.BeatSeen, 2).stored
    assert stored is not None
    assert stored.beat.term == 33
    consul.put(KEYS.dropped + "11", json.loads(dropped_json(claim(11))))
    assert events.wait(ev.DroppedSeen, 2).claims == {claim(11)}
    consul.put(KEYS.request, {"id": "wish-1", "to": "b", "term": 33}, "session-of-asker")
    assert events.wait(ev.RequestSeen, 2).request == Request("wish-1", "b", 33)
    consul.expire("session-of-asker")
    assert events.wait(ev.RequestSeen, 3).request is None, "nobody waits for it any more"
    assert events.of(ev.WatchGap) == []


def test_a_release_that_the_slower_watch_tells_late_is_no_news(
    consul: TinyConsul, events: Events, mortals: Mortals
) -> None:
    """The watch at the leader has seen the lock free; a stale look that shows it held must not count."""
    fill(consul)
    held = consul.items[KEYS.lock].modified
    gate = threading.Event()

    class Stale(ConsulWatch):
        """The first look at the lock is held up on its way."""

        def lock(self, index: int | None, wait_s: float, fast: bool = False) -> tuple[int, LockView]:
            seen = super().lock(index, wait_s, fast)
            if not fast and seen[0] == held:
                gate.wait(5)
            return seen

    eyes = LeaseEyes(
        lambda: mortals(Stale(consul.address, ACCOUNT, 10.0)),
        lambda: mortals(RequestWatch(consul.address, ACCOUNT, 10.0)),
        lambda: mortals(OrdersWatch(consul.address, ACCOUNT, 10.0)),
        lambda book: None,
        events,
    )
    eyes.start()
    eyes.expect_handover()
    assert events.wait(ev.LockSeen).lock.session == "session-of-a"
    consul.expire("session-of-a")
    assert events.wait(ev.LockSeen, 2).lock.session is None
    gate.set()
    # The stale answer is dropped; what the same watch sees next is as new as the other one's.
    third = events.wait(ev.LockSeen, 3)
    assert third.lock.session is None


# --- the target of a handover


class Wished:
    """Eyes that expect a handover; says how often the lock was looked at closely."""

    def __init__(self, consul: TinyConsul, events: Events, mortals: Mortals) -> None:
        self.looks = 0
        wished = self

        class Counted(ConsulWatch):
            def lock(self, index: int | None, wait_s: float, fast: bool = False) -> tuple[int, LockView]:
                wished.looks += fast
                return super().lock(index, min(wait_s, 0.05), fast)

        self.eyes = LeaseEyes(
            lambda: mortals(Counted(consul.address, ACCOUNT, 10.0)),
            lambda: mortals(RequestWatch(consul.address, ACCOUNT, 10.0)),
            lambda: mortals(OrdersWatch(consul.address, ACCOUNT, 10.0)),
            lambda book: None,
            events,
        )

    def looks_again(self) -> None:
        before = self.looks
        until(lambda: self.looks > before + 1, "another close look")

    def ends(self) -> None:
        before = -1

        def quiet() -> bool:
            nonlocal before
            now, before = before, self.looks
            time.sleep(0.3)
            return now == self.looks

        until(quiet, "the end of the close looks")


@pytest.fixture
def wished(consul: TinyConsul, events: Events, mortals: Mortals, monkeypatch: pytest.MonkeyPatch) -> Wished:
    monkeypatch.setattr(module, "HANDOVER_S", 0.2)
    monkeypatch.setattr(module, "AFTER_WISH_S", 0.2)
    fill(consul)
    consul.put(KEYS.request, {"id": "wish-1", "to": "b", "term": 20}, "session-of-asker")
    return Wished(consul, events, mortals)


def test_the_target_looks_closely_as_long_as_the_wish_stands(
    consul: TinyConsul, events: Events, wished: Wished
) -> None:
    """The key may wait for a height and for what the target lacks: longer than any fixed time."""
    wished.eyes.start()
    assert events.wait(ev.RequestSeen).request is not None
    wished.eyes.expect_handover()
    time.sleep(1.0)
    wished.looks_again()
    consul.expire("session-of-asker")
    wished.ends()
    consul.put(KEYS.request, {"id": "wish-2", "to": "b", "term": 20}, "session-of-asker")
    until(lambda: events.of(ev.RequestSeen)[-1].request is not None, "another wish")
    wished.eyes.expect_handover()
    wished.looks_again()


def test_where_the_wish_is_over_already_the_look_ends(wished: Wished) -> None:
    """A wish may come and go before the agent gets to it."""
    wished.eyes.expect_handover()
    wished.ends()
    assert wished.looks
