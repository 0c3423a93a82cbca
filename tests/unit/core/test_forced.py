"""Signing without a lease, by order: only where Consul is silent, and never a moment longer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core import foreign
from hafailover.core.decide import OUTAGE_S
from hafailover.core.forced import FORCE_AFTER_S
from hafailover.core.production import Grade
from hafailover.core.views import KeyState, LockView, NeardPhase, Orders, Role
from hafailover.core.work import Counts, Work
from hafailover.timing import LONGEST_GONE_WITHIN_S, PROFILES

from .bench import DEFAULT, Core, beat, drops, guard, neard, of, stored


def silent(seconds: float = FORCE_AFTER_S + 1, **config: Any) -> Core:
    """A standby whose Consul has been silent for so long."""
    core = Core(**config).stand_by()
    core.feed(ev.BeatSeen(stored(beat(10, 5))))
    core.feed(ev.ConsulAnswered())
    core.outage = True
    core.wait(seconds)
    core.feeds(ev.GuardSeen(guard()), ev.NeardSeen(neard(looked_at=core.now)))
    return core


def order(core: Core, silent_s: float = 0.0) -> list[ef.Effect]:
    return core.feed(ev.TakeoverOrdered("o1", "root@a", core.now - silent_s))


def forced(core: Core | None = None) -> Core:
    """It signs."""
    core = core or silent()
    arms = of(ef.ArmGuard, order(core))
    assert len(arms) == 1
    effects = core.say_guard(key=KeyState.LOADED, term=arms[0].term)
    assert of(ef.AnswerTakeover, effects)[0].signs
    assert core.role is Role.FORCED
    return core


def term_of(core: Core) -> int:
    assert core.state.forced is not None
    return core.state.forced.term


def refusal(core: Core, silent_s: float = 0.0) -> str:
    effects = order(core, silent_s)
    assert of(ef.ArmGuard, effects) == []
    assert core.state.forced is None
    answer = of(ef.AnswerTakeover, effects)[0]
    assert not answer.signs
    return str(answer.text)


def test_what_it_signs_is_held_against_what_is_due() -> None:
    core = forced()
    core.no_validator = False
    for second in range(12):
        core.wait(1)
        core.feed(ev.NeardSeen(neard(101 + second, looked_at=core.now)))
        due = Counts(second, 0, 2 * second)
        core.feed(ev.WorkSeen(Work(core.now, 1, True, Counts(0, 0, 0), due)))
    found = foreign.production(core.state, core.now)
    assert (core.role, found is not None and found.grade) == (Role.FORCED, Grade.DEAF)


def test_the_guards_deadline_counts_from_the_question_that_consul_did_not_answer() -> None:
    core = silent()
    arm = of(ef.ArmGuard, order(core, silent_s=1.5))[0]
    assert arm.deadline == pytest.approx(core.now - 1.5 + DEFAULT.fence_after_s)
    assert arm.term > 15
    core.say_guard(key=KeyState.LOADED, term=arm.term)
    core.now += 2.0
    grant = of(ef.GrantGuard, core.feed(ev.ConsulSilent(core.now - 0.7)))[0]
    assert (grant.term, grant.deadline) == (arm.term, pytest.approx(core.now - 0.7 + DEFAULT.fence_after_s))


def test_without_a_new_proof_of_silence_the_guard_is_granted_nothing() -> None:
    core = forced()
    assert of(ef.GrantGuard, core.wait(5.0)) == []
    assert core.state.forced is not None
    assert core.feed(ev.ConsulSilent(core.state.forced.silent_at)) == []


@pytest.mark.parametrize(
    ("news", "said"),
    [
        (ev.ConsulAnswered(), "Consul answered 0 s ago"),
        (ev.GuardLost(), "the guard is not connected"),
        (ev.GuardSeen(guard(problem="no key")), "no key"),
        (ev.GuardSeen(guard(key=KeyState.DROPPING)), "the key is dropping"),
        (ev.NeardSeen(neard(syncing=True, looked_at=2000.0)), "neard is syncing"),
        (ev.NeardSeen(neard(steady=False, looked_at=2000.0)), "may lack what others signed"),
        (ev.NeardSeen(neard(head_age_s=61.0, looked_at=1061.0)), "may lack what others signed"),
        (ev.OrdersSeen(Orders(drained=frozenset({"a"}))), "drained by an operator"),
    ],
)
def test_it_is_refused_where_anything_speaks_against_it(news: ev.Event, said: str) -> None:
    core = silent()
    core.feed(news)
    assert said in refusal(core)


def test_the_silence_must_be_long_and_proved_just_now() -> None:
    assert "must have been silent for 60 s" in refusal(silent(50.0))
    assert "last asked 6 s ago" in refusal(silent(), silent_s=6.0)


def test_a_holder_of_the_lock_needs_none() -> None:
    core = Core().arm()
    core.state = replace(core.state, answered_at=core.now - 100)
    assert "holds or asks for the lock" in refusal(core)
    assert core.role is Role.ACTIVE


def test_as_soon_as_consul_answers_the_key_goes() -> None:
    core = forced()
    term = term_of(core)
    effects = core.feed(ev.ConsulAnswered())
    assert drops(effects) == [ef.DropGuard(term, urgent=True, reason="Consul answers again")]
    assert core.role is Role.DEMOTING
    assert of(ef.GrantGuard, core.feed(ev.ConsulSilent(core.now))) == []
    assert term_of(core) == term, "the drop is not confirmed"
    effects = core.say_guard(key=KeyState.ABSENT, term=term, retired=term)
    assert core.state.forced is None
    assert [answer.signs for answer in of(ef.AnswerTakeover, effects)] == [False]
    ended = of(ef.RecordTerm, effects)[0]
    assert (ended.term, ended.began, ended.cause) == (term, False, "Consul answers again")
    assert core.state.ended_term == term


@pytest.mark.parametrize("news", [ev.SessionReady("s2"), ev.TakeoverEnded(), ev.HandGone()])
def test_other_reasons_to_give_way(news: ev.Event) -> None:
    core = forced()
    if isinstance(news, ev.HandGone):
        core.feed(ev.GuardLost())
    effects = core.feed(news)
    assert drops(effects)
    assert core.role is not Role.FORCED


def test_a_guard_that_has_dropped_the_key_ends_it() -> None:
    core = forced()
    term = term_of(core)
    effects = core.say_guard(key=KeyState.ABSENT, term=term, neard=NeardPhase.UP)
    assert [drop.reason for drop in drops(effects)] == ["the guard has dropped the key"]


def test_a_guard_that_refuses_is_told_of() -> None:
    core = silent()
    arm = of(ef.ArmGuard, order(core))[0]
    effects = core.say_guard(refused_term=arm.term, retired=arm.term, problem="no such file")
    answers = of(ef.AnswerTakeover, effects + core.tick(0.05))
    assert [(answer.signs, "no such file" in answer.text) for answer in answers] == [(False, True)]


def test_nothing_is_done_about_a_lock_meanwhile() -> None:
    core = forced()
    effects = core.feed(ev.LockSeen(LockView(None, None, 15)))
    assert of(ef.Acquire, effects + core.wait(3.0)) == []


def test_after_such_an_outage_a_successor_waits_until_every_key_is_gone() -> None:
    """One that has signed without a lease learns of Consul's return seconds later."""
    core = silent(OUTAGE_S + 20)
    core.outage = False
    back = core.now
    effects = core.acquire(stored(beat(10, 5)))
    effects += core.answer_beats(effects)
    while not of(ef.ArmGuard, effects):
        assert core.now < back + 60, "it arms in the end"
        news = (ev.GuardSeen(guard()), ev.NeardSeen(neard(101, looked_at=core.now)))
        effects = core.feeds(*news) + core.wait(0.1)
    assert core.now - back > LONGEST_GONE_WITHIN_S


def test_the_time_to_give_way_is_far_longer_than_the_time_it_takes() -> None:
    for profile in PROFILES.values():
        assert profile.longest_wait_s < FORCE_AFTER_S
        assert 2 * OUTAGE_S < FORCE_AFTER_S
