"""What was missed between two looks at the pool's counts, also where an epoch has ended between them."""

from dataclasses import replace

import pytest

from hafailover.core.work import Counts
from hafailover.near.rpc import NeardRpc, Production, RpcError
from hafailover.observe.cost import Cost, cost, look_again, plain

BEFORE = Production(
    produced_blocks=9, expected_blocks=10, produced_chunks=19, expected_chunks=20, epoch_start=500
)
AFTER = Production(
    produced_blocks=11, expected_blocks=14, produced_chunks=20, expected_chunks=24, epoch_start=500
)
NEXT = Production(
    produced_blocks=1, expected_blocks=2, produced_chunks=0, expected_chunks=5, epoch_start=1000
)


class Neard(NeardRpc):
    def __init__(self, now: Production | None, ended: Production | RpcError | None = None) -> None:
        self._now, self._ended = now, ended
        self.asked: list[int] = []

    def production(self, account_id: str) -> Production | None:
        return self._now

    def production_before(self, account_id: str, epoch_start: int) -> Production | None:
        self.asked.append(epoch_start)
        if isinstance(self._ended, RpcError):
            raise self._ended
        return self._ended


def test_only_what_was_missed_meanwhile_counts() -> None:
    assert cost(BEFORE, AFTER) == Cost(blocks_missed=2, chunks_missed=3, expected=Counts(4, 4))
    assert cost(BEFORE, BEFORE) == Cost(0, 0)
    # A block that was counted as missed and came after all.
    assert cost(BEFORE, replace(AFTER, produced_blocks=14)) == Cost(0, 3, expected=Counts(4, 4))


def test_endorsements_count_too_within_an_epoch_and_across_its_end() -> None:
    before = replace(BEFORE, produced_endorsements=50, expected_endorsements=52)
    after = replace(AFTER, produced_endorsements=57, expected_endorsements=62)
    then = replace(NEXT, produced_endorsements=1, expected_endorsements=3)
    found = cost(before, after)
    assert found == Cost(2, 3, 10 - 7, Counts(4, 4, 10))
    assert str(found) == "2 blocks, 3 chunks, 3 endorsements"
    assert plain(found) == {"blocks_missed": 2, "chunks_missed": 3, "endorsements_missed": 3}
    assert cost(before, then, after) == Cost(3, 8, 3 + 2, Counts(6, 9, 13))
    assert plain(None) == {"blocks_missed": None, "chunks_missed": None, "endorsements_missed": None}


@pytest.mark.parametrize(("before", "after"), [(None, AFTER), (BEFORE, None), (None, None), (BEFORE, NEXT)])
def test_where_a_look_failed_nothing_is_claimed(before: Production | None, after: Production | None) -> None:
    assert cost(before, after) is None


def test_across_an_epochs_end_both_epochs_count() -> None:
    neard = Neard(NEXT, AFTER)
    missed = Cost(blocks_missed=2 + 1, chunks_missed=3 + 5, expected=Counts(4 + 2, 4 + 5))
    assert look_again(neard, "pool", BEFORE) == (NEXT, missed)
    assert neard.asked == [1000]


def test_within_an_epoch_neard_is_asked_once() -> None:
    neard = Neard(AFTER)
    assert look_again(neard, "pool", BEFORE) == (AFTER, Cost(2, 3, expected=Counts(4, 4)))
    assert look_again(neard, "pool", None) == (AFTER, None)
    assert neard.asked == []


@pytest.mark.parametrize(
    "ended",
    [
        RpcError("validators: UNKNOWN_EPOCH"),
        None,
        replace(AFTER, epoch_start=750),
        # A validator that was kicked out at the epoch's end.
        Production(0, 0, 0, 0, 500),
    ],
    ids=["not known", "no validator then", "two epochs have ended", "its counts are gone"],
)
def test_an_ended_epoch_that_tells_too_little(ended: Production | RpcError | None) -> None:
    assert look_again(Neard(NEXT, ended), "pool", BEFORE) == (NEXT, None)


def test_neard_that_does_not_answer() -> None:
    class Silent(Neard):
        def production(self, account_id: str) -> Production | None:
            raise RpcError("no answer within 1 s")

    with pytest.raises(RpcError):
        look_again(Silent(None), "pool", BEFORE)
