"""Nobody signs on a head that may lack what the predecessor has signed."""

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.views import NeardPhase, Role

from .bench import DEFAULT, KEY, Core, beat, guard, member, neard, of, stored

FULL_WAIT_S = DEFAULT.successor_wait_s(DEFAULT.gone_within_s)


def look(core: Core, age_s: float, height: int = 100, live: bool = False) -> None:
    """neard answers, and its head is as old as told."""
    core.feed(ev.NeardSeen(neard(height, head_age_s=age_s, live=live)))


def stand_on(core: Core, head_age_s: float, seconds: float) -> list[ef.Effect]:
    """Time passes on a head that is so old at the beginning and stays what it is."""
    effects: list[ef.Effect] = []
    for step in range(round(seconds / 0.05)):
        effects += core.answered(core.tick(0.05))
        if step % 10 == 9:
            core.say_guard()
        look(core, head_age_s + step * 0.05)
    return effects


def waited_out(head_age_s: float, **config: float) -> Core:
    """A successor whose wait is over, on a head that is so old by then."""
    core = Core(**config).stand_by().wait_on(stored(beat(10, 5, height=90)))
    stand_on(core, head_age_s - FULL_WAIT_S - 0.1, FULL_WAIT_S + 0.1)
    return core


def test_a_head_from_before_the_end_of_the_predecessor_is_waited_out() -> None:
    core = waited_out(4.0)
    assert (core.role, core.reason) == (
        Role.PROMOTING,
        "term 20: head 100 is from before the predecessor's key was gone; waiting for a newer block",
    )
    look(core, 0.2, height=101)
    assert core.reason == "term 20: loading the key"


def test_a_fresh_head_costs_nothing() -> None:
    assert waited_out(0.3).reason == "term 20: loading the key"


def test_a_chain_at_rest_is_believed_in_after_a_while() -> None:
    core = waited_out(10.0, max_head_age_s=30.0)
    assert of(ef.ArmGuard, stand_on(core, 10.0, 19.0)) == []
    assert of(ef.ArmGuard, stand_on(core, 29.0, 3.0))


def test_the_rest_is_counted_from_the_lock_not_from_the_last_block() -> None:
    """A host that was cut off has seen no block for long, and is nonetheless the last to know."""
    core = Core(max_head_age_s=30.0).stand_by()
    stand_on(core, 0.0, 60.0)
    core.wait_on(stored(beat(10, 5)))
    assert of(ef.ArmGuard, stand_on(core, 60.0, 20.0)) == []


def test_one_who_knows_more_gets_the_lock() -> None:
    core = waited_out(4.0)
    core.feed(ev.MembersSeen((member("c", height=104),), KEY))
    effects = stand_on(core, 4.0, 3.5)
    assert [drop.reason.partition(":")[0] for drop in of(ef.DropGuard, effects)] == ["given up before arming"]
    released = of(ef.Release, effects + core.say_guard(retired=20) + core.wait(0.2))
    assert [one.beat.phase for one in released] == [Phase.PASSED]


@pytest.mark.parametrize(
    ("to", "live", "arms"), [("a", False, False), ("a", True, True), (None, False, False), (None, True, True)]
)
def test_after_a_release_a_live_head_will_do(to: str | None, live: bool, arms: bool) -> None:
    core = Core().stand_by()
    core.wait_on(stored(beat(10, 9, phase=Phase.RELEASED, height=100, handover_to=to)))
    for _ in range(10):
        core.answer_beats(core.tick(0.05))
        look(core, 1.0, live=live)
    assert (core.reason == "term 20: loading the key") is arms


def test_below_the_height_that_the_predecessor_had_nothing_is_live() -> None:
    core = Core().stand_by()
    core.wait_on(stored(beat(10, 9, phase=Phase.RELEASED, height=103)))
    effects = []
    for _ in range(20):
        effects += core.answered(core.tick(0.05))
        look(core, 0.5, live=True)
    assert of(ef.ArmGuard, effects) == []


def test_what_neard_said_before_the_end_was_told_is_no_news() -> None:
    """neard has hung since, say, or the whole host has stood still with the answer in its queue."""
    core = Core().stand_by()
    asked_at = core.now
    core.wait_on(stored(beat(10, 9, phase=Phase.RELEASED, height=100)))
    effects = []
    for _ in range(20):
        effects += core.answered(core.tick(0.05))
        core.feed(ev.NeardSeen(neard(100, head_age_s=0.1, live=True, looked_at=asked_at)))
    assert of(ef.ArmGuard, effects) == []
    core.feed(ev.NeardSeen(neard(100, head_age_s=0.1, live=True, looked_at=core.now)))
    assert core.reason == "term 20: loading the key"


def test_what_it_says_of_its_own_height_outlives_its_neard() -> None:
    core = Core().arm()
    core.feed(ev.NeardSeen(neard(140, KEY)))
    effects = core.feed(ev.GuardSeen(guard(neard=NeardPhase.DOWN, retired=20))) + core.wait(0.3)
    assert [one.beat.height for one in of(ef.Release, effects)] == [140]
