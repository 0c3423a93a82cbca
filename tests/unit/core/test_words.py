"""What lets a successor arm before the timed wait is over: a word that its own guard has found good."""

from __future__ import annotations

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Beat, Phase
from hafailover.core.views import KeyState, NeardPhase
from hafailover.core.words import Claim, Scope, Vouches

from .bench import Core, beat, dropped, neard, of, own_word, stored

RELEASED = beat(10, 6, phase=Phase.RELEASED, handover_to="a", height=100)


def takes_over(last: Beat, scope: Scope | None = Scope.ALL, records: frozenset[Claim] = frozenset()) -> Core:
    """A successor, with what its guard says of every word; it has seen the predecessor beat a moment ago."""
    core = Core().stand_by()
    core.scope = scope
    core.feed(ev.BeatSeen(stored(beat(10, 5, "b"), 900)))
    core.answer_beats(core.acquire(stored(last, 1000), dropped=records))
    core.feed(ev.NeardSeen(neard()), after=0.01)
    return core


def waits_s(core: Core) -> float:
    return core.hold.wait.not_before - core.now


def test_a_good_word_ends_the_wait_and_goes_to_the_guard_with_the_order_to_arm() -> None:
    core = Core().stand_by()
    effects = core.acquire(stored(RELEASED))
    effects += core.answer_beats(effects) + core.feed(ev.NeardSeen(neard()), after=0.01)
    claim = Claim(10, "", "b", 100, "a", RELEASED.word)
    assert core.asked == [ef.CheckWord(claim)]
    assert of(ef.ArmGuard, effects)[0].claims == (claim,)


@pytest.mark.parametrize("scope", [Scope.BAD, None])
def test_without_one_the_wait_is_as_long_as_for_a_host_that_died(scope: Scope | None) -> None:
    core = takes_over(RELEASED, scope)
    assert waits_s(core) > 8.9
    assert "carries a word that this host's guard has not found good" in core.reason
    arms = of(ef.ArmGuard, core.wait(10.0))
    assert len(arms) == 1
    assert arms[0].claims == ()


def test_a_release_without_a_word_is_not_even_asked_about() -> None:
    core = takes_over(beat(10, 6, phase=Phase.RELEASED, handover_to="a", word=""))
    assert core.asked == []
    assert waits_s(core) > 8.9


def test_an_answer_about_another_claim_counts_for_nothing() -> None:
    core = takes_over(RELEASED, scope=None)
    assert core.state.guard is not None
    core.scope = Scope.ALL
    core._answer(ef.CheckWord(Claim(10, "", "b", 100, "a", "0" * 64)))
    assert waits_s(core) > 8.9


def test_a_word_of_another_host_leaves_the_one_that_was_seen() -> None:
    """A compromised agent has its own guard say that its key is gone, and writes that it held the term."""
    core = takes_over(beat(10, 6, "c", Phase.RELEASED, handover_to="a"), Scope.NODE)
    assert waits_s(core) > 8.5
    assert "b (term 10) may have its key" in core.reason


def test_a_record_of_a_drop_is_asked_about_too() -> None:
    for scope, least, most in ((Scope.ALL, -1, 0), (Scope.NODE, -1, 0), (Scope.BAD, 8.9, 10)):
        core = takes_over(beat(10, 6, "b"), scope, dropped(10))
        assert least < waits_s(core) <= most, scope


@pytest.mark.parametrize("phase", [Phase.RELEASED, Phase.ACTIVE], ids=["a slow guard", "a later record"])
def test_a_word_counts_as_well_after_this_host_has_seen_its_own_beats(phase: Phase) -> None:
    """The watch shows them within a tenth of a second; a guard may be slower, and an ex-active's drop is."""
    core = takes_over(beat(10, 6, "b", phase), scope=None)
    core.feed(ev.BeatSeen(stored(beat(20, 1, "a", Phase.WAITING), 1010)), after=0.05)
    core.scope = Scope.NODE
    if phase is Phase.ACTIVE:
        core.feed(ev.DroppedSeen(dropped(10)), after=0.5)
    else:
        (asked,) = core.asked
        assert isinstance(asked, ef.CheckWord)
        core._answer(asked)
    assert waits_s(core) <= 0


def test_what_was_passed_on_needs_a_word_of_each() -> None:
    passed = beat(10, 6, "b", Phase.PASSED, inherits=beat(9, 4, "c", Phase.RELEASED))
    core = takes_over(passed, Scope.NODE)
    assert len(core.asked) == 2
    assert waits_s(core) <= 0
    core = takes_over(beat(10, 6, "b", Phase.PASSED, inherits=beat(9, 4, "c")), Scope.NODE)
    assert waits_s(core) > 8.9
    assert "the key of c (term 9)" in core.hold.wait.reason


def test_a_short_memory_is_not_made_longer_by_a_word() -> None:
    """What stands there may come from a backup: the word is true, and a later term forgotten."""
    core = Core(watched_s=5.0).stand_by()
    core.wait_on(stored(RELEASED))
    assert waits_s(core) > 9.0


def test_many_words_are_not_all_asked_about() -> None:
    records = frozenset(Claim(10, "", "b", 100, None, f"{number:064x}") for number in range(100))
    core = takes_over(beat(10, 6, "b"), Scope.BAD, records)
    assert len(core.asked) == 8
    core.wait(1.0)
    assert len(core.asked) == 8


def test_many_terms_that_somebody_writes_make_the_wait_longest() -> None:
    core = Core().stand_by()
    for number in range(210):
        core.feed(
            ev.BeatSeen(stored(beat(11 + number, 1, "c", gone_within_s=0.5), 1000 + number)), after=0.01
        )
    core.wait_on(stored(beat(300, 1, "c", Phase.RELEASED, gone_within_s=0.5), 2000), term=400)
    assert waits_s(core) > 14.0


class TestGiving:
    """The one before has its guard's word on its way out."""

    def test_the_release_carries_it_with_the_height_that_it_is_for(self) -> None:
        core = Core().arm()
        core.vouches = False
        core.say_guard(key=KeyState.ABSENT, neard=NeardPhase.DOWN, height=105)
        effects = core.say_guard(retired=20)
        assert of(ef.Release, effects + core.wait(0.3)) == [], "it waits for the word"
        core.vouches = True
        effects = core.wait(1.0)
        (released,) = of(ef.Release, effects)
        assert core.asked[-1] == ef.Vouch(20, "", 105, None)
        assert (released.beat.word, released.beat.height) == (own_word(20, 105).word, 105)

    def test_its_own_word_does_for_itself(self) -> None:
        core = Core().stand_by()
        assert core.state.guard is not None
        core._answer(ef.Vouch(10, "", 100, None))
        assert core.state.vouches == Vouches(nodes=(("a", 10),))
        core.wait_on(stored(beat(10, 6, "a")))
        assert waits_s(core) <= 0
        assert own_word(10, 100) == core.state.guard.word
