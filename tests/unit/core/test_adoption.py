"""An agent that comes back finds a lock of its own: it goes on where that is safe, and only there."""

from dataclasses import replace

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Beat, Phase
from hafailover.core.state import Stage
from hafailover.core.views import KeyState, LockView, NeardPhase, Role
from hafailover.core.words import Claim
from hafailover.timing import PROFILES

from .bench import KEY, SESSION, Core, beat, guard, lived, neard, of, stored

OURS = ev.LockSeen(LockView(SESSION, "a", 20))
OK, REFUSED, NO_PROOF = ev.Outcome.OK, ev.Outcome.REFUSED, ev.Outcome.NO_PROOF
ACTIVE = beat(20, 99, "a")


def back(key: KeyState, profile: str = "default", term: int = 20, retired: int = 0) -> Core:
    """An agent that has just restarted with its old session, and its guard's first report."""
    core = Core(profile=PROFILES[profile])
    core.feeds(
        ev.GuardSeen(guard(key, term=term, retired=retired)),
        ev.NeardSeen(neard(public_key=KEY if key is KeyState.LOADED else None)),
        ev.MembersSeen((), KEY),
        ev.SessionReady(SESSION),
    )
    return core


def taken_up(core: Core, own: Beat, dropped: frozenset[Claim] = frozenset()) -> list[ef.Effect]:
    assert core.feed(OURS) == [ef.Acquire(SESSION)]
    return core.feed(ev.AcquireAnswered(core.now, OK, 20, stored(own), dropped), after=0.005)


class TestKeyStillLoaded:
    """The guard kept the key meanwhile: no block is missed."""

    def test_it_is_active_again_in_the_same_term(self) -> None:
        core = back(KeyState.LOADED)
        effects = taken_up(core, ACTIVE)
        assert (core.role, core.hold.stage, core.hold.term) == (Role.ACTIVE, Stage.ARMED, 20)
        assert core.reason == "term 20: signing"
        assert of(ef.ArmGuard, effects) == of(ef.GrantGuard, effects) == of(ef.DropGuard, effects) == []

    def test_the_grant_grows_only_with_a_beat_of_its_own(self) -> None:
        core = back(KeyState.LOADED)
        effects = taken_up(core, ACTIVE)
        sent = of(ef.SendBeat, effects)[0]
        sent_at = core.now
        assert sent.beat.phase is Phase.ACTIVE
        effects = core.feed(ev.BeatAnswered(20, sent.beat.sequence, sent_at, OK), after=0.5)
        assert of(ef.GrantGuard, effects) == [ef.GrantGuard(20, sent_at + 7.0)]

    def test_a_first_beat_that_is_refused_drops_the_key(self) -> None:
        core = back(KeyState.LOADED)
        taken_up(core, ACTIVE)
        effects = core.feed(ev.BeatAnswered(20, 100, core.now, REFUSED))
        assert of(ef.DropGuard, effects)[0].urgent
        assert core.hold.stage is Stage.LOST

    def test_a_beat_that_was_still_loading_is_followed_by_active_ones(self) -> None:
        core = back(KeyState.LOADED)
        own = beat(20, 4, "a", Phase.WAITING, inherits=beat(10, 5))
        sent = of(ef.SendBeat, taken_up(core, own))[0]
        assert (sent.beat.phase, sent.beat.inherits) == (Phase.ACTIVE, None)

    @pytest.mark.parametrize(
        ("before", "after"), [("wide", "fast"), ("wide", "default"), ("default", "fast")]
    )
    def test_a_shorter_profile_does_not_shorten_the_promise_of_an_old_grant(
        self, before: str, after: str
    ) -> None:
        """The guard may hold the key until the old profile's deadline, whatever the new agent grants."""
        old = PROFILES[before]
        core = back(KeyState.LOADED, after)
        effects = taken_up(core, beat(20, 99, "a", gone_within_s=old.gone_within_s))
        promised = [sent.beat.gone_within_s for sent in of(ef.SendBeat, effects)]
        # The old agent's last grant was for a beat that it sent a moment before this one.
        assert promised == [old.gone_within_s]

    def test_sequences_of_before_the_restart_are_not_used_again(self) -> None:
        """The killed agent may have sent further beats, which can still arrive: (term, sequence) names one.
        Consul does not even give a second write of the same content an index of its own."""
        sent = of(ef.SendBeat, taken_up(back(KeyState.LOADED), ACTIVE))[0]
        assert sent.beat.sequence > ACTIVE.sequence + 20

    def test_neard_is_loaded_for_another_term(self) -> None:
        core = back(KeyState.LOADED, term=8)
        assert core.feed(OURS) == [ef.DropGuard(8, True, "the lock is held in term 20, not 8")]


class TestKeyNotLoaded:
    """The guard has no key in this term: whatever it was, this host starts from the beginning."""

    def test_in_any_case_it_waits_out_its_predecessor_again(self) -> None:
        core = back(KeyState.ABSENT)
        own = beat(20, 4, "a", Phase.WAITING, inherits=beat(10, 5))
        effects = taken_up(core, own)
        effects += core.answer_beats(effects) + core.wait(9.0)
        assert of(ef.ArmGuard, effects) == []

    def test_a_released_predecessor_needs_no_wait(self) -> None:
        core = back(KeyState.ABSENT)
        own = beat(20, 4, "a", Phase.WAITING, inherits=beat(10, 5, phase=Phase.RELEASED, handover_to="a"))
        effects = taken_up(core, own)
        effects += core.answer_beats(effects) + core.wait(1.0)
        # Going on in this term, or leaving it and taking the lock anew, are both fine.
        assert of(ef.ArmGuard, effects) or of(ef.AbandonSession, effects)

    def test_it_promises_no_less_than_it_did(self) -> None:
        core = back(KeyState.ABSENT)
        own = beat(20, 4, "a", Phase.WAITING, gone_within_s=15.0, inherits=beat(10, 5, gone_within_s=15.0))
        sent = of(ef.SendBeat, taken_up(core, own))
        assert all(one.beat.gone_within_s >= 15.0 for one in sent)

    def test_a_term_whose_last_write_may_still_arrive_is_not_armed_in(self) -> None:
        """The killed agent may have given the lock up: the write that does so can come late, and then
        another host arms at once, as it is told that it may. Unless the guard has retired the term."""
        core = back(KeyState.ABSENT, retired=0)
        own = beat(20, 4, "a", Phase.WAITING, inherits=beat(10, 5, phase=Phase.RELEASED, handover_to="a"))
        effects = taken_up(core, own)
        effects += core.answer_beats(effects) + core.wait(3.0)
        assert of(ef.ArmGuard, effects) == []

    def test_a_restored_backup_is_not_taken_for_a_term_of_our_own(self) -> None:
        """Consul was restored to when this host held term 20; term 30 of another was seen since."""
        core = back(KeyState.ABSENT)
        core.feed(ev.BeatSeen(stored(beat(30, 7, "b"), 3000)))
        effects = taken_up(core, ACTIVE)
        effects += core.answer_beats(effects) + core.wait(9.0)
        assert of(ef.ArmGuard, effects) == []


class TestUnclear:
    """What the guard says decides; as long as it says nothing, neither does the agent."""

    @pytest.mark.parametrize("key", [KeyState.LOADING, KeyState.DROPPING])
    def test_a_key_under_way_is_waited_for_and_then_the_lock_is_given_up(self, key: KeyState) -> None:
        core = back(key)
        assert core.feed(OURS) == []
        assert core.silence(2.9) == []
        assert of(ef.AbandonSession, core.silence(0.3)) == [
            ef.AbandonSession(SESSION, "it holds the lock, but no guard says whether neard has the key")
        ]
        assert core.state.session is None

    def test_no_guard_at_all(self) -> None:
        core = Core()
        core.feeds(ev.SessionReady(SESSION), OURS)
        assert of(ef.Acquire, core.wait(2.9)) == []
        assert of(ef.AbandonSession, core.wait(0.2))
        assert core.wait(10) == [], "a session that is given up is not given up again"

    def test_the_guard_is_lost_before_the_answer_comes(self) -> None:
        core = back(KeyState.LOADED)
        assert core.feed(OURS) == [ef.Acquire(SESSION)]
        core.feed(ev.GuardLost())
        effects = core.feed(ev.AcquireAnswered(core.now, OK, 20, stored(ACTIVE)))
        assert of(ef.ArmGuard, effects + core.wait(3.0)) == []

    def test_the_guard_drops_the_key_before_the_answer_comes(self) -> None:
        core = back(KeyState.LOADED)
        assert core.feed(OURS) == [ef.Acquire(SESSION)]
        core.say_guard(key=KeyState.DROPPING)
        effects = core.feed(ev.AcquireAnswered(core.now, OK, 20, stored(ACTIVE)))
        effects += core.wait(0.5)
        assert of(ef.ArmGuard, effects) == of(ef.Release, effects) == []
        assert core.role is not Role.ACTIVE


def test_the_answer_to_an_acquisition_was_lost() -> None:
    """The watch shows our own lock, the heartbeat is still the predecessor's: an acquisition like any."""
    core = Core().stand_by()
    core.feed(ev.LockSeen(LockView(None, None, 15)))
    core.feed(ev.AcquireAnswered(core.now, NO_PROOF))
    core.feed(OURS)
    assert of(ef.Acquire, core.tick(0.21)) == [ef.Acquire(SESSION)]
    core.state = replace(core.state, sightings=lived(core.state.sightings, beat(10, 5), core.now))
    core.feed(ev.AcquireAnswered(core.now, OK, 20, stored(beat(10, 5))))
    assert core.hold.stage is Stage.WAITING
    assert core.hold.wait.not_before == pytest.approx(core.now + 9.085)


def test_a_lock_whose_history_cannot_be_read_is_left_to_others() -> None:
    """It is taken in one step and read about in the next; where that fails for good, nobody could sign."""
    core = back(KeyState.ABSENT)
    effects = core.feed(OURS)
    tries = 0
    while not of(ef.AbandonSession, effects) and tries < 200:
        assert effects in ([], [ef.Acquire(SESSION)])
        if core.now > 1002:
            assert core.reason == "ready, but it holds the lock, and has not read yet what came before it"
        if effects:
            tries += 1
            core.feed(ev.AcquireAnswered(core.now, NO_PROOF, detail="no answer from Consul in time"))
        core.feeds(ev.GuardSeen(guard()), ev.NeardSeen(neard()), ev.MembersSeen((), KEY))
        effects = core.tick(0.25)
    (abandoned,) = of(ef.AbandonSession, effects)
    assert "cannot read what came before" in abandoned.reason
    assert tries > 10, "what passes is waited for"
    assert core.now < 1000 + 20


def test_a_lock_won_in_a_pause_of_our_own_does_not_lie_idle() -> None:
    """An attempt that was thought lost got through late, while this host leaves the lock to others."""
    core = Core().arm()
    core.say_guard(key=KeyState.ABSENT, neard=NeardPhase.DOWN)
    core.say_guard(key=KeyState.ABSENT, neard=NeardPhase.DOWN, retired=20)
    core.feed(ev.ReleaseAnswered(20, OK))
    assert core.state.hold is None
    effects = core.feeds(
        ev.BeatSeen(stored(beat(20, 9, "a", Phase.RELEASED))),
        ev.GuardSeen(guard(term=20, retired=20)),
        ev.NeardSeen(neard()),
        ev.LockSeen(LockView(SESSION, "a", 30)),
    )
    effects += core.wait(1.0)
    assert of(ef.Acquire, effects) or of(ef.AbandonSession, effects)
