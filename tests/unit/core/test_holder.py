"""The holder of the lock: beats that prove it, the key loaded and dropped, and every way that it ends."""

from dataclasses import replace

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.state import Stage
from hafailover.core.views import KeyState, LockView, NeardPhase, Role

from .bench import KEY, SESSION, Core, beat, drops, guard, member, neard, of, own_word, stored

OK, REFUSED, NO_PROOF = ev.Outcome.OK, ev.Outcome.REFUSED, ev.Outcome.NO_PROOF
RELEASED = stored(beat(phase=Phase.RELEASED, handover_to="a"))


class TestBeats:
    def test_once_a_second_with_a_sequence_that_grows(self) -> None:
        core = Core().arm()
        first = core.hold.sequence
        sent = of(ef.SendBeat, core.wait(5.2))
        assert len(sent) in (4, 5)
        assert [one.beat.sequence for one in sent] == [first + 1 + number for number in range(len(sent))]
        assert {(one.session, one.beat.term, one.beat.phase) for one in sent} == {(SESSION, 20, Phase.ACTIVE)}
        assert {one.beat.gone_within_s for one in sent} == {8.5}

    def test_the_grant_runs_from_when_the_beat_was_sent(self) -> None:
        core = Core().arm()
        sent = of(ef.SendBeat, core.silence(1.1))[0]
        sent_at = core.now
        effects = core.feed(ev.BeatAnswered(20, sent.beat.sequence, sent_at, OK), after=0.9)
        assert of(ef.GrantGuard, effects) == [ef.GrantGuard(20, sent_at + 7.0)]

    def test_a_late_answer_does_not_take_a_later_proof_back(self) -> None:
        core = Core().arm()
        core.feed(ev.BeatAnswered(20, 4, core.now, OK))
        effects = core.feed(ev.BeatAnswered(20, 3, core.now - 3, OK))
        assert of(ef.GrantGuard, effects) == [ef.GrantGuard(20, core.now + 7.0)]

    def test_one_at_a_time(self) -> None:
        core = Core().arm()
        assert len(of(ef.SendBeat, core.wait(5.0, beats=None))) == 1

    def test_without_proof_it_tries_again_soon_and_grants_nothing(self) -> None:
        core = Core().arm()
        effects = core.wait(2.95, NO_PROOF)
        assert of(ef.GrantGuard, effects) == of(ef.DropGuard, effects) == []
        assert 8 <= len(of(ef.SendBeat, effects)) <= 10
        assert core.role is Role.ACTIVE

    def test_an_answer_for_another_term_is_not_ours(self) -> None:
        core = Core().arm()
        assert core.feed(ev.BeatAnswered(19, 99, core.now, REFUSED)) == []
        assert core.hold.stage is Stage.ARMED

    def test_a_holder_that_waits_passes_its_predecessor_on(self) -> None:
        core = Core().stand_by()
        last = beat(10, 5, gone_within_s=15.0, inherits=beat(9, 1, "c"))
        sent = of(ef.SendBeat, core.acquire(stored(last)))[0].beat
        assert (sent.phase, sent.gone_within_s) == (Phase.WAITING, 15.0)
        assert sent.inherits == beat(10, 5, gone_within_s=15.0), "one deep"

    def test_what_was_passed_on_is_passed_on_unchanged(self) -> None:
        core = Core().stand_by()
        inner = beat(9, 1, "c", gone_within_s=15.0)
        sent = of(ef.SendBeat, core.acquire(stored(beat(10, 5, phase=Phase.PASSED, inherits=inner))))[0]
        assert sent.beat.inherits == inner

    def test_the_height_in_a_beat_is_the_highest_known(self) -> None:
        core = Core().arm()
        core.feed(ev.NeardSeen(neard(777, KEY)))
        assert of(ef.SendBeat, core.wait(1.1))[0].beat.height == 777


class TestDefiniteLoss:
    """Consul says, by consensus, that the lock is not ours: the key goes at once, and is recorded gone."""

    def lost(self) -> Core:
        core = Core().arm()
        effects = core.feed(ev.BeatAnswered(20, 3, core.now, REFUSED, "the lock is not held by this session"))
        assert drops(effects) == [ef.DropGuard(20, True, "lock lost: the lock is not held by this session")]
        assert core.role is Role.DEMOTING
        assert core.reason == "term 20: lock lost: the lock is not held by this session"
        return core

    def test_recorded_only_after_the_guards_confirmation(self) -> None:
        core = self.lost()
        assert of(ef.RecordDropped, core.say_guard(key=KeyState.DROPPING, retired=20)) == []
        assert of(ef.RecordDropped, core.wait(1.0)) == []
        effects = core.say_guard(key=KeyState.ABSENT)
        assert of(ef.RecordDropped, effects) == [ef.RecordDropped(own_word(20, 100))]
        ended = of(ef.RecordTerm, effects)[0]
        assert (ended.term, ended.began) == (20, False)
        assert core.state.hold is None

    def test_the_end_has_the_height_of_the_keys_end_however_late_it_is_known(self) -> None:
        core = self.lost()
        core.say_guard(key=KeyState.ABSENT, term=20, height=103)
        core.feed(ev.NeardSeen(neard(140)))
        effects = core.say_guard(key=KeyState.ABSENT, term=20, height=140, retired=20)
        assert [record.height for record in of(ef.RecordTerm, effects)] == [103]

    def test_absent_is_not_enough_as_long_as_the_term_could_be_armed_again(self) -> None:
        core = self.lost()
        effects = core.say_guard(key=KeyState.ABSENT, retired=19)
        assert of(ef.RecordDropped, effects) == []
        assert of(ef.DropGuard, effects), "a guard that knows nothing of it is told again"
        assert of(ef.RecordDropped, core.say_guard(retired=20)) == [ef.RecordDropped(own_word(20, 100))]

    def test_a_dead_guard_and_neard_are_as_good_once_the_next_guard_says_so(self) -> None:
        core = self.lost()
        assert core.feed(ev.GuardLost()) == []
        assert of(ef.RecordDropped, core.feed(ev.HandGone()) + core.wait(1.0)) == []
        effects = core.feed(ev.GuardSeen(guard(neard=NeardPhase.BOOTING)))
        assert of(ef.DropGuard, effects), "a guard that has just started knows of no term"
        effects = core.feed(ev.GuardSeen(guard(neard=NeardPhase.BOOTING, retired=20)))
        assert of(ef.RecordDropped, effects) == [ef.RecordDropped(own_word(20, 100))]

    def test_a_record_without_a_word_would_be_worth_nothing(self) -> None:
        core = self.lost()
        core.vouches = False
        effects = core.say_guard(key=KeyState.ABSENT, retired=20)
        effects += core.wait(2.9)
        assert core.hold.stage is Stage.LOST, "it waits for its guard's word"
        effects += core.wait(0.3)
        assert core.state.hold is None
        assert of(ef.RecordDropped, effects) == []
        assert len(core.asked) < 20, "asked again, but not without a pause"

    def test_no_beats_any_more(self) -> None:
        assert of(ef.SendBeat, self.lost().wait(5.0)) == []

    def test_the_end_of_the_session_is_the_same(self) -> None:
        core = Core().arm()
        effects = core.feed(ev.SessionGone(SESSION))
        assert drops(effects) == [ef.DropGuard(20, True, "lock lost: Consul says that the session is gone")]
        assert core.state.session is None

    def test_a_loss_before_the_key_was_ever_loaded_is_not_recorded(self) -> None:
        """While this host waits, its predecessor may still sign: "gone" would be untrue of that one."""
        core = Core().stand_by().wait_on(stored(beat(10, 5)))
        core.feed(ev.BeatAnswered(20, 2, core.now, REFUSED))
        effects = core.say_guard(key=KeyState.ABSENT, retired=20)
        assert of(ef.RecordDropped, effects) == of(ef.RecordTerm, effects) == []
        assert core.state.hold is None

    def test_the_same_when_a_beat_is_refused_during_a_release(self) -> None:
        core = Core().arm()
        core.say_guard(key=KeyState.ABSENT, neard=NeardPhase.DOWN)
        core.say_guard(retired=20)
        assert core.hold.stage is Stage.RELEASING
        effects = core.feed(ev.ReleaseAnswered(20, REFUSED))
        assert core.state.hold is None, (
            "an earlier try got through, or somebody else has it: over in any case"
        )
        assert of(ef.RecordDropped, effects) == []


class TestFence:
    """No proof in time: the guard drops by itself; the lock may still be ours, and then it goes on."""

    def fenced(self) -> Core:
        core = Core().arm()
        core.wait(7.0, NO_PROOF)
        core.answer_beats(core.say_guard(key=KeyState.DROPPING), NO_PROOF)
        assert core.reason == "term 20: signing"
        core.answer_beats(core.say_guard(key=KeyState.ABSENT), NO_PROOF)
        assert core.role is Role.FENCED
        assert core.reason == "term 20: no proof of the lease in time, so the key was dropped"
        return core

    def test_it_stays_off_without_proof(self) -> None:
        assert of(ef.ArmGuard, self.fenced().wait(3.0, NO_PROOF)) == []

    def test_with_proof_it_arms_again_in_the_same_term(self) -> None:
        core = self.fenced()
        effects = core.wait(1.0)
        armed = of(ef.ArmGuard, effects)
        assert [one.term for one in armed] == [20]
        assert armed[0].deadline <= core.now + 7.0
        core.say_guard(key=KeyState.LOADED)
        assert core.role is Role.ACTIVE

    def test_an_old_proof_is_not_enough(self) -> None:
        core = self.fenced()
        core.feed(ev.BeatAnswered(20, 50, core.now - 6.1, OK))
        assert core.hold.stage is Stage.FENCED

    def test_its_beats_are_an_actives(self) -> None:
        sent = of(ef.SendBeat, self.fenced().wait(1.0, NO_PROOF))
        assert {one.beat.phase for one in sent} == {Phase.ACTIVE}

    def test_proof_without_a_fit_neard_gives_the_lock_to_others(self) -> None:
        core = self.fenced()
        core.feed(ev.NeardSeen(neard(syncing=True)))
        effects = core.wait(4.0)
        assert of(ef.DropGuard, effects)[0].reason == "fenced, and not fit to go on: neard is syncing"
        assert core.hold.final is Phase.RELEASED

    def test_a_report_from_before_the_load_is_no_fence(self) -> None:
        core = self.fenced()
        assert core.say_guard(key=KeyState.LOADED) == []
        assert core.role is Role.ACTIVE

    def test_a_refusal_ends_it(self) -> None:
        core = self.fenced()
        core.feed(ev.BeatAnswered(20, 50, core.now, REFUSED))
        assert of(ef.RecordDropped, core.say_guard(retired=20)) == [ef.RecordDropped(own_word(20, 100))]

    def test_a_proof_that_never_comes_back_gives_the_lock_to_others(self) -> None:
        """The session lives on, since it is renewed beside the beats, so nothing else would free the lock."""
        core = self.fenced()
        effects = core.wait(60.0, NO_PROOF)
        assert of(ef.AbandonSession, effects) or of(ef.Release, effects)


class TestLapse:
    """So long without proof that another may have armed: a later proof may come from a restored backup."""

    WAIT_S = 15.0 * 1.01 + 0.5

    def proved_again(self, after: float = 9.0) -> Core:
        core = TestFence().fenced()
        core.wait(after - 7.0, NO_PROOF)
        core.feed(ev.BeatAnswered(20, 50, core.now, OK))
        return core

    def test_it_arms_only_when_nobody_can_have_the_key(self) -> None:
        core = self.proved_again()
        assert of(ef.ArmGuard, core.wait(self.WAIT_S - 0.2)) == []
        assert core.reason.startswith("term 20: the lease is proved again; waiting")
        assert len(of(ef.ArmGuard, core.wait(0.4))) == 1

    def test_a_shorter_lapse_is_none(self) -> None:
        assert self.proved_again(after=8.0).hold.stage is Stage.ARMING

    def test_meanwhile_its_beats_promise_the_longest(self) -> None:
        core = self.proved_again()
        sent = of(ef.SendBeat, core.wait(2.0))
        assert {one.beat.gone_within_s for one in sent} == {15.0}

    def test_it_cannot_vouch_for_others_when_it_gives_way(self) -> None:
        core = self.proved_again()
        core.feed(ev.NeardSeen(neard(syncing=True)))
        effects = core.wait(4.0) + core.say_guard(retired=20)
        beats = [one.beat for one in of(ef.Release, effects)]
        assert [(one.phase, one.inherits) for one in beats] == [(Phase.PASSED, None)]

    def test_nor_when_it_loses_the_lock(self) -> None:
        core = self.proved_again()
        core.feed(ev.BeatAnswered(20, 51, core.now, REFUSED))
        assert of(ef.RecordDropped, core.say_guard(retired=20)) == []
        assert core.state.hold is None

    def test_one_that_has_not_armed_yet_waits_too(self) -> None:
        core = Core().stand_by()
        core.wait_on(stored(beat(10, 5)))
        core.wait(9.5, NO_PROOF)
        core.feed(ev.BeatAnswered(20, 50, core.now, OK))
        assert of(ef.ArmGuard, core.wait(self.WAIT_S - 0.2)) == []
        assert len(of(ef.ArmGuard, core.wait(0.5))) == 1


class TestGivingUpTheSession:
    """A lease without proof for very long: nothing but the session's end frees the lock for others."""

    def test_it_is_not_done_while_beats_succeed(self) -> None:
        assert of(ef.AbandonSession, Core().arm().wait(120.0)) == []

    def test_nor_during_a_leaders_loss(self) -> None:
        assert of(ef.AbandonSession, Core().arm().wait(30.0, NO_PROOF)) == []

    def test_a_session_that_was_opened_since_is_kept(self) -> None:
        """The lock went with the old session; what is left is a guard that does not confirm the drop."""
        core = Core().arm()
        core.feed(ev.SessionGone(SESSION))
        core.feed(ev.SessionReady("session-c"))
        effects = core.wait(120.0, NO_PROOF)
        assert ef.AbandonSession("session-c", "") not in [
            replace(one, reason="") for one in of(ef.AbandonSession, effects)
        ]
        assert core.state.session == "session-c"


class TestGivingWay:
    """In good order: first the key, then the lock."""

    def giving(self) -> Core:
        core = Core().arm()
        effects = core.say_guard(neard=NeardPhase.STOPPING)
        assert drops(effects) == [ef.DropGuard(20, False, "neard is being stopped")]
        assert core.reason == "term 20: neard is being stopped"
        return core

    def test_the_lock_is_not_released_before_the_key_is_gone(self) -> None:
        core = self.giving()
        core.say_guard(key=KeyState.DROPPING, retired=20)
        assert of(ef.Release, core.wait(5.0)) == []
        released = of(ef.Release, core.say_guard(key=KeyState.ABSENT))[0]
        assert released.session == SESSION
        assert (released.beat.phase, released.beat.cause) == (Phase.RELEASED, "neard is being stopped")
        assert (released.beat.term, released.beat.inherits) == (20, None)

    def test_an_absent_key_that_could_be_armed_again_is_not_gone(self) -> None:
        core = self.giving()
        assert of(ef.Release, core.say_guard(key=KeyState.ABSENT, retired=0)) == []
        assert of(ef.Release, core.say_guard(retired=20))

    def test_the_drop_is_asked_for_once_in_a_step(self) -> None:
        core = Core().arm()
        asked = of(ef.DropGuard, core.say_guard(neard=NeardPhase.STOPPING))
        assert len(asked) == 1

    def test_meanwhile_it_beats_as_the_active_and_is_granted_on(self) -> None:
        core = self.giving()
        effects = core.wait(1.5)
        assert {one.beat.phase for one in of(ef.SendBeat, effects)} == {Phase.ACTIVE}
        assert of(ef.GrantGuard, effects), "a neard that can only be stopped gets the time for it"

    def test_a_release_waits_for_the_beat_under_way(self) -> None:
        core = self.giving()
        sent = of(ef.SendBeat, core.wait(1.5, beats=None))[0]
        assert of(ef.Release, core.say_guard(key=KeyState.ABSENT, retired=20)) == []
        answer = ev.BeatAnswered(20, sent.beat.sequence, core.now, NO_PROOF)
        assert of(ef.Release, core.feed(answer) + core.wait(0.3))

    def test_a_release_whose_answer_is_lost_is_tried_until_one_comes(self) -> None:
        core = self.giving()
        first = of(ef.Release, core.say_guard(key=KeyState.ABSENT, retired=20))[0]
        core.feed(ev.ReleaseAnswered(20, NO_PROOF), after=1.0)
        assert of(ef.Release, core.tick(0.1)) == []
        second = of(ef.Release, core.tick(0.11))[0]
        assert second.beat.sequence == first.beat.sequence + 1
        core.feed(ev.ReleaseAnswered(20, REFUSED))
        assert core.state.hold is None
        assert core.state.ended_term == 20

    def test_afterwards_it_leaves_the_lock_to_others_for_a_while(self) -> None:
        core = self.giving()
        began = core.now
        core.say_guard(key=KeyState.ABSENT, retired=20, neard=NeardPhase.UP)
        core.feeds(ev.ReleaseAnswered(20, OK), ev.NeardSeen(neard()))
        core.feed(ev.LockSeen(LockView(None, "a", 40)))
        assert of(ef.Acquire, core.wait(began + 4.9 - core.now)) == []
        assert of(ef.Acquire, core.wait(0.2))

    def test_the_end_is_recorded(self) -> None:
        core = self.giving()
        core.say_guard(key=KeyState.ABSENT, retired=20)
        ended = of(ef.RecordTerm, core.feed(ev.ReleaseAnswered(20, OK)))[0]
        assert (ended.term, ended.began, ended.cause) == (20, False, "neard is being stopped")

    @pytest.mark.parametrize("phase", [NeardPhase.DOWN, NeardPhase.BOOTING])
    def test_a_neard_that_died(self, phase: NeardPhase) -> None:
        core = Core().arm()
        effects = core.say_guard(key=KeyState.ABSENT, neard=phase)
        assert drops(effects) == [ef.DropGuard(20, False, f"neard is {phase}")]

    def test_a_neard_whose_rpc_is_silent_gives_way_to_a_ready_standby(self) -> None:
        core = Core().arm()
        core.feed(ev.MembersSeen((member("b"),), KEY))
        effects = self._without_neard(core, 4.9)
        assert of(ef.DropGuard, effects) == []
        effects = self._without_neard(core, 0.3)
        assert of(ef.DropGuard, effects)[0].reason.startswith("neard's RPC has not answered for 5 s")

    def test_nor_does_one_that_was_never_heard_of_by_an_agent_that_has_restarted(self) -> None:
        core = Core().arm()
        core.state = replace(core.state, neard=None, neard_at=None)
        core.feed(ev.MembersSeen((member("b"),), KEY))
        assert of(ef.DropGuard, self._without_neard(core, 4.9)) == []
        drop = of(ef.DropGuard, self._without_neard(core, 0.5))[0]
        assert drop.reason == "neard's RPC does not answer"

    def test_but_not_to_nobody(self) -> None:
        core = Core().arm()
        assert of(ef.DropGuard, self._without_neard(core, 30)) == []
        assert core.reason.startswith("term 20: signing, but neard's RPC has not answered for 30 s")

    def test_a_neard_that_falls_behind_gives_way_after_a_while(self) -> None:
        core = Core().arm()
        core.feed(ev.MembersSeen((member("b", height=300),), KEY))
        assert of(ef.DropGuard, core.wait(9.9)) == []
        assert of(ef.DropGuard, core.wait(0.3))[0].reason == "neard is 200 blocks behind, more than 5"

    def test_a_neard_that_denies_having_the_key_gives_way(self) -> None:
        core = Core().arm()
        core.feed(ev.MembersSeen((member("b"),), KEY))
        core.wait(3.0)
        core.feed(ev.NeardSeen(neard(public_key=None)))
        effects = core.wait(10.2)
        assert of(ef.DropGuard, effects)[0].reason == "neard says that it does not hold the key"

    @staticmethod
    def _without_neard(core: Core, seconds: float) -> list[ef.Effect]:
        effects: list[ef.Effect] = []
        for _ in range(round(seconds / 0.1)):
            assert core.state.guard is not None
            more = core.feed(ev.GuardSeen(core.state.guard), after=0.1)
            effects += more + core.answer_beats(more)
        return effects
