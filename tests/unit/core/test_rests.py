"""A ready host that leaves a free lock alone says why: the same function decides it and tells it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.changed import replace
from hafailover.core.views import KeyState, LockView, Orders, Request, Role

from .bench import OTHER, SESSION, Core, beat, member, of, stored

FREE = ev.LockSeen(LockView(None, None, 15))
READY = "ready, but it leaves the free lock alone: "


def with_orders() -> Core:
    core = Core().stand_by()
    core.feed(ev.OrdersSeen(Orders(paused_until=core.now + 100)))
    return core


def after_giving_up() -> Core:
    core = Core().arm()
    core.feed(ev.RequestSeen(Request("r1", "b", 20)))
    core.feed(ev.MembersSeen((member("b", prepared_for="r1"),), core.state.pool_public_key), after=0.1)
    core.say_guard(key=KeyState.ABSENT, retired=20, height=100)
    core.tick(0.1)
    core.feed(ev.ReleaseAnswered(20, ev.Outcome.OK))
    return core


def for_another_target() -> Core:
    core = Core().stand_by()
    core.feed(ev.BeatSeen(stored(beat(phase=Phase.RELEASED, handover_to="c"), 15)))
    return core


def after_a_failed_try() -> Core:
    core = Core().stand_by(holder=None)
    core.feed(ev.AcquireAnswered(core.now, ev.Outcome.REFUSED))
    return core


def behind_a_better_one() -> Core:
    core = Core().stand_by()
    core.feed(ev.MembersSeen((member("b", priority=5),), core.state.pool_public_key))
    core.feed(ev.BeatSeen(stored(beat(), 15)))
    return core


def news_under_way() -> Core:
    core = Core().stand_by()
    core.feed(ev.BeatSeen(stored(beat(), 14)))
    return core


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (with_orders, "ready, but automatic failover is paused"),
        (after_giving_up, READY + "it gave the lock up itself, and others have 5 s to take it"),
        (for_another_target, READY + "it was handed to c, which has 3 s to take it"),
        (after_a_failed_try, READY + "its last try to take it has just failed"),
        (lambda: Core(watched_s=0.0).stand_by(), READY + "it has not watched the heartbeat for long"),
        (behind_a_better_one, READY + "a standby that ranks above it has 0.2 s to take it"),
        (news_under_way, READY + "news of a handover may be under way"),
    ],
)
def test_each_rest_is_named(make: Callable[[], Core], why: str) -> None:
    core = make()
    effects = core.feed(FREE, after=0.01)
    assert of(ef.Acquire, effects) == []
    assert core.role is Role.STANDBY
    assert core.reason.startswith(why), core.reason
    if "paused" in why:
        return
    assert of(ef.Acquire, core.wait(6))


def test_what_holds_the_lock_is_not_known_yet() -> None:
    core = Core().stand_by()
    core.state = replace(core.state, lock=None)
    core.tick()
    assert core.reason == "ready, but it does not know yet who holds the lock"


def test_a_lock_that_is_held_is_no_rest() -> None:
    core = Core().stand_by(holder=OTHER)
    assert core.reason == "ready"


def test_a_free_lock_that_nothing_keeps_it_from_is_asked_for_at_once() -> None:
    core = Core().stand_by()
    assert ef.Acquire(SESSION) in core.feed(FREE, after=0.1)
    assert core.reason == "ready"


def test_it_never_says_ready_and_does_nothing() -> None:
    """Whatever was seen: a free lock is asked for, or the reason says what keeps the host from it."""
    for make in (with_orders, after_giving_up, for_another_target, behind_a_better_one, news_under_way):
        core = make()
        asked = of(ef.Acquire, core.feed(FREE, after=0.01))
        for _ in range(200):
            assert asked or core.reason != "ready"
            asked += of(ef.Acquire, core.tick(0.05))
