"""What neard says of an epoch, checked: counts by shard, and the rules for losing a seat."""

from __future__ import annotations

from typing import Any

import pytest

from hafailover.near.epoch import MAINNET, Counted, EpochCounts, ShardCount, epoch_counts, epoch_rules
from hafailover.near.rpc import NeardRpc, RpcError

from .servers import Handler, Peer, Server, answer, hang

ENTRY = {
    "account_id": "pool.near",
    "shards": [2, 5],
    "num_produced_blocks": 9,
    "num_expected_blocks": 10,
    "num_produced_chunks": 29,
    "num_expected_chunks": 30,
    "num_produced_chunks_per_shard": [19, 10],
    "num_expected_chunks_per_shard": [20, 10],
    "num_produced_endorsements": 7,
    "num_expected_endorsements": 8,
}
OTHER = {**ENTRY, "account_id": "other.near", "shards": [5]}


def ask(handler: Handler, call: Any, deadline_s: float = 5.0) -> Any:
    with Server(handler) as server, NeardRpc(server.host, server.port, deadline_s) as rpc:
        return call(rpc)


def counts(*entries: Any, start: Any = 500) -> EpochCounts | None:
    result = {"current_validators": list(entries), "epoch_start_height": start}
    found: EpochCounts | None = ask(answer({"result": result}), lambda rpc: epoch_counts(rpc, "pool.near"))
    return found


def rules(*answers: Any) -> Any:
    """neard's answers, one for each method that is asked for."""
    handlers = iter([answer(one) for one in answers])

    def tell(peer: Peer) -> None:
        next(handlers)(peer)

    return ask(tell, epoch_rules)


def test_counts_by_shard() -> None:
    assert counts(OTHER, ENTRY) == EpochCounts(
        500,
        Counted(9, 10),
        Counted(29, 30),
        Counted(7, 8),
        (ShardCount(2, Counted(19, 20), 1), ShardCount(5, Counted(10, 10), 2)),
    )
    assert counts(OTHER) is None


def test_an_old_neard_counts_neither_endorsements_nor_shards() -> None:
    old = {name: value for name, value in ENTRY.items() if "endorse" not in name}
    found = counts({**old, "num_produced_chunks_per_shard": [0, 0], "num_expected_chunks_per_shard": [0, 0]})
    assert found is not None
    assert (found.endorsements, found.shards) == (Counted(0, 0), ())
    bare = {name: value for name, value in old.items() if "per_shard" not in name}
    found = counts(bare)
    assert found is not None
    assert found.shards == ()


@pytest.mark.parametrize(
    "change",
    [
        {"num_produced_blocks": -1},
        {"num_produced_blocks": 11},
        {"num_expected_chunks": True},
        {"num_expected_chunks": "30"},
        {"num_expected_chunks": 1 << 63},
        {"shards": [2]},
        {"shards": [2, 2]},
        {"shards": [2, None]},
        {"shards": {"2": 5}},
        {"num_produced_chunks_per_shard": [21, 10]},
        {"num_produced_chunks_per_shard": [1]},
        {"num_produced_chunks_per_shard": None},
        {
            "shards": list(range(257)),
            "num_produced_chunks_per_shard": [1] * 257,
            "num_expected_chunks_per_shard": [1] * 257,
        },
    ],
)
def test_counts_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RpcError, match="validators that makes no sense"):
        counts({**ENTRY, **change})


@pytest.mark.parametrize("entries", [[7], [{}], [None], [[]]])
def test_entries_that_are_none_are_refused(entries: list[Any]) -> None:
    with pytest.raises(RpcError):
        counts(*entries)


def test_rules_of_the_epoch() -> None:
    told = {
        "protocol_version": 87,
        "epoch_length": 60,
        "block_producer_kickout_threshold": 90,
        "chunk_producer_kickout_threshold": 85,
        "chunk_validator_only_kickout_threshold": 75,
    }
    found = rules({"result": told})
    assert (found.epoch_length, found.protocol, found.source) == (60, 87, "protocol_config")
    assert (found.block_percent, found.chunk_percent, found.endorsement_percent) == (90, 85, 75)


UNKNOWN = {"error": {"cause": {"name": "METHOD_NOT_FOUND"}}}


def test_where_neard_does_not_tell_the_genesis_does_and_at_last_mainnet() -> None:
    found = rules(UNKNOWN, {"result": {"protocol_version": 29, "epoch_length": 60}})
    assert (found.epoch_length, found.protocol, found.source) == (60, None, "genesis_config")
    assert (found.block_percent, found.endorsement_percent) == (80, 70)
    assert rules(UNKNOWN, UNKNOWN) == MAINNET


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {"epoch_length": 0},
        {"epoch_length": 60, "block_producer_kickout_threshold": 101},
        {"epoch_length": "60"},
    ],
)
def test_rules_that_make_no_sense_count_for_nothing(odd: Any) -> None:
    assert rules({"result": odd}, {"result": odd}) == MAINNET


def test_a_neard_that_does_not_answer_has_no_rules() -> None:
    with pytest.raises(RpcError, match="no answer within"):
        ask(hang, epoch_rules, 0.3)
