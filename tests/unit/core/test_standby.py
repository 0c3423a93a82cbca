"""A standby: when it takes the lock, when it leaves it to others, and what it makes of the answer."""

from typing import Any, ClassVar

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.state import Stage
from hafailover.core.views import KeyState, LockView, NeardPhase, Request, Role
from hafailover.timing import LONGEST_GONE_WITHIN_S

from .bench import KEY, OTHER, SESSION, Core, beat, guard, member, neard, of, stored

FREE = ev.LockSeen(LockView(None, None, 15))
RELEASED = stored(beat(phase=Phase.RELEASED, handover_to="a"))
OK, REFUSED, NO_PROOF = ev.Outcome.OK, ev.Outcome.REFUSED, ev.Outcome.NO_PROOF


def test_a_ready_standby_takes_a_free_lock_at_once() -> None:
    core = Core().stand_by()
    assert (core.role, core.reason) == (Role.STANDBY, "ready")
    assert core.feed(FREE) == [ef.Acquire(SESSION), ef.WatchClosely(True)]
    assert core.tick(1.0) == [], "one try at a time"


def test_a_lock_that_is_held_is_left_alone() -> None:
    core = Core().stand_by()
    assert core.wait(20) == []


def test_without_a_session_nothing_is_tried() -> None:
    core = Core().stand_by()
    core.feed(ev.SessionGone(SESSION))
    assert core.feed(FREE) == []
    assert core.reason == "not ready: no session with Consul"
    assert of(ef.Acquire, core.feed(ev.SessionReady("session-c"))) == [ef.Acquire("session-c")]


def test_another_sessions_end_is_nothing_to_this_host() -> None:
    core = Core().stand_by()
    core.feed(ev.SessionGone(OTHER))
    assert core.state.session == SESSION


@pytest.mark.parametrize(
    "event",
    [
        ev.NeardSeen(neard(syncing=True)),
        ev.NeardSeen(neard(peers=0)),
        ev.NeardSeen(neard(shadow=False)),
        ev.GuardLost(),
        ev.GuardSeen(guard(problem="the credential is gone")),
        ev.GuardSeen(guard(neard=NeardPhase.BOOTING)),
        ev.MembersSeen((), "ed25519:another"),
        ev.MembersSeen((member("b", height=200),), KEY),
    ],
)
def test_a_host_that_is_not_ready_leaves_a_free_lock_alone(event: ev.Event) -> None:
    core = Core().stand_by()
    core.feed(event)
    assert of(ef.Acquire, core.feed(FREE)) == []
    assert of(ef.Acquire, core.wait(5)) == []


def test_a_better_standby_gets_a_head_start_of_one_retry() -> None:
    core = Core().stand_by()
    core.feed(ev.MembersSeen((member("c", priority=1),), KEY))
    assert core.feed(FREE) == []
    assert core.tick(0.19) == []
    assert of(ef.Acquire, core.tick(0.02)) == [ef.Acquire(SESSION)]


@pytest.mark.parametrize(
    "other", [member("c", priority=1, ready=False), member("c", priority=1, alive=False)]
)
def test_no_head_start_for_one_that_cannot_use_it(other: object) -> None:
    core = Core().stand_by()
    core.feed(ev.MembersSeen((other,), KEY))  # type: ignore[arg-type]
    assert of(ef.Acquire, core.feed(FREE)) == [ef.Acquire(SESSION)]


def test_others_leave_a_handover_to_its_target_for_a_while() -> None:
    core = Core().stand_by()
    core.feed(ev.BeatSeen(stored(beat(phase=Phase.RELEASED, handover_to="c"))))
    assert core.feed(FREE) == []
    assert of(ef.Acquire, core.wait(2.9)) == []
    assert of(ef.Acquire, core.wait(0.2)) == [ef.Acquire(SESSION)]


def test_a_free_lock_is_not_taken_before_the_beat_that_may_name_another() -> None:
    core = Core().stand_by()
    core.feed(ev.BeatSeen(stored(beat(), index=14)))
    assert core.feed(FREE) == []
    core.feed(ev.BeatSeen(stored(beat(phase=Phase.RELEASED, handover_to="c"), index=15)), 0.05)
    assert of(ef.Acquire, core.wait(2.8)) == []


def test_a_lock_that_was_freed_without_a_beat_is_taken_a_moment_later() -> None:
    core = Core().stand_by()
    core.feed(ev.BeatSeen(stored(beat(), index=14)))
    assert core.feed(FREE) == []
    assert core.tick(0.09) == []
    assert of(ef.Acquire, core.tick(0.02)) == [ef.Acquire(SESSION)]


def test_a_lock_whose_release_names_nobody_is_taken_at_once() -> None:
    core = Core().stand_by()
    core.feed(ev.BeatSeen(stored(beat(), index=14)))
    core.feed(FREE)
    released = stored(beat(phase=Phase.RELEASED), index=15)
    assert of(ef.Acquire, core.feed(ev.BeatSeen(released), 0.01)) == [ef.Acquire(SESSION)]


def test_the_target_of_a_handover_does_not_wait_for_that_beat() -> None:
    core = Core().stand_by()
    core.feeds(ev.BeatSeen(stored(beat(), index=14)), ev.RequestSeen(Request("r1", "a", 10)))
    assert of(ef.Acquire, core.feed(FREE)) == [ef.Acquire(SESSION)]


def test_the_target_of_a_handover_does_not_wait_out_a_pause_of_its_own() -> None:
    core = Core().arm()
    core.say_guard(neard=NeardPhase.STOPPING)
    core.say_guard(key=KeyState.ABSENT, neard=NeardPhase.UP, retired=20)
    core.feeds(ev.ReleaseAnswered(20, OK), ev.NeardSeen(neard()), ev.LockSeen(LockView(OTHER, "b", 30)))
    assert core.state.acquire_at > core.now + 4
    core.feed(ev.BeatSeen(stored(beat(30, 3, phase=Phase.RELEASED, handover_to="a"))))
    assert of(ef.Acquire, core.feed(FREE)) == [ef.Acquire(SESSION)]


def test_a_wish_to_move_the_key_here_is_prepared_for_once() -> None:
    core = Core().stand_by()
    wish = ev.RequestSeen(Request("r1", "a", 10))
    assert core.feed(wish) == [ef.ExpectHandover()]
    assert core.feed(wish) == []
    assert core.state.expected_request == "r1"
    assert Core().stand_by().feed(ev.RequestSeen(Request("r1", "c", 10))) == []


class TestAcquisition:
    """The answer to an attempt on the lock."""

    @pytest.mark.parametrize("outcome", [REFUSED, NO_PROOF])
    def test_without_success_it_tries_again_after_a_retry(self, outcome: ev.Outcome) -> None:
        core = Core().stand_by()
        core.feed(FREE)
        assert core.feed(ev.AcquireAnswered(core.now, outcome)) == [ef.WatchClosely(False)]
        assert core.tick(0.19) == []
        assert of(ef.Acquire, core.tick(0.02)) == [ef.Acquire(SESSION)]

    def test_after_a_release_it_beats_arms_and_records(self) -> None:
        core = Core().stand_by()
        effects = core.acquire(RELEASED)
        assert core.hold.stage is Stage.WAITING
        sent = of(ef.SendBeat, effects)[0]
        assert (sent.session, sent.beat.term, sent.beat.phase) == (SESSION, 20, Phase.WAITING)
        assert sent.beat.inherits == RELEASED.beat
        core.feed(ev.NeardSeen(neard()))
        assert of(ef.ArmGuard, core.wait(0.5, beats=None)) == [], "no key before the first beat stands"
        sent_at = core.now
        effects = core.feed(ev.BeatAnswered(20, sent.beat.sequence, sent_at, OK), after=0.004)
        assert effects == [ef.ArmGuard(20, sent_at + 7.0, "", core.hold.good)]
        assert [claim.word for claim in core.hold.good] == [RELEASED.beat.word]
        assert core.reason == "term 20: loading the key"

    def test_an_unknown_predecessor_is_waited_out(self) -> None:
        core = Core().stand_by().wait_on(None)
        assert core.reason == "term 20: waiting, since no readable heartbeat of a predecessor"
        began = core.now
        effects = core.wait(LONGEST_GONE_WITHIN_S * 1.01 + 0.4)
        assert of(ef.ArmGuard, effects) == []
        assert {sent.beat.gone_within_s for sent in of(ef.SendBeat, effects)} == {15.0}
        assert of(ef.ArmGuard, core.wait(0.2))
        assert core.now - began > 15.65

    def test_a_seen_predecessor_is_waited_out_from_when_it_was_seen(self) -> None:
        core = Core().stand_by()
        last = stored(beat(10, 5))
        core.feed(ev.BeatSeen(last))
        seen = core.now
        core.wait(5.0)
        core.wait_on(last)
        effects = core.wait(seen + 9.07 - core.now)
        assert of(ef.ArmGuard, effects) == []
        assert of(ef.ArmGuard, core.wait(0.1))

    def test_a_broken_watch_voids_what_was_seen(self) -> None:
        core = Core().stand_by()
        last = stored(beat(10, 5))
        core.feeds(ev.BeatSeen(last), ev.WatchGap())
        core.wait(5.0)
        core.wait_on(last)
        assert core.hold.wait.not_before == pytest.approx(core.now + 15.65, abs=0.02)

    def test_a_term_that_is_over_is_never_taken_up_again(self) -> None:
        core = Core().arm()
        core.feed(ev.BeatAnswered(20, 3, core.now, REFUSED))
        core.say_guard(key=KeyState.ABSENT, retired=20)
        assert core.state.hold is None
        core.feed(FREE)
        effects = core.feed(ev.AcquireAnswered(core.now, OK, 20, stored(beat(20, 3, "a"))))
        assert effects == [ef.AbandonSession(SESSION, "term 20 is over and must not be taken up again")]
        assert core.state.hold is None

    def test_the_answer_comes_when_the_session_is_gone(self) -> None:
        core = Core().stand_by()
        core.feed(FREE)
        core.feed(ev.SessionGone(SESSION))
        core.feed(ev.AcquireAnswered(core.now, OK, 20, RELEASED))
        assert core.state.hold is None

    def test_the_answer_for_a_session_that_is_gone_is_no_hold_of_the_next_one(self) -> None:
        core = Core().stand_by()
        core.feeds(FREE, ev.SessionGone(SESSION), ev.SessionReady("session-c"))
        core.feed(ev.AcquireAnswered(core.now, OK, 20, RELEASED))
        effects = core.tick()
        sent = of(ef.SendBeat, effects)
        core.feed(ev.BeatAnswered(20, 1, core.now, REFUSED))
        assert not sent or core.hold.stage is Stage.LOST


class TestStrayKey:
    """A key that neard has although this host holds no lock is dropped, once for each term."""

    def test_the_lock_is_held_by_another(self) -> None:
        core = Core().stand_by()
        loaded = ev.GuardSeen(guard(KeyState.LOADED, term=8))
        assert core.feed(loaded) == [ef.DropGuard(8, True, "this host does not hold the lock")]
        assert core.feed(loaded) == []

    def test_the_lock_is_free(self) -> None:
        core = Core().stand_by(holder=None)
        core.feed(ev.AcquireAnswered(core.now, REFUSED))
        effects = core.feed(ev.GuardSeen(guard(KeyState.LOADING, term=8)))
        assert effects == [ef.DropGuard(8, True, "this host does not hold the lock")]

    def test_not_as_long_as_the_lock_is_unknown(self) -> None:
        core = Core()
        core.feeds(ev.SessionReady(SESSION), ev.GuardSeen(guard(KeyState.LOADED, term=8)))
        assert core.state.stray_term == -1

    def test_of_an_earlier_term_although_the_lock_is_ours(self) -> None:
        core = Core().stand_by(SESSION, 20)
        effects = core.feed(ev.AcquireAnswered(core.now, NO_PROOF))
        core = Core()
        core.feeds(ev.SessionReady(SESSION), ev.LockSeen(LockView(SESSION, "a", 20)), ev.NeardSeen(neard()))
        effects = core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=8)))
        assert effects == [ef.DropGuard(8, True, "the lock is held in term 20, not 8")]
        assert core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=8))) == []
        assert core.feed(ev.GuardSeen(guard(KeyState.ABSENT, term=8, retired=8))) == [ef.Acquire(SESSION)]


class TestRestartOfATaintedNeard:
    """A neard that once held the key goes on advertising itself for it until it exits."""

    SIGNS: ClassVar = ev.BeatSeen(stored(beat(30, 1, "b")))
    TOLD: ClassVar = [ef.RestartNeard("it held the key once, and b signs now")]

    def tainted(self, **config: Any) -> Core:
        core = Core(**config).stand_by()
        core.feed(ev.GuardSeen(guard(tainted=True)))
        return core

    def test_it_is_restarted_as_soon_as_another_is_active(self) -> None:
        core = self.tainted()
        assert core.wait(10) == []
        assert core.feed(self.SIGNS) == self.TOLD
        assert core.wait(10) == []

    def test_again_when_it_was_tainted_for_a_later_term(self) -> None:
        core = self.tainted()
        assert core.feed(self.SIGNS) == self.TOLD
        assert core.feed(ev.BeatSeen(stored(beat(31, 1, "b")))) == self.TOLD

    @pytest.mark.parametrize("phase", [Phase.WAITING, Phase.RELEASED, Phase.PASSED])
    def test_not_while_nobody_else_signs(self, phase: Phase) -> None:
        core = self.tainted()
        assert core.feed(ev.BeatSeen(stored(beat(30, 2, "b", phase)))) == []
        assert core.wait(10) == []

    def test_not_where_the_operator_does_not_want_it(self) -> None:
        assert self.tainted(restart_after_drop=False).feed(self.SIGNS) == []

    def test_not_when_it_never_held_the_key(self) -> None:
        core = self.tainted()
        core.feed(ev.GuardSeen(guard()))
        assert core.feed(self.SIGNS) == []

    def test_not_again_while_it_stops(self) -> None:
        core = self.tainted()
        core.feed(ev.GuardSeen(guard(neard=NeardPhase.STOPPING, tainted=True)))
        assert core.feed(self.SIGNS) == []


class TestLateNewsOfTheOwnLock:
    """A watch that ends without news tells once more what stood there when it began, perhaps too late."""

    OWN = ev.LockSeen(LockView(SESSION, "a", 20))
    FREE = ev.LockSeen(LockView(None, None, 30))

    def handed_over(self) -> Core:
        """This host has released term 20 to b, and has had Consul's confirmation."""
        core = Core().arm()
        core.feed(ev.MembersSeen((member("b", prepared_for="wish"),), KEY))
        core.feed(ev.RequestSeen(Request("wish", "b", 20)))
        effects = core.feed(ev.MembersSeen((member("b", prepared_for="wish"),), KEY), after=0.05)
        effects += core.wait(0.2) + core.say_guard(key=KeyState.ABSENT, retired=20) + core.wait(1.5)
        assert of(ef.Release, effects)
        core.feed(ev.ReleaseAnswered(20, OK))
        assert core.state.hold is None
        return core

    def test_it_does_not_take_back_what_it_has_handed_over(self) -> None:
        core = self.handed_over()
        effects = core.feed(self.OWN, after=0.02)
        effects += core.feed(self.FREE, after=0.01) + core.wait(2.5)
        assert of(ef.Acquire, effects) == [], "its back-off is for five seconds"
        assert of(ef.AbandonSession, effects) == []

    def test_a_lock_that_is_still_its_own_after_the_end_does_not_stay_taken(self) -> None:
        core = self.handed_over()
        core.feed(self.OWN, after=0.02)
        effects = core.wait(4.5)
        assert of(ef.Acquire, effects) == []
        assert [effect.session for effect in of(ef.AbandonSession, effects)] == [SESSION]

    def test_a_handover_to_this_host_is_good_for_one_term(self) -> None:
        """The heartbeat's watch may be behind the lock's, and show who handed over to this host."""
        core = self.handed_over()
        core.feed(ev.BeatSeen(stored(beat(15, 9, "b", Phase.RELEASED, handover_to="a"), 1)))
        effects = core.feed(self.FREE, after=0.02) + core.wait(2.5)
        assert of(ef.Acquire, effects) == []
