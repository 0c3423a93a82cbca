"""From the end of the wait to the loaded key: every gate that holds it back, and every way that it fails."""

from dataclasses import replace

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase, StoredBeat
from hafailover.core.state import Stage
from hafailover.core.views import KeyState, LockView, NeardPhase, Role
from hafailover.core.words import Scope

from .bench import KEY, SESSION, Core, beat, dropped, drops, guard, lived, member, neard, of, own_word, stored

OK, REFUSED, NO_PROOF = ev.Outcome.OK, ev.Outcome.REFUSED, ev.Outcome.NO_PROOF
HANDED = stored(beat(phase=Phase.RELEASED, handover_to="a", height=100))


def about_to_arm(predecessor: StoredBeat = HANDED) -> Core:
    """The wait is over and the first beat stands; what is missing is a look at neard."""
    core = Core().stand_by()
    effects = core.acquire(predecessor)
    assert of(ef.ArmGuard, effects + core.answer_beats(effects)) == []
    return core


def look(core: Core, after: float = 0.01, **view: object) -> list[ef.Effect]:
    return core.feed(ev.NeardSeen(neard(**view)), after)  # type: ignore[arg-type]


class TestGates:
    def test_with_all_open_it_arms(self) -> None:
        core = about_to_arm()
        assert core.reason == "term 20: neard was not looked at since the lock was acquired"
        assert of(ef.ArmGuard, look(core))
        assert core.hold.stage is Stage.ARMING

    def test_neards_head_must_have_what_the_predecessor_had(self) -> None:
        core = about_to_arm(stored(beat(phase=Phase.RELEASED, handover_to="a", height=101)))
        assert look(core, height=100) == []
        assert core.reason == "term 20: head 100 is below 101, which the predecessor had"
        assert of(ef.ArmGuard, look(core, height=101))

    def test_after_a_whole_wait_the_height_no_longer_matters(self) -> None:
        """The chain may have stood still: this pool may be what everybody waits for."""
        core = Core().stand_by().wait_on(stored(beat(10, 5, height=103)))
        core.wait(9.0)
        assert core.reason.startswith("term 20: waiting, since the key of b (term 10)")
        assert of(ef.ArmGuard, core.wait(0.2))

    def test_the_last_block_of_a_neard_that_died_gets_time_to_arrive(self) -> None:
        core = about_to_arm(stored(beat(phase=Phase.RELEASED)))
        assert look(core, after=0.1) == []
        assert core.reason == "term 20: the predecessor's last block may still be under way"
        assert of(ef.ArmGuard, look(core, after=0.15))

    def test_the_last_block_of_one_that_lost_its_lock_gets_time_to_arrive(self) -> None:
        """Its last beat is up to a second older than its last block, so the height in it proves nothing."""
        core = Core().stand_by()
        core.feed(ev.BeatSeen(stored(beat(10, 5))))
        core.wait_on(stored(beat(10, 5)))
        core.wait(1.0)
        effects = core.feed(ev.DroppedSeen(dropped(10))) + look(core, after=0.05)
        assert of(ef.ArmGuard, effects) == []
        assert of(ef.ArmGuard, look(core, after=0.3))

    def test_the_key_must_be_absent(self) -> None:
        core = Core().stand_by()
        effects = core.feed(ev.LockSeen(LockView(None, None, 15)))
        core.feed(ev.GuardSeen(guard(KeyState.DROPPING, term=8)))
        core.state = replace(core.state, sightings=lived(core.state.sightings, HANDED.beat, core.now))
        effects = core.feed(ev.AcquireAnswered(core.now, OK, 20, HANDED), after=0.005)
        core.answer_beats(effects)
        assert of(ef.ArmGuard, look(core)) == []
        assert core.reason == "term 20: the key is dropping, not absent"
        assert of(ef.ArmGuard, core.feed(ev.GuardSeen(guard(term=8))))

    def test_a_proof_that_runs_out_is_not_armed_on(self) -> None:
        core = about_to_arm()
        core.wait(6.1, NO_PROOF)
        assert core.hold.stage is not Stage.ARMING

    def test_the_first_grant_runs_from_the_first_proof(self) -> None:
        core = about_to_arm()
        proven = core.hold.proven_at
        assert proven is not None
        assert of(ef.ArmGuard, look(core, after=0.5)) == [ef.ArmGuard(20, proven + 7.0, "", core.hold.good)]


class TestWitness:
    """The chain itself: a new block of the pool after its key must be gone was signed by somebody else."""

    def waited(self) -> Core:
        core = Core().stand_by().wait_on(stored(beat(10, 5)))
        core.wait(8.0)
        return core

    def test_a_block_while_the_predecessor_may_still_sign_is_no_alarm(self) -> None:
        core = self.waited()
        core.feed(ev.OwnBlockSeen(101))
        assert of(ef.ArmGuard, core.wait(1.2))

    def test_a_block_after_that_is(self) -> None:
        core = self.waited()
        core.wait(0.95)
        core.feed(ev.OwnBlockSeen(101))
        assert of(ef.ArmGuard, core.wait(2.0)) == []
        assert core.reason == "term 20: the chain shows a new block of the pool: somebody else still signs"
        core.wait(3.0)
        passed = of(ef.Release, core.say_guard(retired=20))[0].beat
        assert passed.phase is Phase.PASSED
        assert passed.cause.startswith("given up before arming: the chain shows a new block of the pool")

    def test_a_signers_own_blocks_are_no_alarm(self) -> None:
        core = Core().arm()
        core.feed(ev.OwnBlockSeen(101))
        assert core.wait(5.0)
        assert core.role is Role.ACTIVE


class TestPatience:
    """A lock that this host cannot use goes to others, and what it knows of its predecessor with it."""

    def test_three_seconds_then_it_passes_the_lock_on(self) -> None:
        core = Core().stand_by().wait_on(stored(beat(10, 5, gone_within_s=15.0)))
        core.feed(ev.NeardSeen(neard(syncing=True)))
        assert drops(core.wait(2.9)) == []
        effects = core.wait(0.2)
        assert drops(effects) == [ef.DropGuard(20, False, "given up before arming: neard is syncing")]
        assert of(ef.Release, effects) == [], "the guard must have promised never to arm in this term"
        released = of(ef.Release, core.answered(core.say_guard(retired=20)))[0].beat
        assert (released.phase, released.inherits) == (Phase.PASSED, beat(10, 5, gone_within_s=15.0))
        assert released.cause == "given up before arming: neard is syncing"
        core.feed(ev.ReleaseAnswered(20, OK))
        assert core.state.hold is None

    def test_trouble_that_ends_in_time_is_forgotten(self) -> None:
        core = Core().stand_by().wait_on(stored(beat(10, 5)))
        for _ in range(3):
            core.feed(ev.NeardSeen(neard(syncing=True)))
            assert of(ef.Release, core.wait(2.0)) == []
            core.feed(ev.NeardSeen(neard()))
            assert of(ef.Release, core.wait(0.1)) == []

    def test_afterwards_others_come_first(self) -> None:
        core = Core().stand_by().wait_on(stored(beat(10, 5)))
        core.feed(ev.NeardSeen(neard(syncing=True)))
        core.wait(3.2)
        core.say_guard(retired=20)
        core.wait(0.5)
        core.feeds(ev.ReleaseAnswered(20, OK), ev.NeardSeen(neard()), ev.LockSeen(LockView(None, "a", 30)))
        assert of(ef.Acquire, core.wait(4.0)) == []
        assert of(ef.Acquire, core.wait(1.5))

    def test_what_is_passed_on_of_a_restored_backup_is_unknown(self) -> None:
        """The heartbeat was written again by a backup; who held a later term may still sign."""
        core = Core().stand_by()
        core.feed(ev.BeatSeen(stored(beat(30, 7, "c"), 3000)))
        effects = core.acquire(stored(beat(10, 5, phase=Phase.RELEASED)), term=40)
        core.answer_beats(effects)
        assert of(ef.SendBeat, effects)[0].beat.inherits is None
        core.feed(ev.NeardSeen(neard(syncing=True)))
        core.wait(3.2)
        core.say_guard(retired=40)
        assert all(one.beat.inherits is None for one in of(ef.Release, core.wait(1.0)))
        assert core.hold.predecessor is None


class TestDroppedMeanwhile:
    """The predecessor notices its loss and records that its key is gone: nothing is left to wait for."""

    def test_the_wait_ends(self) -> None:
        core = Core().stand_by().wait_on(stored(beat(10, 5)))
        core.wait(1.0)
        effects = core.feed(ev.DroppedSeen(dropped(10)))
        assert core.hold.wait.reason == "b confirmed that its key of term 10 is gone"
        assert of(ef.ArmGuard, effects + core.wait(0.6))

    def test_it_ends_for_one_that_was_passed_on_too(self) -> None:
        passed = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c"))
        core = Core().stand_by().wait_on(stored(passed))
        effects = core.feed(ev.DroppedSeen(dropped(9, node="c")))
        assert of(ef.ArmGuard, effects + core.wait(1.0))

    @pytest.mark.parametrize("terms", [(9, 11), ()])
    def test_the_drop_of_another_term_says_nothing(self, terms: tuple[int, ...]) -> None:
        core = Core().stand_by().wait_on(stored(beat(10, 5)))
        core.feed(ev.DroppedSeen(dropped(*terms)))
        assert of(ef.ArmGuard, core.wait(5.0)) == []

    def test_the_drop_of_one_who_only_passed_it_on_says_nothing(self) -> None:
        passed = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c"))
        core = Core().stand_by()
        core.scope = Scope.NODE
        core.wait_on(stored(passed))
        effects = core.feed(ev.DroppedSeen(dropped(10)))
        assert of(ef.ArmGuard, effects + core.wait(5.0)) == []

    def test_a_restored_backup_with_its_old_records_says_nothing(self) -> None:
        core = Core().stand_by()
        core.feed(ev.BeatSeen(stored(beat(30, 7, "c"), 3000)))
        core.wait_on(stored(beat(10, 5)), term=40)
        assert core.hold.wait.reason == "the heartbeat is of term 10, but term 30 was seen before"
        effects = core.feed(ev.DroppedSeen(dropped(10)))
        assert of(ef.ArmGuard, effects + core.wait(5.0)) == []


class TestLoading:
    def loading(self) -> Core:
        core = about_to_arm()
        assert of(ef.ArmGuard, look(core))
        return core

    def test_the_loaded_key_makes_it_active(self) -> None:
        core = self.loading()
        core.say_guard(key=KeyState.LOADING, term=20)
        assert core.reason == "term 20: loading the key"
        effects = core.say_guard(key=KeyState.LOADED)
        record = of(ef.RecordTerm, effects)[0]
        assert (record.term, record.began, record.from_node) == (20, True, "b")
        assert record.cause == "term 10 was released by b"
        assert ef.WatchClosely(False) in effects
        assert of(ef.SendBeat, core.wait(0.1) + effects)[0].beat.phase is Phase.ACTIVE
        assert (core.role, core.reason) == (Role.ACTIVE, "term 20: signing")

    def test_a_key_loaded_for_another_term_does_not(self) -> None:
        core = self.loading()
        core.say_guard(key=KeyState.LOADED, term=8)
        assert core.hold.stage is Stage.ARMING

    def test_while_it_loads_it_beats_as_one_that_waits_and_is_granted_on(self) -> None:
        core = self.loading()
        effects = core.wait(1.2)
        assert {one.beat.phase for one in of(ef.SendBeat, effects)} == {Phase.WAITING}
        assert of(ef.GrantGuard, effects)

    def test_refused_by_the_guard(self) -> None:
        core = self.loading()
        effects = core.say_guard(refused_term=20, problem="neard would refuse the reload")
        cause = "the guard did not load the key: neard would refuse the reload"
        assert drops(effects) == [ef.DropGuard(20, False, cause)]
        assert core.reason == f"term 20: {cause}"

    def test_not_loaded_in_time(self) -> None:
        core = self.loading()
        assert drops(core.wait(4.0)) == []
        assert drops(core.wait(0.2)) == [ef.DropGuard(20, False, "the key was not loaded within 4 s")]

    @pytest.mark.parametrize("died", [ev.HandGone(), ev.GuardSeen(guard(neard=NeardPhase.DOWN))])
    def test_neard_dies_meanwhile(self, died: ev.Event) -> None:
        core = self.loading()
        if isinstance(died, ev.HandGone):
            core.feed(ev.GuardLost())
        effects = core.feed(died)
        assert drops(effects) == [ef.DropGuard(20, False, "neard died while the key was being loaded")]

    def test_what_comes_of_it_is_released_only_after_the_drop(self) -> None:
        core = self.loading()
        core.wait(4.2)
        assert of(ef.Release, core.wait(3.0)) == []
        released = of(ef.Release, core.say_guard(key=KeyState.ABSENT, retired=20))
        assert released[0].beat.phase is Phase.RELEASED

    def test_the_lock_is_lost_meanwhile(self) -> None:
        core = self.loading()
        effects = core.feed(ev.BeatAnswered(20, 2, core.now, REFUSED))
        assert drops(effects)[0].urgent
        assert of(ef.RecordDropped, core.say_guard(retired=20)) == [ef.RecordDropped(own_word(20, 100))]


def test_it_never_arms_without_a_session_of_its_own() -> None:
    core = Core().stand_by()
    core.feed(ev.MembersSeen((member("b"),), KEY))
    assert of(ef.ArmGuard, core.wait(60)) == []
    core.feed(ev.SessionGone(SESSION))
    core.feed(ev.LockSeen(LockView(None, None, 15)))
    assert of(ef.ArmGuard, core.wait(60)) == []
