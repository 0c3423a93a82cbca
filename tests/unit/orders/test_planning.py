"""When a planned handover is to happen."""

import pytest

from hafailover.orders.documents import Plan
from hafailover.orders.planning import LATE_BLOCKS, Slot, choose, is_soon, lead_blocks


def plan(**more: object) -> Plan:
    return Plan.model_validate({"id": "p", "term": 20, **more})


@pytest.mark.parametrize(
    ("windows", "slot"),
    [
        ([(110, 113)], Slot(109, 110, 110, 113)),
        ([(110, 112)], Slot(109, 109, 110, 112)),
        ([(110, 111)], None),
        # The one that runs is taken where enough of it is left after the preparation.
        ([(90, 120)], Slot(104, 117, 105, 120)),
        ([(90, 106), (130, 140)], Slot(129, 137, 130, 140)),
        ([(130, 140), (110, 115)], Slot(109, 112, 110, 115)),
        ([], None),
    ],
)
def test_the_first_window_that_is_long_enough(windows: list[tuple[int, int]], slot: Slot | None) -> None:
    assert choose(plan(window_blocks=2), windows, head=100, lead=4) == slot


def test_at_a_height() -> None:
    assert choose(plan(at_height=150), [], 100, 4) == Slot(149, 149 + LATE_BLOCKS, 150, 151)
    assert choose(plan(at_height=150), [], 149 + LATE_BLOCKS, 4) is not None
    assert choose(plan(at_height=150), [], 150 + LATE_BLOCKS, 4) is None


def test_the_key_is_loaded_again_before_the_first_duty() -> None:
    """With the head at ``to_height`` the wished number of blocks without a duty is still to come."""
    for blocks in (1, 2, 5):
        slot = choose(plan(window_blocks=blocks), [(110, 120)], 100, 4)
        assert slot is not None
        assert slot.end - 1 - slot.to_height == blocks


def test_preparation_takes_time_not_blocks() -> None:
    assert lead_blocks(0.6) > lead_blocks(1.2) > lead_blocks(5.0) >= 2
    assert lead_blocks(0.0) < 100


def test_the_wish_is_put_shortly_before() -> None:
    slot = Slot(200, 202, 201, 205)
    assert not is_soon(slot, 180, 1.0)
    assert is_soon(slot, 190, 1.0)
    assert is_soon(slot, 201, 1.0)
