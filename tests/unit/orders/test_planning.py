"""When a planned handover is to happen."""

import pytest

from hafailover.orders.documents import Plan
from hafailover.orders.planning import (
    LATE_BLOCKS,
    LEARNED_S,
    Slot,
    best_moment,
    choose,
    is_soon,
    lead_blocks,
    patience_ends,
    still_stands,
)


def plan(**more: object) -> Plan:
    return Plan.model_validate({"id": "p", "term": 20, **more})


@pytest.mark.parametrize(
    ("windows", "slot"),
    [
        ([(110, 113)], Slot(109, 109, 110, 113)),
        ([(110, 112)], Slot(109, 109, 110, 112)),
        ([(110, 111)], None),
        # The one that runs is taken where enough of it is left after the preparation.
        ([(90, 120)], Slot(104, 116, 105, 120)),
        ([(90, 106), (130, 140)], Slot(129, 136, 130, 140)),
        # Of two within reach the longer one, since peers must have learned of the new holder by its end.
        ([(130, 140), (110, 115)], Slot(129, 136, 130, 140)),
        ([(110, 113), (114, 116), (120, 124)], Slot(119, 120, 120, 124)),
        # As long as the news takes over one hop is as good as longer.
        ([(130, 190), (110, 120)], Slot(109, 116, 110, 120)),
        # Too far away to be waited for: the nearer one will do.
        ([(110, 113), (150, 170)], Slot(109, 109, 110, 113)),
        # Nothing within reach: the first one after that, however long others are.
        ([(160, 162), (150, 152), (170, 200)], Slot(149, 149, 150, 152)),
        ([], None),
    ],
)
def test_the_best_window_within_reach(windows: list[tuple[int, int]], slot: Slot | None) -> None:
    assert choose(plan(window_blocks=2), windows, head=100, block_s=1.0) == slot


def test_patience_ends_at_a_height_of_its_own() -> None:
    """Who looked at the next half minute each time would find something better for ever."""
    windows = [(110 + 20 * number, 110 + 20 * number + 3 + number) for number in range(7)]
    ends = patience_ends(100, 1.0)
    chosen = {choose(plan(window_blocks=2), windows, head, 1.0, ends) for head in range(100, 124)}
    assert {slot.start for slot in chosen if slot is not None} == {130}
    assert choose(plan(window_blocks=2), windows, 120, 1.0) == Slot(149, 151, 150, 155), "it was not for that"


def test_shorter_blocks_are_counted_in_seconds() -> None:
    """What the network needs to learn of a new holder is a time: so many more blocks, if they are short."""
    for block_s, kept in ((1.0, 3), (0.6, 5), (0.2, 15), (2.0, 2)):
        slot = choose(plan(window_blocks=2), [(130, 160)], 100, block_s)
        assert slot is not None
        assert slot.end - 1 - slot.to_height == kept
        assert kept * block_s >= LEARNED_S


# --- a window that is a forecast


@pytest.mark.parametrize(
    ("head", "windows", "stands"),
    [
        (100, [(110, 120)], True),
        (100, [(90, 200)], True),
        (100, [], False),
        (100, [(110, 119)], False),
        (100, [(111, 120)], False),
        (100, [(110, 114), (115, 120)], False),
        # neard tells no more of what is over.
        (112, [(113, 120)], True),
        (112, [(114, 120)], False),
    ],
)
def test_it_stands_while_all_that_is_left_of_it_is_free(
    head: int, windows: list[tuple[int, int]], stands: bool
) -> None:
    assert still_stands(Slot(109, 117, 110, 120), windows, head) is stands


# --- now


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([(101, 104), (106, 109), (110, 118)], (110, 118)),
        # What begins later than that is none of the next seconds.
        ([(101, 104), (106, 109), (111, 118)], (106, 109)),
        # One that runs counts from the time when a target can be prepared.
        ([(90, 104), (106, 107)], (102, 104)),
        ([(90, 103), (106, 108)], (106, 108)),
        ([(101, 102)], None),
        ([(150, 170)], None),
        ([], None),
    ],
)
def test_the_best_moment_of_the_next_seconds(
    windows: list[tuple[int, int]], found: tuple[int, int] | None
) -> None:
    slot = best_moment(windows, head=100, block_s=1.0)
    assert (slot and (slot.start, slot.end)) == found
    if slot is not None:
        assert (slot.from_height, slot.to_height) == (slot.start - 1, 0), "it is never too late for it"


def test_ten_seconds_are_more_heights_where_blocks_are_short() -> None:
    assert best_moment([(140, 150)], head=100, block_s=1.0) is None
    assert best_moment([(140, 150)], head=100, block_s=0.2) is not None


# --- at a height, and what all have in common


def test_at_a_height() -> None:
    assert choose(plan(at_height=150), [], 100, 1.0) == Slot(149, 149 + LATE_BLOCKS, 150, 151)
    assert choose(plan(at_height=150), [], 149 + LATE_BLOCKS, 1.0) is not None
    assert choose(plan(at_height=150), [], 150 + LATE_BLOCKS, 1.0) is None


def test_the_key_is_loaded_again_before_the_first_duty() -> None:
    """With the head at ``to_height`` the wished number of blocks without a duty is still to come."""
    for blocks in (1, 2, 5):
        slot = choose(plan(window_blocks=blocks), [(110, 110 + blocks)], 100, 1.0)
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
