"""What operators order: a pause, a drained host, a handover at a height."""

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.views import LockView, Orders, Request, Role

from .bench import KEY, Core, beat, drops, member, neard, of, stored

FREE = LockView(None, None, 15)
PAUSED = Orders(paused_until=1e9)


def acquires(core: Core) -> bool:
    return bool(of(ef.Acquire, core.feed(ev.LockSeen(FREE), after=0.1) + core.wait(4.0)))


# --- pause


def test_in_a_pause_nobody_takes_over() -> None:
    core = Core().stand_by()
    core.feeds(ev.BeatSeen(stored(beat())), ev.OrdersSeen(PAUSED))
    assert not acquires(core)
    assert core.reason == "ready, but automatic failover is paused"


def test_when_the_pause_has_run_out_the_lock_is_taken() -> None:
    core = Core().stand_by()
    core.feeds(ev.BeatSeen(stored(beat())), ev.OrdersSeen(Orders(paused_until=core.now + 6)))
    assert not acquires(core)
    assert of(ef.Acquire, core.wait(3.0))


def test_whoever_was_the_active_may_come_back_in_a_pause() -> None:
    core = Core().stand_by()
    core.feeds(ev.BeatSeen(stored(beat(node="a"))), ev.OrdersSeen(PAUSED))
    assert acquires(core)


def test_the_target_of_a_switchover_takes_over_in_a_pause() -> None:
    core = Core().stand_by()
    released = stored(beat(phase=Phase.RELEASED, handover_to="a"), index=1001)
    core.feeds(ev.OrdersSeen(PAUSED), ev.BeatSeen(released))
    assert acquires(core)


def test_an_unfit_active_stays_in_a_pause() -> None:
    for orders, gives_way in ((Orders(), True), (PAUSED, False)):
        core = Core().arm()
        core.feeds(ev.MembersSeen((member("b"),), KEY), ev.OrdersSeen(orders))
        core.feed(ev.NeardSeen(neard(syncing=True)))
        assert bool(drops(core.wait(12.0))) is gives_way


# --- drain


def test_a_drained_host_does_not_take_over() -> None:
    core = Core().stand_by()
    core.feed(ev.OrdersSeen(Orders(drained=frozenset({"a"}))))
    assert (core.role, core.reason) == (Role.DRAINED, "drained by an operator")
    assert not acquires(core)


def test_others_are_none_of_its_business() -> None:
    core = Core().stand_by()
    core.feed(ev.OrdersSeen(Orders(drained=frozenset({"b"}))))
    assert core.role is Role.STANDBY
    assert acquires(core)


def test_a_drained_active_hands_over_to_the_best_standby() -> None:
    core = Core().arm()
    core.feed(ev.MembersSeen((member("b"), member("c", priority=5)), KEY))
    effects = core.feed(ev.OrdersSeen(Orders(drained=frozenset({"a"}))))
    assert [drop.reason for drop in drops(effects)] == ["drained by an operator"]
    assert core.hold.handover_to == "c"


def test_a_drained_active_prefers_one_that_can_sign_at_once() -> None:
    core = Core().arm()
    core.feed(ev.MembersSeen((member("b"), member("c", priority=5, blocks_lacking=3)), KEY))
    assert drops(core.feed(ev.OrdersSeen(Orders(drained=frozenset({"a"})))))
    assert core.hold.handover_to == "b"


def test_a_drained_active_goes_on_where_nobody_else_could() -> None:
    core = Core().arm()
    core.feed(ev.MembersSeen((member("b", ready=False),), KEY))
    effects = core.feed(ev.OrdersSeen(Orders(drained=frozenset({"a"})))) + core.wait(5.0)
    assert drops(effects) == []
    assert core.role is Role.ACTIVE
    assert drops(core.feed(ev.MembersSeen((member("b"),), KEY)))


# --- a handover at a height

WISH = Request("r1", "b", 20, from_height=110, to_height=112)


def asked(height: int, wish: Request = WISH) -> Core:
    core = Core().arm()
    core.feeds(ev.NeardSeen(neard(height, KEY)), ev.RequestSeen(wish))
    return core


def head(core: Core, height: int) -> list[ef.Effect]:
    """The head rises, and the target's record is read again."""
    prepared = member("b", prepared_for="r1")
    return core.feeds(ev.MembersSeen((prepared,), KEY), ev.NeardSeen(neard(height, KEY)))


def test_it_waits_for_its_height_and_looks_closely_meanwhile() -> None:
    core = asked(105)
    assert core.state.watching_closely
    effects = [effect for height in range(106, 110) for effect in head(core, height) + core.wait(1.0)]
    assert drops(effects) == of(ef.AnswerRequest, effects) == []
    effects = head(core, 110)
    assert of(ef.AnswerRequest, effects) == [ef.AnswerRequest("r1", True, "handing over to b")]
    assert len(drops(effects)) == 1


def test_without_a_last_height_it_is_never_too_late_nor_is_a_steady_target_asked_for() -> None:
    core = asked(105, Request("r1", "b", 20, from_height=110))
    unsteady = member("b", prepared_for="r1", steady=False)
    assert drops(core.feeds(ev.MembersSeen((unsteady,), KEY), ev.NeardSeen(neard(109, KEY)))) == []
    assert drops(core.feeds(ev.MembersSeen((unsteady,), KEY), ev.NeardSeen(neard(200, KEY))))


@pytest.mark.parametrize(("to_height", "moves"), [(0, True), (112, False)])
def test_a_moment_that_does_not_come_is_not_waited_for(to_height: int, moves: bool) -> None:
    """This host's neard may be what stands still, and is the reason for the handover."""
    core = asked(105, Request("r1", "b", 20, from_height=110, to_height=to_height))
    head(core, 105)
    assert drops(core.wait(14.0) + head(core, 105)) == []
    core.wait(1.2)
    assert bool(drops(head(core, 105))) is moves


def test_what_is_known_of_the_target_must_be_recent() -> None:
    core = asked(105)
    head(core, 106)
    core.wait(2.0)
    effects = core.feed(ev.NeardSeen(neard(110, KEY)))
    assert drops(effects) == []
    assert of(ef.LookAtMembers, effects + core.wait(0.3))
    assert drops(head(core, 110))


@pytest.mark.parametrize("height", [0, 1, 105])
def test_a_wish_that_is_changed_to_at_once_needs_a_recent_record_too(height: int) -> None:
    """Its target prepared for the height that was asked for first, and may have died since."""
    core = asked(105, Request("r1", "b", 20, from_height=110))
    head(core, 106)
    effects = core.wait(6.0)
    assert drops(effects) == []
    effects = core.feed(ev.RequestSeen(Request("r1", "b", 20, from_height=height))) + core.wait(0.5)
    assert of(ef.AnswerRequest, effects) == drops(effects) == []
    assert of(ef.LookAtMembers, effects), "its record is read again"
    dead = core.feed(ev.MembersSeen((member("b", alive=False, prepared_for="r1"),), KEY))
    assert of(ef.AnswerRequest, dead) == [ef.AnswerRequest("r1", False, "b has no live session with Consul")]
    assert core.role is Role.ACTIVE


def test_one_whose_target_lives_moves_at_once_then() -> None:
    core = asked(105, Request("r1", "b", 20, from_height=110))
    head(core, 106)
    core.wait(6.0)
    core.feed(ev.RequestSeen(Request("r1", "b", 20)))
    assert drops(head(core, 106))


def test_a_target_that_is_not_ready_any_more_is_refused() -> None:
    core = asked(105)
    head(core, 106)
    effects = core.feed(ev.MembersSeen((member("b", ready=False, reason="neard is syncing"),), KEY))
    assert [answer.accepted for answer in of(ef.AnswerRequest, effects)] == [False]
    assert core.role is Role.ACTIVE


def test_a_planned_one_waits_for_a_target_that_loses_no_block() -> None:
    core = asked(110)
    unsteady = member("b", prepared_for="r1", steady=False)
    assert of(ef.AnswerRequest, core.feed(ev.MembersSeen((unsteady,), KEY)) + core.wait(1.0)) == []
    assert of(ef.AnswerRequest, head(core, 110)) == [ef.AnswerRequest("r1", True, "handing over to b")]


def test_one_that_is_wanted_at_once_does_not() -> None:
    core = asked(110, Request("r1", "b", 20))
    unsteady = member("b", prepared_for="r1", steady=False)
    assert drops(core.feed(ev.MembersSeen((unsteady,), KEY)))


@pytest.mark.parametrize(("height", "moves"), [(111, True), (112, True), (113, False)])
def test_it_is_never_later_than_asked_for(height: int, moves: bool) -> None:
    core = asked(105)
    answers = of(ef.AnswerRequest, head(core, height))
    assert [answer.accepted for answer in answers] == [moves]
    if not moves:
        assert "the last height to begin at" in answers[0].reason


def test_afterwards_it_looks_no_closer_than_before() -> None:
    core = asked(105)
    effects = head(core, 113) + core.wait(0.3)
    assert effects.count(ef.WatchClosely(False)) == 1
    assert not core.state.watching_closely
    core = asked(105)
    assert ef.WatchClosely(False) in core.feed(ev.RequestSeen(None)) + core.wait(0.3)
