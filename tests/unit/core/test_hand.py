"""The guard as seen by its agent: silence, death, and what may be concluded from either."""

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.views import KeyState, NeardPhase, Role

from .bench import Core, beat, drops, guard, neard, of, own_word, stored

OK, REFUSED, NO_PROOF = ev.Outcome.OK, ev.Outcome.REFUSED, ev.Outcome.NO_PROOF


def with_beats(core: Core, seconds: float, outcome: ev.Outcome = OK) -> list[ef.Effect]:
    """Consul answers, the guard says nothing."""
    effects: list[ef.Effect] = []
    for _ in range(round(seconds / 0.05)):
        more = core.tick(0.05)
        effects += more + core.answer_beats(more, outcome)
    return effects


class TestSilence:
    def test_a_guard_that_is_silent_for_three_seconds_is_killed_once(self) -> None:
        core = Core().arm()
        assert of(ef.KillHand, with_beats(core, 2.9)) == []
        assert of(ef.KillHand, with_beats(core, 5.0)) == [ef.KillHand("the guard has been silent for 3 s")]

    def test_one_that_answers_is_not(self) -> None:
        assert of(ef.KillHand, Core().arm().wait(30)) == []

    def test_nor_where_there_is_no_key(self) -> None:
        core = Core().stand_by().wait_on(stored(beat(10, 5)))
        assert of(ef.KillHand, with_beats(core, 3.5)) == []

    def test_a_connection_that_broke_is_silence_too(self) -> None:
        core = Core().arm()
        core.feed(ev.GuardLost())
        assert core.role is Role.ACTIVE
        assert of(ef.KillHand, with_beats(core, 2.9)) == []
        assert of(ef.KillHand, with_beats(core, 0.2))

    def test_a_stall_of_the_agent_is_not_the_guards_silence(self) -> None:
        core = Core().arm()
        effects = core.tick(5.0)
        assert core.state.guard is not None
        effects += core.feed(ev.GuardSeen(core.state.guard), after=0.01)
        assert of(ef.KillHand, effects + with_beats(core, 2.0)) == []

    def test_but_the_silence_from_before_it_counts(self) -> None:
        core = Core().arm()
        with_beats(core, 2.5)
        core.tick(20.0)
        assert of(ef.KillHand, with_beats(core, 1.2))

    def test_a_drop_that_is_due_and_not_confirmed(self) -> None:
        core = Core().arm()
        proven = core.hold.proven_at
        assert proven is not None
        effects = core.wait(7.85 - (core.now - proven), NO_PROOF)
        assert of(ef.KillHand, effects) == []
        assert of(ef.KillHand, core.wait(0.2, NO_PROOF)) == [
            ef.KillHand("the guard has not confirmed the drop that was due")
        ]

    def test_a_drop_after_a_loss_that_is_not_confirmed_is_killed_at_its_deadline(self) -> None:
        core = Core().arm()
        core.feed(ev.BeatAnswered(20, 3, core.now, REFUSED))
        assert of(ef.KillHand, core.wait(8.2))

    def test_a_confirmed_drop_is_left_alone(self) -> None:
        core = Core().arm()
        core.wait(7.0, NO_PROOF)
        core.say_guard(key=KeyState.ABSENT)
        assert of(ef.KillHand, core.wait(20.0, NO_PROOF)) == []


class TestSilenceWithoutTheLock:
    """An agent that restarts while Consul is out of reach holds nothing; its guard may have the key."""

    @pytest.mark.parametrize("key", [KeyState.LOADED, KeyState.LOADING, KeyState.DROPPING])
    def test_a_silent_guard_that_has_the_key_is_killed(self, key: KeyState) -> None:
        core = Core()
        core.feeds(ev.GuardSeen(guard(key, term=20)), ev.NeardSeen(neard()))
        assert of(ef.KillHand, core.silence(2.9)) == []
        assert of(ef.KillHand, core.silence(3.0)) == [ef.KillHand("the guard has been silent for 3 s")]

    def test_one_that_answers_is_not(self) -> None:
        core = Core()
        core.feeds(ev.GuardSeen(guard(KeyState.LOADED, term=20)), ev.NeardSeen(neard()))
        assert of(ef.KillHand, core.wait(10.0)) == []

    def test_nor_one_without_the_key(self) -> None:
        core = Core()
        core.feeds(ev.GuardSeen(guard()), ev.NeardSeen(neard()))
        assert of(ef.KillHand, core.silence(10.0)) == []


class TestDeath:
    def test_guard_and_neard_died_so_the_lock_is_released(self) -> None:
        core = Core().arm()
        core.feed(ev.GuardLost())
        effects = core.feed(ev.HandGone())
        # Nobody can sign before the next guard is up, and a word of that one spares the successor its wait.
        assert of(ef.Release, effects + core.wait(1.0)) == []
        core.feed(ev.GuardSeen(guard(neard=NeardPhase.BOOTING)))
        effects = core.feed(ev.GuardSeen(guard(neard=NeardPhase.BOOTING, retired=20)))
        released = of(ef.Release, effects + core.wait(0.5))[0].beat
        assert (released.phase, released.cause) == (Phase.RELEASED, "the guard and its neard died")
        assert released.word == own_word(20, 100).word

    def test_a_guard_that_does_not_come_back_is_not_waited_for_long(self) -> None:
        core = Core().arm()
        core.feed(ev.GuardLost())
        effects = core.feed(ev.HandGone())
        assert of(ef.Release, effects + core.wait(2.9)) == []
        released = of(ef.Release, core.wait(0.5))[0].beat
        assert (released.phase, released.word) == (Phase.RELEASED, "")

    def test_a_lost_connection_alone_is_no_death(self) -> None:
        core = Core().arm()
        core.feed(ev.GuardLost())
        assert of(ef.Release, with_beats(core, 30.0)) == []

    def test_news_of_a_death_that_comes_after_the_next_guard_is_no_proof(self) -> None:
        """The next guard may have been told to arm already."""
        core = Core().arm()
        core.feed(ev.GuardLost())
        core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=20)))
        assert of(ef.Release, core.feed(ev.HandGone()) + core.wait(0.5)) == []

    def test_a_guard_that_comes_back_without_the_key_gives_way(self) -> None:
        core = Core().arm()
        core.feed(ev.GuardLost())
        effects = core.feed(ev.GuardSeen(guard(neard=NeardPhase.BOOTING)), after=1.0)
        assert drops(effects)[0].reason == "neard is booting"
        assert of(ef.Release, effects) == [], "the new guard does not know that the term is over"
        assert of(ef.Release, core.answer_beats(effects)) == []
        assert of(ef.Release, core.say_guard(retired=20))

    def test_a_drop_that_the_guard_never_got_is_asked_for_again(self) -> None:
        core = Core().arm()
        core.feed(ev.GuardLost())
        core.feed(ev.BeatAnswered(20, 3, core.now, REFUSED))
        effects = core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=20)), after=0.5)
        assert drops(effects)[0].urgent

    def test_neards_news_of_before_are_void(self) -> None:
        core = Core().stand_by()
        core.feed(ev.GuardLost())
        assert core.state.neard is None
        core.feed(ev.NeardSeen(neard()))
        core.feed(ev.GuardSeen(guard(neard=NeardPhase.BOOTING)))
        assert core.state.neard is None

    def test_a_hand_that_does_not_come_back_frees_the_lock(self) -> None:
        """It cannot be killed by this agent's user, say. Its grant has run out long ago by its own clock;
        the session lives on, since it is renewed beside the beats, so nothing else would free the lock."""
        core = Core().arm()
        core.feed(ev.GuardLost())
        effects = with_beats(core, 60.0)
        assert of(ef.AbandonSession, effects) or of(ef.Release, effects)
