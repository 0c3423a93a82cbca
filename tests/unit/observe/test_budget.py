"""What may still be missed: the rules at their very edges, against counting it out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafailover.near.epoch import MAINNET, Counted, EpochCounts, ShardCount
from hafailover.observe.budget import (
    EARLY_KICKOUT,
    MOST_ROWS,
    budget_of,
    early_words,
    low_texts,
    missable_in_epoch,
    pools_budget,
    refusal,
    scarce_text,
    tells_early_kickout,
    unknown_to_pool,
)
from hafailover.observe.records import Allowance, Budget, NodeRecord

NOW = replace(MAINNET, protocol=87, source="protocol_config")
START = 1000


@st.composite
def counted(draw: st.DrawFn, most: int = 3000) -> Counted:
    expected = draw(st.integers(0, most))
    return Counted(draw(st.integers(0, expected)), expected)


def shard_budget(
    produced: int, expected: int, passed: int = 20_000, protocol: int | None = 87, producers: int = 11
) -> Allowance:
    counts = EpochCounts(
        START,
        Counted(0, 0),
        Counted(produced, expected),
        Counted(0, 0),
        (ShardCount(3, Counted(produced, expected), producers),),
    )
    found = budget_of(counts, replace(NOW, protocol=protocol), START + passed - 1, 1 / 0.6)
    assert found is not None
    return next(row for row in found.rows if row.rule == "early_kickout")


def seat_budget(duty: str, produced: int, expected: int, passed: int = 21_600) -> Allowance:
    kinds = {name: Counted(0, 0) for name in ("blocks", "chunks", "endorsements")}
    kinds[duty] = Counted(produced, expected)
    found = budget_of(EpochCounts(START, **kinds, shards=()), NOW, START + passed - 1, 1 / 0.6)
    assert found is not None
    (row,) = found.rows
    return row


# --- EarlyKickout


@pytest.mark.parametrize(
    ("produced", "expected", "taken"),
    # The cases of nearcore chain/epoch-manager/src/tests/early_kickout.rs.
    [(0, 200, True), (400, 500, False), (391, 490, False), (390, 490, True), (0, 100, True), (0, 99, False)],
)
def test_early_kickout_as_nearcore_tests_it(produced: int, expected: int, taken: bool) -> None:
    assert EARLY_KICKOUT.takes(Counted(produced, expected)) is taken
    assert shard_budget(produced, expected).lost is taken


@given(counted())
def test_the_chunks_that_may_be_missed_are_those_before_the_one_that_is_too_many(chunks: Counted) -> None:
    missable = EARLY_KICKOUT.missable(chunks)
    for more in range(max(0, missable) + 1):
        assert EARLY_KICKOUT.takes(Counted(chunks.produced, chunks.expected + more)) is (more > missable)
    assert EARLY_KICKOUT.takes(Counted(chunks.produced, chunks.expected + max(0, missable + 1)))


def test_a_clean_epoch_bears_99_chunks_or_a_quarter_of_what_was_produced() -> None:
    assert (shard_budget(0, 0, 1).missable, shard_budget(396, 396).missable) == (99, 99)
    assert (shard_budget(400, 400).missable, shard_budget(2000, 2000).missable) == (100, 500)
    assert shard_budget(2000, 2000).full == 500


def test_below_protocol_87_it_is_told_and_not_in_force() -> None:
    for protocol in (86, None):
        row = shard_budget(400, 451, protocol=protocol)
        assert (row.missable, row.in_force, row.low) == (49, False, False)
    row = shard_budget(400, 451)
    assert (row.missable, row.full, row.in_force, row.low) == (49, 112, True, True)


def test_the_only_producer_of_a_shard_keeps_it() -> None:
    assert not shard_budget(0, 500, producers=1).in_force


def test_nothing_is_taken_in_the_first_thousand_blocks() -> None:
    early, late = shard_budget(0, 400, passed=999), shard_budget(0, 400, passed=1000)
    assert (early.lost, early.low, early.missable) == (False, True, 0)
    assert (late.lost, late.low, late.minutes) == (True, True, None)
    # Nothing comes before the thousandth block, at 0.6 s each.
    assert shard_budget(0, 400, passed=400).minutes == 6.0


def test_minutes_go_by_the_share_of_slots() -> None:
    # At half of a shard's slots 100 chunks come up in two minutes, at an eleventh in eleven.
    assert shard_budget(2500, 2600, passed=5200).minutes == pytest.approx(524 * 2 * 0.6 / 60, abs=0.06)
    assert shard_budget(200, 200, passed=2200).minutes == pytest.approx(99 * 11 * 0.6 / 60, abs=0.06)


def test_what_the_epoch_has_no_room_for_is_out_of_reach() -> None:
    row = shard_budget(3850, 3900, passed=42_900)
    assert (row.out_of_reach, row.low, row.minutes, row.ratio) == (True, False, None, 1.0)


# --- the seat


@given(counted(), st.integers(0, 3000), st.integers(0, 100))
def test_the_seat_is_kept_up_to_the_very_duty(duties: Counted, to_come: int, percent: int) -> None:
    in_all = duties.expected + to_come

    def kept(more: int) -> bool:
        return (in_all - duties.missed - more) * 100 >= percent * in_all

    missable = missable_in_epoch(duties, in_all, percent)
    assert not kept(missable + 1)
    assert kept(missable)


def test_mainnets_thresholds() -> None:
    # 216 of 432 blocks have passed with none missed: 86 of 432 may be (80 %).
    blocks = seat_budget("blocks", 216, 216)
    assert (blocks.missable, blocks.full, blocks.low, blocks.lost) == (86, 86, False, False)
    assert blocks.minutes == 86.0
    assert seat_budget("blocks", 216 - 43, 216).low is False
    assert seat_budget("blocks", 216 - 44, 216).low
    assert (seat_budget("blocks", 216 - 87, 216).lost, seat_budget("blocks", 216 - 86, 216).lost) == (
        True,
        False,
    )
    assert seat_budget("endorsements", 1000, 1000).missable == 600
    assert seat_budget("chunks", 1000, 1000).missable == 400


def test_endorsements_count_for_the_seat_of_those_alone_that_produce_nothing_else() -> None:
    assert seat_budget("endorsements", 100, 1000).in_force
    counts = EpochCounts(START, Counted(5, 5), Counted(0, 0), Counted(100, 1000), ())
    found = budget_of(counts, NOW, START + 21_599)
    assert found is not None
    assert [(row.duty, row.in_force, row.low) for row in found.rows] == [
        ("blocks", True, False),
        ("endorsements", False, False),
    ]


def test_near_the_epochs_end_what_is_left_cannot_cost_the_seat() -> None:
    row = seat_budget("blocks", 400, 430, passed=43_000)
    assert (row.out_of_reach, row.low) == (True, False)


@given(
    counted(),
    counted(),
    counted(),
    st.lists(counted(), max_size=40),
    st.integers(-5, 90_000),
    st.none() | st.floats(0, 100),
    st.sampled_from([None, 84, 86, 87, 90]),
)
def test_any_counts_make_a_record_that_can_be_read(
    blocks: Counted,
    chunks: Counted,
    endorsements: Counted,
    shards: list[Counted],
    passed: int,
    speed: float | None,
    protocol: int | None,
) -> None:
    by_shard = tuple(ShardCount(number, one, 2) for number, one in enumerate(shards))
    counts = EpochCounts(START, blocks, chunks, endorsements, by_shard)
    found = budget_of(counts, replace(NOW, protocol=protocol), START + passed, speed)
    if found is None:
        assert passed < 0 or passed >= 2 * NOW.epoch_length
        return
    assert Budget.model_validate_json(found.model_dump_json()) == found
    assert len(found.rows) <= MOST_ROWS
    assert all(0 <= row.ratio <= 1 for row in found.rows)
    lows = [row.low for row in found.rows]
    assert lows == sorted(lows, reverse=True)
    assert bool(low_texts(found)) is any(lows)
    spendable = any(row.low and not row.lost for row in found.rows)
    assert (refusal(found) is not None) is bool(scarce_text(found)) is spendable


def test_the_head_of_another_epoch_tells_nothing() -> None:
    counts = EpochCounts(START, Counted(1, 1), Counted(0, 0), Counted(0, 0), ())
    assert budget_of(counts, NOW, START - 1) is None


# --- what is told


def test_the_active_tells_for_the_pool_and_else_the_newest_head() -> None:
    def host(node: str, height: int | None, role: str = "standby") -> NodeRecord:
        counts = EpochCounts(START, Counted(1, 1), Counted(0, 0), Counted(0, 0), ())
        budget = budget_of(counts, NOW, height) if height is not None else None
        return NodeRecord(node=node, role=role, budget=budget)

    hosts = [host("a", 2000, "active"), host("b", 2003), host("c", 2002), host("d", 9000, "gone")]
    heights = [
        found.height if found else None
        for found in (
            pools_budget(hosts, "a"),
            pools_budget(hosts, None),
            pools_budget([host("a", None, "active"), *hosts[2:]], "a"),
            pools_budget([host("a", None)], "a"),
        )
    ]
    assert heights == [2000, 2003, 2002, None]


def test_texts() -> None:
    counts = EpochCounts(
        START,
        Counted(129, 216),
        Counted(650, 800),
        Counted(0, 0),
        (
            ShardCount(3, Counted(210, 300), 5),
            ShardCount(4, Counted(40, 100), 5),
            ShardCount(5, Counted(400, 400), 5),
            ShardCount(6, Counted(0, 120), 5),
        ),
    )
    found = budget_of(counts, NOW, START + 21_599, 1 / 0.6)
    texts = low_texts(found)
    assert "the seat is lost: more blocks were missed in this epoch than is allowed (87)" in texts
    assert "no more chunks on shard 6 until the epoch ends: 120 were missed there (EarlyKickout)" in texts
    assert not any("shard 5" in text for text in texts)
    assert (
        "budget low: 9 of 99 chunks may still be missed on shard 3 in this epoch, some 6 min without any, "
        "then the network gives its chunks to others (EarlyKickout)"
    ) in texts
    why = refusal(found)
    assert why is not None
    assert why.endswith(
        "until the epoch ends, in 21600 blocks. To go on all the same, as where that ends "
        "the loss: --despite-budget"
    )
    # Nothing of it can be spent any more; only what is left is a reason to wait.
    assert "the seat is lost" not in why
    assert "shard 6" not in why
    assert scarce_text(found) == (
        "9 of 99 chunks may still be missed on shard 3; 39 of 99 chunks may still be missed on shard 4"
    )
    assert refusal(None) is None
    assert scarce_text(None) == ""


def on_shards(*shards: tuple[int, int, int], protocol: int | None = 87, producers: int = 5) -> Budget:
    """The budget of a validator that has produced so many of so many chunks on each shard."""
    by_shard = tuple(ShardCount(shard, Counted(done, due), producers) for shard, done, due in shards)
    counts = EpochCounts(START, Counted(0, 0), Counted(0, 0), Counted(0, 0), by_shard)
    found = budget_of(counts, replace(NOW, protocol=protocol), START + 21_599)
    assert found is not None
    return found


def test_what_may_be_missed_on_each_shard_is_told_the_worst_first() -> None:
    found = on_shards((0, 400, 400), (3, 210, 300), (4, 40, 100), (6, 0, 120))
    assert early_words(found) == (
        "chunks that may still be missed in this epoch before EarlyKickout: none on shard 6 (lost), "
        "9 of 99 on shard 3, 39 of 99 on shard 4, 100 of 100 on shard 0"
    )
    many = on_shards(*((shard, 40 + shard, 100) for shard in range(9)))
    assert early_words(many).endswith("44 of 99 on shard 5; as much or more on 3 others")
    assert len(early_words(on_shards(*((shard, 0, 10**18) for shard in range(256))))) < 300
    assert early_words(on_shards(*((shard, 40 + shard, 100) for shard in range(7)))).endswith(
        "; as much or more on 1 other"
    )


def test_nothing_is_told_of_a_rule_that_is_not_in_force() -> None:
    for found in (None, on_shards((3, 210, 300), protocol=86), on_shards((3, 210, 300), producers=1)):
        assert early_words(found) == ""
    assert early_words(on_shards((3, 210, 300), protocol=None)) == ""
    assert early_words(on_shards()) == ""


def knows(node: str, unknown_s: float | None, why: str = "", **more: Any) -> NodeRecord:
    return NodeRecord(node=node, role="standby", budget_unknown_s=unknown_s, budget_unknown=why, **more)


def test_a_budget_without_a_protocol_does_not_tell_of_early_kickout() -> None:
    assert tells_early_kickout(on_shards((3, 210, 300)))
    assert tells_early_kickout(on_shards((3, 210, 300), protocol=86))
    assert not tells_early_kickout(on_shards((3, 210, 300), protocol=None))
    assert tells_early_kickout(on_shards(protocol=None)), "who has no chunks to make has none to lose"


def test_a_host_that_knows_is_enough_for_the_pool() -> None:
    silent = knows("a", 600.0, "no answer within 5 s")
    for other in (
        knows("b", 0.0, budget=on_shards((3, 210, 300))),
        knows("b", 0.0),
        # Of an older version.
        knows("b", None, budget=on_shards((3, 210, 300))),
    ):
        assert unknown_to_pool([silent, other], "a") is None
    assert unknown_to_pool([], None) is None
    assert unknown_to_pool([knows("a", 600.0).model_copy(update={"role": "gone"})], None) is None


def test_what_no_host_knows_is_told_with_the_actives_reason() -> None:
    hosts = [
        knows("a", 300.0, "no answer\nwithin 5 s" + "!" * 1000),
        knows("b", 900.0, "connection refused", budget=on_shards((3, 210, 300), protocol=None)),
    ]
    found = unknown_to_pool(hosts, "a")
    assert found is not None
    assert found.text.startswith(
        "budget not known: for 5 min a's neard has not told how much may still be missed in this epoch "
        "(no answer\\nwithin 5 s!!"
    )
    assert found.text.isprintable()
    assert len(found.text) < 350
    assert found.lasting
    # Without an active, whoever has not known for longest.
    found = unknown_to_pool(hosts, None)
    assert found is not None
    assert "for 15 min b's neard" in found.text
    found = unknown_to_pool([knows("a", 179.0, "connection refused")], "a")
    assert found is not None
    assert ("for 179 s" in found.text, found.lasting) == (True, False)
    # Of an older version, which may have no seat.
    found = unknown_to_pool([knows("a", None)], "a")
    assert found is not None
    assert (found.text, found.lasting) == (
        "budget not known: no host tells how much may still be missed in this epoch",
        False,
    )


def test_the_budget_that_tells_more_is_taken() -> None:
    told, untold = on_shards((3, 210, 300)), on_shards((3, 210, 300), protocol=None)
    hosts = [knows("a", 60.0, budget=untold), knows("b", 0.0, budget=told)]
    assert pools_budget(hosts, "a") == told
    assert pools_budget(hosts[:1], "a") == untold


def test_what_is_lost_holds_nothing_back() -> None:
    """A pool that has lost a shard would be held back until the epoch ends, and no chunk be saved by it."""
    shards = (ShardCount(3, Counted(210, 400), 5), ShardCount(4, Counted(1600, 1600), 5))
    counts = EpochCounts(START, Counted(216, 216), Counted(1810, 2000), Counted(0, 0), shards)
    found = budget_of(counts, NOW, START + 21_599, 1 / 0.6)
    assert low_texts(found) == [
        "no more chunks on shard 3 until the epoch ends: 190 were missed there (EarlyKickout)"
    ]
    assert refusal(found) is None


def test_a_neard_that_counts_beyond_reason_ends_no_agent() -> None:
    most = (1 << 63) - 1
    for blocks, length in ((Counted(most, most), 1), (Counted(0, most), most), (Counted(1, 1), most)):
        counts = EpochCounts(0, blocks, blocks, blocks, (ShardCount(most, blocks, 2),))
        for height in (0, 10, most):
            for speed in (None, 5e-324, 1e308):
                found = budget_of(counts, replace(NOW, epoch_length=length), height, speed)
                assert found is None or Budget.model_validate_json(found.model_dump_json()) == found
