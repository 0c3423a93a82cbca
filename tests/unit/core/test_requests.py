"""Switchover: a wish is answered once, with a reason, and moves the key only to who can take it."""

from dataclasses import replace

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.views import KeyState, Member, NeardPhase, Orders, Request, Role

from .bench import KEY, Core, beat, drops, member, of, stored

WISH = Request("r1", "b", 20)
LOW = "budget low: 39 of 99 chunks may still be missed on shard 3"


def asked(core: Core, wish: Request = WISH, after: float = 0.01) -> list[ef.Effect]:
    return core.feed(ev.RequestSeen(wish), after)


def told(core: Core, *members: Member) -> list[ef.Effect]:
    return core.feed(ev.MembersSeen(members, KEY), after=0.05)


def test_the_others_records_are_read_anew_before_anything_is_decided() -> None:
    core = Core().arm()
    told(core, member("b", prepared_for="r1"))
    effects = asked(core)
    assert of(ef.LookAtMembers, effects)
    assert of(ef.AnswerRequest, effects) == drops(effects) == []


def test_a_target_that_is_prepared_gets_the_key() -> None:
    core = Core().arm()
    asked(core)
    effects = told(core, member("b", prepared_for="r1"), member("c", priority=9, prepared_for="r1"))
    assert of(ef.AnswerRequest, effects) == [ef.AnswerRequest("r1", True, "handing over to b")]
    assert drops(effects) == [ef.DropGuard(20, False, "switchover asked for")]
    assert (core.role, core.reason) == (Role.DEMOTING, "term 20: switchover asked for")
    effects = core.wait(0.2) + core.say_guard(key=KeyState.ABSENT, retired=20)
    released = of(ef.Release, effects)[0].beat
    assert (released.phase, released.handover_to) == (Phase.RELEASED, "b")


def test_what_a_neard_signed_that_had_to_be_killed_gets_to_the_target_first() -> None:
    core = Core().arm()
    asked(core)
    told(core, member("b", prepared_for="r1"))
    effects = core.say_guard(key=KeyState.ABSENT, retired=20, neard=NeardPhase.DOWN)
    assert of(ef.Release, effects + core.wait(core.state.config.settle_s - 0.06)) == []
    assert of(ef.Release, core.wait(0.1))


def test_records_of_before_the_wish_decide_nothing() -> None:
    core = Core().arm()
    told(core, member("b", ready=False, reason="neard is syncing"))
    assert of(ef.AnswerRequest, asked(core)) == []


def test_one_that_is_not_prepared_yet_is_looked_at_again() -> None:
    core = Core().arm()
    asked(core)
    effects = told(core, member("b")) + core.wait(1.0)
    assert of(ef.AnswerRequest, effects) == []
    assert 3 <= len(of(ef.LookAtMembers, effects)) <= 6


def test_one_that_never_says_so_is_refused() -> None:
    core = Core().arm()
    asked(core)
    effects = told(core, member("b", prepared_for="r0")) + core.wait(3.2)
    assert of(ef.AnswerRequest, effects) == [
        ef.AnswerRequest("r1", False, "b did not say within 3 s that it is prepared")
    ]
    assert core.role is Role.ACTIVE


@pytest.mark.parametrize(
    ("wish", "members", "reason"),
    [
        (Request("r1", "a", 20), [], "a is the active already"),
        (WISH, [], "no host named b is known"),
        (WISH, [member("b", alive=False)], "b has no live session with Consul"),
        (
            WISH,
            [member("b", ready=False, role="syncing", reason="neard is syncing")],
            "b is syncing: neard is syncing",
        ),
        (WISH, [member("b", ready=False, role="")], "b is unknown: not ready"),
    ],
)
def test_refusals_say_why(wish: Request, members: list[Member], reason: str) -> None:
    core = Core().arm()
    asked(core, wish)
    effects = told(core, *members)
    assert of(ef.AnswerRequest, effects) == [ef.AnswerRequest("r1", False, reason)]
    assert drops(effects) == []
    assert core.role is Role.ACTIVE


def test_each_wish_is_answered_once() -> None:
    core = Core().arm()
    asked(core)
    assert of(ef.AnswerRequest, told(core))
    assert of(ef.AnswerRequest, told(core, member("b", prepared_for="r1")) + asked(core)) == []


def test_a_wish_for_another_term_has_outlived_its_time() -> None:
    core = Core().arm()
    asked(core, Request("r1", "b", 19))
    assert of(ef.AnswerRequest, told(core, member("b", prepared_for="r1")) + core.wait(4.0)) == []
    assert core.role is Role.ACTIVE


def test_a_wish_that_is_withdrawn_moves_nothing() -> None:
    core = Core().arm()
    asked(core)
    core.feed(ev.RequestSeen(None))
    assert of(ef.AnswerRequest, told(core, member("b", prepared_for="r1"))) == []


@pytest.mark.parametrize("holding", [False, True])
def test_only_the_active_answers(holding: bool) -> None:
    core = Core().stand_by()
    if holding:
        core.wait_on(stored(beat(10, 5)))
    asked(core)
    effects = told(core, member("b", prepared_for="r1")) + core.wait(4.0)
    assert of(ef.AnswerRequest, effects) == drops(effects) == []


def test_the_key_stays_until_the_target_knows_how_old_its_head_is() -> None:
    """It would take the lock and wait for one more block, with the key in nobody's hands."""
    core = Core().arm()
    asked(core)
    effects = told(core, member("b", prepared_for="r1", blocks_lacking=6)) + core.wait(6.0)
    assert of(ef.AnswerRequest, effects) == drops(effects) == []
    assert len(of(ef.LookAtMembers, effects)) > 10, "its record is read again"
    effects = told(core, member("b", prepared_for="r1"))
    assert of(ef.AnswerRequest, effects) == [ef.AnswerRequest("r1", True, "handing over to b")]


def test_but_not_for_ever() -> None:
    core = Core().arm()
    asked(core)
    young = member("b", prepared_for="r1", blocks_lacking=6)
    effects = told(core, young) + core.wait(11.5) + told(core, young)
    assert drops(effects) == []
    assert drops(core.wait(1.0) + told(core, young))


def test_one_that_knows_too_little_and_dies_is_refused() -> None:
    core = Core().arm()
    asked(core)
    told(core, member("b", prepared_for="r1", blocks_lacking=6))
    effects = core.wait(2.0) + told(core, member("b", alive=False, prepared_for="r1", blocks_lacking=6))
    assert of(ef.AnswerRequest, effects) == [
        ef.AnswerRequest("r1", False, "b has no live session with Consul")
    ]


@pytest.mark.parametrize("despite", [False, True])
def test_a_low_budget_refuses_a_wish_that_was_not_put_despite_it(despite: bool) -> None:
    """Whoever put it may not have looked, or may not have known."""
    core = Core().arm()
    core.feed(ev.BudgetSeen(LOW))
    effects = asked(core, replace(WISH, despite_budget=despite))
    effects += told(core, member("b", prepared_for="r1"))
    answer = (
        ef.AnswerRequest("r1", True, "handing over to b") if despite else ef.AnswerRequest("r1", False, LOW)
    )
    assert of(ef.AnswerRequest, effects) == [answer]
    assert bool(drops(effects)) is despite


def test_a_budget_that_gets_low_while_a_wish_waits_refuses_it() -> None:
    core = Core().arm()
    asked(core, Request("r1", "b", 20, from_height=110, to_height=112))
    assert of(ef.AnswerRequest, told(core, member("b", prepared_for="r1"))) == []
    assert of(ef.AnswerRequest, core.feed(ev.BudgetSeen(LOW))) == [ef.AnswerRequest("r1", False, LOW)]
    assert core.role is Role.ACTIVE


def test_a_budget_that_is_low_no_more_or_not_known_any_more_refuses_nothing() -> None:
    core = Core().arm()
    core.feeds(ev.BudgetSeen(LOW), ev.BudgetSeen(""))
    asked(core)
    assert drops(told(core, member("b", prepared_for="r1")))


def test_what_nobody_wished_for_is_held_back_by_no_budget() -> None:
    """A drained active hands over, one whose neard is stopped gives way, also after a wish was refused."""
    for refused in (False, True):
        for event in (ev.OrdersSeen(Orders(drained=frozenset({"a"}))), None):
            core = Core().arm()
            core.feed(ev.BudgetSeen(LOW))
            if refused:
                assert of(ef.AnswerRequest, asked(core)) == [ef.AnswerRequest("r1", False, LOW)]
            told(core, member("b"))
            effects = core.feed(event) if event else core.say_guard(neard=NeardPhase.STOPPING)
            assert drops(effects), (refused, event)
