"""The role and its reason: what a log, a metric and a status page say of a host."""

import pytest

from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.decide import HOLDING_WAKE_S, IDLE_WAKE_S, decide, initial, next_wake
from hafailover.core.state import Config
from hafailover.core.views import KeyState, LockView, NeardPhase, Role
from hafailover.timing import PROFILES

from .bench import ACCOUNT, SESSION, Core, beat, guard, member, neard, stored


def test_at_the_very_start() -> None:
    state = initial(Config("a", ACCOUNT, PROFILES["default"]), 5.0)
    assert (state.role, state.reason, state.role_since) == (Role.STARTING, "the agent has just started", 5.0)


@pytest.mark.parametrize(
    ("news", "role", "reason"),
    [
        ([], Role.STARTING, "no session with Consul; the guard is not connected"),
        ([ev.SessionReady(SESSION)], Role.STARTING, "the guard is not connected"),
        (
            [ev.SessionReady(SESSION), ev.GuardSeen(guard(neard=NeardPhase.BOOTING))],
            Role.STARTING,
            "neard is booting",
        ),
        (
            [ev.SessionReady(SESSION), ev.GuardSeen(guard())],
            Role.STARTING,
            "neard's RPC does not answer",
        ),
        (
            [ev.SessionReady(SESSION), ev.GuardSeen(guard()), ev.NeardSeen(neard(syncing=True))],
            Role.SYNCING,
            "neard is syncing",
        ),
        (
            [ev.SessionReady(SESSION), ev.GuardSeen(guard()), ev.NeardSeen(neard(peers=0))],
            Role.STANDBY,
            "not ready: neard has 0 peers, fewer than 1",
        ),
        (
            [ev.GuardSeen(guard()), ev.NeardSeen(neard())],
            Role.STANDBY,
            "not ready: no session with Consul",
        ),
        (
            [ev.SessionReady(SESSION), ev.GuardSeen(guard()), ev.NeardSeen(neard())],
            Role.STANDBY,
            "ready, but it does not know yet who holds the lock",
        ),
    ],
)
def test_without_the_lock(news: list[ev.Event], role: Role, reason: str) -> None:
    core = Core()
    core.tick()
    core.feeds(*news)
    assert (core.role, core.reason) == (role, reason)


def test_a_whole_life_with_the_lock() -> None:
    core = Core().stand_by().wait_on(stored(beat(10, 5)))
    assert core.role is Role.PROMOTING
    assert core.reason == ("term 20: waiting, since the key of b (term 10) is gone 8.5 s after its last beat")
    core.wait(9.3)
    assert (core.role, core.reason) == (Role.PROMOTING, "term 20: loading the key")
    core.say_guard(key=KeyState.LOADED, term=20)
    assert (core.role, core.reason) == (Role.ACTIVE, "term 20: signing")
    core.feed(ev.MembersSeen((member("b", height=300),), None))
    assert core.reason == "term 20: signing, but neard is 200 blocks behind, more than 5"
    core.feed(ev.MembersSeen((), None))
    core.say_guard(neard=NeardPhase.STOPPING)
    assert (core.role, core.reason) == (Role.DEMOTING, "term 20: neard is being stopped")
    core.say_guard(key=KeyState.ABSENT, neard=NeardPhase.DOWN, retired=20)
    core.wait(0.3)
    core.feed(ev.ReleaseAnswered(20, ev.Outcome.OK))
    assert (core.role, core.reason) == (Role.STARTING, "neard is down")


def test_the_role_keeps_its_date_while_only_the_reason_changes() -> None:
    core = Core().stand_by()
    since = core.state.role_since
    core.feed(ev.NeardSeen(neard(peers=0)), after=5.0)
    assert core.role is Role.STANDBY
    assert core.state.role_since == since
    core.feed(ev.NeardSeen(neard(syncing=True)), after=5.0)
    assert core.state.role_since == core.now


def test_the_same_facts_in_whatever_order_lead_to_the_same_act() -> None:
    news: list[ev.Event] = [
        ev.GuardSeen(guard()),
        ev.NeardSeen(neard()),
        ev.SessionReady(SESSION),
        ev.LockSeen(LockView(None, None, 15)),
        ev.BeatSeen(stored(beat(phase=Phase.RELEASED))),
    ]
    for shift in range(len(news)):
        core = Core()
        effects = core.feeds(*news[shift:], *news[:shift])
        assert [type(effect).__name__ for effect in effects] == ["Acquire", "WatchClosely"]


def test_time_that_seems_to_go_backwards_changes_nothing() -> None:
    core = Core().arm()
    before = core.state
    after = decide(before, ev.Tick(), core.now - 5.0)
    assert after.state.last_now == before.last_now
    assert after.effects == ()


def test_wakes_are_soon_enough_for_what_is_due() -> None:
    core = Core().stand_by()
    assert next_wake(core.state, core.now) == core.now + IDLE_WAKE_S
    core.feed(ev.LockSeen(LockView(None, None, 15)))
    assert next_wake(core.state, core.now) == core.now + HOLDING_WAKE_S
    core = Core().arm()
    for _ in range(100):
        wake = next_wake(core.state, core.now)
        assert core.now < wake <= max(core.hold.next_beat_at, core.now) + IDLE_WAKE_S
        core.answer_beats(core.tick(wake - core.now))
        core.say_guard()
