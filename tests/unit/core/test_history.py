"""Consul's history: when all of it is lost, its index begins anew, and nothing known holds any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase, StoredBeat
from hafailover.core.sightings import Sightings
from hafailover.core.views import KeyState, LockView
from hafailover.core.words import Vouches

from .bench import KEY, SESSION, Core, beat, dropped, guard, lived, neard, of, stored

OLD, NEW = "a" * 32, "b" * 32
OK = ev.Outcome.OK
LONGEST_WAIT_S = 15.0 * 1.01 + 0.5


def standby(history: str = OLD, **more: object) -> Core:
    core = Core(**more)  # type: ignore[arg-type]
    core.feed(ev.HistorySeen(history, certain=True))
    return core.stand_by()


def beat_of(history: str, term: int = 798, **more: object) -> ev.BeatSeen:
    return ev.BeatSeen(stored(beat(term, history=history, **more), term + 5))  # type: ignore[arg-type]


def take(core: Core, term: int, history: str, predecessor: object = None) -> list[ef.Effect]:
    core.feed(ev.LockSeen(LockView(None, None, term - 1)), after=0.1)
    core.wait(1.2)
    assert core.state.acquiring
    if isinstance(predecessor, StoredBeat):
        seen = lived(core.state.sightings, predecessor.beat, core.now)
        core.state = replace(core.state, sightings=seen)
    answer = ev.AcquireAnswered(core.now, OK, term, predecessor, history=history)  # type: ignore[arg-type]
    return core.feed(answer, after=0.005)


def was_active(history: str = OLD, term: int = 798) -> Core:
    """A host that was the active, lost Consul and all that it knew, and has a session with the new one."""
    core = standby(history)
    core.answer_beats(take(core, term, history, stored(beat(700, 3, "b", history=history), 790)))
    core.wait(9.2)
    core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=term, history=history)), after=0.05)
    core.feed(ev.NeardSeen(neard(public_key=KEY)))
    assert core.reason == f"term {term}: signing"
    core.feed(ev.SessionGone(SESSION))
    core.feed(ev.GuardSeen(guard(term=term, retired=term, history=history)))
    core.wait(0.3)
    assert core.state.hold is None
    assert core.state.ended_term == term
    core.wait(5.0)
    return core


def test_a_lower_term_of_another_history_is_no_term_that_is_over() -> None:
    core = was_active()
    core.feeds(ev.HistorySeen(NEW, certain=True), ev.SessionReady(SESSION), ev.NeardSeen(neard()))
    began = core.now
    effects = take(core, 30, NEW)
    assert of(ef.AbandonSession, effects) == []
    assert core.hold.term == 30
    assert core.hold.wait.not_before >= began + LONGEST_WAIT_S
    core.answer_beats(effects)
    effects = core.wait(17.0)
    assert of(ef.SendBeat, effects)[-1].beat.history == NEW
    assert [arm.history for arm in of(ef.ArmGuard, effects)] == [NEW]


def test_everything_known_is_void_and_the_longest_wait_begins() -> None:
    core = standby()
    core.feeds(beat_of(OLD), ev.DroppedSeen(dropped(798)))
    core._answer(ef.Vouch(700, OLD, 5, None))
    assert core.state.vouches != Vouches()
    core.wait(3.0)
    core.feed(ev.HistorySeen(NEW, certain=True))
    state = core.state
    assert (state.history, state.past_histories) == (NEW, (OLD,))
    assert state.sightings == Sightings()
    assert (state.dropped, state.vouches, state.ended_term) == (frozenset(), Vouches(), 0)
    assert state.heartbeat is None
    assert state.watching_since == core.now


def test_what_belongs_to_the_history_that_is_over_is_not_taken_for_new() -> None:
    core = standby()
    core.feed(ev.HistorySeen(NEW, certain=True))
    core.feed(beat_of(OLD))
    assert core.state.heartbeat is None
    assert core.state.sightings.highest_term == 0
    core.wait(20)
    core.answer_beats(take(core, 30, NEW, stored(beat(20, 6, phase=Phase.RELEASED, history=OLD), 25)))
    assert core.hold.wait.not_before > core.now + 15.0
    assert "another history of Consul" in core.reason
    assert core.hold.predecessor is None


def test_a_watch_that_lags_does_not_bring_the_old_one_back() -> None:
    core = standby()
    core.feeds(ev.HistorySeen(NEW, certain=True), ev.HistorySeen(OLD), ev.HistorySeen(""))
    assert core.state.history == NEW
    core.feed(ev.HistorySeen(NEW))
    assert core.state.past_histories == (OLD,)


def test_a_watch_may_bring_a_newer_one_first() -> None:
    """Another host has renewed it, and this one's session lives on."""
    core = standby()
    core.feed(ev.HistorySeen(NEW))
    assert core.state.history == NEW


def test_what_an_agent_saw_before_it_knew_the_history_counts_if_it_is_of_that_one() -> None:
    for history, highest in ((NEW, 798), (OLD, 0)):
        core = Core(watched_s=None)
        core.feed(beat_of(history))
        core.feed(ev.HistorySeen(NEW, certain=True))
        assert core.state.sightings.highest_term == highest


def test_a_drop_in_a_history_that_is_over_is_not_recorded() -> None:
    core = standby()
    core.answer_beats(take(core, 798, OLD, stored(beat(700, 3, "b", history=OLD), 790)))
    core.wait(9.2)
    core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=798, history=OLD)), after=0.05)
    core.feed(ev.HistorySeen(NEW))
    core.feed(ev.SessionGone(SESSION))
    effects = core.feed(ev.GuardSeen(guard(term=798, retired=798, history=OLD)))
    assert of(ef.RecordDropped, effects) == []
    assert core.state.hold is None
    assert core.state.ended_term == 0, "the term was of the history before"


class TestIndexGoesBack:
    """A backup was restored into a cluster made anew: the same id, and terms that are over."""

    def renewed(self, core: Core, effects: list[ef.Effect], term: int) -> None:
        assert of(ef.RenewHistory, effects) == [ef.RenewHistory(OLD)]
        (abandoned,) = of(ef.AbandonSession, effects)
        assert f"gone back to {term}" in abandoned.reason
        assert core.state.hold is None

    def test_below_a_term_of_its_own_that_is_over(self) -> None:
        core = was_active()
        core.feeds(ev.SessionReady(SESSION), ev.NeardSeen(neard()))
        self.renewed(core, take(core, 30, OLD), 30)

    def test_below_a_term_that_was_seen(self) -> None:
        core = standby()
        core.feed(beat_of(OLD))
        self.renewed(core, take(core, 30, OLD), 30)

    def test_below_a_term_that_its_guard_has_retired(self) -> None:
        core = standby()
        core.feed(ev.GuardSeen(guard(retired=500, history=OLD)))
        self.renewed(core, take(core, 30, OLD), 30)

    @pytest.mark.parametrize("history", [NEW, ""])
    def test_but_not_below_one_that_it_retired_in_another_history(self, history: str) -> None:
        core = standby()
        core.feed(ev.GuardSeen(guard(retired=500, history=history)))
        effects = take(core, 30, OLD)
        assert of(ef.RenewHistory, effects) == []
        assert core.hold.term == 30

    def test_an_id_that_is_over_stands_there_again(self) -> None:
        core = standby()
        core.feed(ev.HistorySeen(NEW, certain=True))
        self.renewed(core, take(core, 900, OLD), 900)

    def test_with_the_fresh_id_it_signs_after_the_longest_wait(self) -> None:
        core = was_active()
        core.feeds(ev.SessionReady(SESSION), ev.NeardSeen(neard()))
        take(core, 30, OLD)
        core.feeds(ev.HistorySeen(NEW, certain=True), ev.SessionReady(SESSION))
        core.wait(6.0)
        core.answer_beats(take(core, 35, NEW))
        assert of(ef.ArmGuard, core.wait(17.0))

    def test_a_made_up_term_is_exceeded_by_the_next_real_one(self) -> None:
        """A heartbeat's term is at most its own index, so nobody can lock the pool out of its history."""
        core = standby()
        core.feed(ev.BeatSeen(stored(beat(900, 1, "x", history=OLD), 900)))
        effects = take(core, 905, OLD, stored(beat(800, 9, history=OLD), 902))
        assert of(ef.RenewHistory, effects) == []
        assert core.hold.term == 905
