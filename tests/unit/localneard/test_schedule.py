"""Who produces what, who loses the seat, and when there is time for maintenance."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localneard.schedule import Count, Epoch, Validator, count_block, epoch_seed, idle_windows, kickouts


def epoch(*stakes: int, seed: str = "x") -> Epoch:
    seats = tuple(Validator(f"node{number}", f"key{number}", stake) for number, stake in enumerate(stakes))
    return Epoch("id", 1, epoch_seed("genesis", seed), seats, {})


def test_turns_go_by_stake_and_are_the_same_for_everybody() -> None:
    first, second = epoch(10, 20, 70), epoch(10, 20, 70)
    turns = [first.producer(height).account_id for height in range(10_000)]
    assert turns == [second.producer(height).account_id for height in range(10_000)]
    shares = {name: count / 100 for name, count in Counter(turns).items()}
    assert shares == pytest.approx({"node0": 10, "node1": 20, "node2": 70}, abs=2)
    assert turns != [epoch(10, 20, 70, seed="y").producer(height).account_id for height in range(10_000)]


def test_an_epoch_survives_its_json_form() -> None:
    one = epoch(5 * 10**31, 1)
    again = Epoch.from_json(one.to_json())
    assert again == one
    assert [again.producer(height) for height in range(50)] == [one.producer(height) for height in range(50)]


def test_a_seat_needs_the_very_key() -> None:
    assert epoch(1, 1).has("node1", "key1")
    assert not epoch(1, 1).has("node1", "key0")
    assert not epoch(1, 1).has("node2", "key1")


def test_skipped_heights_count_against_their_producers() -> None:
    one = epoch(1, 1, 1)
    counts = count_block(count_block({}, one, 0, 1), one, 1, 5)
    expected = Counter(one.producer(height).account_id for height in range(1, 6))
    assert {name: count.expected for name, count in counts.items()} == expected
    produced = Counter(one.producer(height).account_id for height in (1, 5))
    assert {name: count.produced for name, count in counts.items() if count.produced} == produced


@pytest.mark.parametrize(
    ("counts", "percent", "keep", "kicked"),
    [
        ({"node0": Count(9, 10), "node1": Count(10, 10)}, 90, 100, []),
        ({"node0": Count(8, 10), "node1": Count(10, 10)}, 90, 100, ["node0"]),
        ({}, 90, 100, []),
        # Never all: the best one stays.
        ({"node0": Count(1, 10), "node1": Count(0, 10), "node2": Count(0, 10)}, 90, 100, ["node1", "node2"]),
        # With at most 40 % of the stake to go, two of three are exempt: those with the highest share.
        ({"node0": Count(1, 10), "node1": Count(0, 10), "node2": Count(2, 10)}, 90, 40, ["node1"]),
    ],
)
def test_who_produces_too_little_loses_the_seat(
    counts: dict[str, Count], percent: int, keep: int, kicked: list[str]
) -> None:
    found: dict[str, Any] = kickouts(
        epoch(1, 1, 1).validators, counts, block_percent=percent, chunk_percent=0, max_stake_percent=keep
    )
    assert sorted(found) == kicked
    for account, reason in found.items():
        count = counts[account]
        assert reason == {"NotEnoughBlocks": {"produced": count.produced, "expected": count.expected}}


def test_chunks_have_a_threshold_of_their_own() -> None:
    seats, counts = (
        epoch(1, 1).validators,
        {"node0": Count(85, 100, 85, 100), "node1": Count(100, 100, 100, 100)},
    )
    found = kickouts(seats, counts, block_percent=80, chunk_percent=90, max_stake_percent=100)
    assert found == {"node0": {"NotEnoughChunks": {"produced": 85, "expected": 100}}}


@given(st.integers(1, 50), st.integers(0, 60), st.integers(2, 6))
def test_windows_are_exactly_the_heights_without_a_turn(start: int, length: int, seats: int) -> None:
    one = epoch(*[1] * seats)
    windows = list(idle_windows(one, "node1", start, start + length))
    idle = {height for first, end in windows for height in range(first, end)}
    turns = range(start, start + length)
    assert idle == {height for height in turns if one.producer(height).account_id != "node1"}
    assert all(first < end for first, end in windows)
    assert all(end < following for (_, end), (following, _) in pairwise(windows))


def test_an_account_without_a_seat_has_one_window() -> None:
    assert list(idle_windows(epoch(1), "nobody", 5, 9)) == [(5, 9)]
    assert list(idle_windows(epoch(1), "nobody", 9, 9)) == []


def test_the_settlement_holds_every_seat_once() -> None:
    one = epoch(1, 1, 10**9)
    order = one.settlement(0, 10)
    assert sorted(order) == ["node0", "node1", "node2"]
    assert order[0] == "node2"
