"""Chunks, and who has endorsed them."""

from typing import Any

import pytest

from localneard.chunks import Chunk, Endorsement, Pool
from localneard.keys import Key
from localneard.schedule import Count, Epoch, Validator, count_block

KEYS = [Key.from_name(f"node{number}", f"node{number}") for number in range(4)]
EPOCH = Epoch("1", 1, b"seed", tuple(Validator(key.account_id, key.public_key, 1) for key in KEYS), {})


def endorsed(pool: Pool, chunk: Chunk, *numbers: int) -> str:
    for number in numbers:
        pool.add_endorsement(Endorsement.make(chunk, KEYS[number]))
    return pool.endorsements("head", 5, KEYS[0].public_key, EPOCH)


def test_a_chunk_counts_when_more_than_two_thirds_have_endorsed_it() -> None:
    pool, chunk = Pool(), Chunk.make("head", 5, KEYS[0])
    # Endorsements may come before the chunk.
    assert endorsed(pool, chunk, 0, 1, 3) == ""
    assert pool.add_chunk(chunk)
    assert not pool.add_chunk(chunk)
    assert endorsed(pool, chunk) == "1101"
    assert endorsed(pool, chunk, 2) == "1111"
    assert pool.endorsements("head", 6, KEYS[0].public_key, EPOCH) == ""
    assert pool.endorsements("head", 5, KEYS[1].public_key, EPOCH) == ""
    assert pool.endorsements("other", 5, KEYS[0].public_key, EPOCH) == ""


def test_two_chunks_by_one_key_differ_and_share_no_endorsements() -> None:
    pool = Pool()
    first, second = (Chunk.make("head", 5, KEYS[0]) for _ in range(2))
    assert first.hash != second.hash
    pool.add_chunk(first)
    pool.add_chunk(second)
    assert endorsed(pool, first, 0, 1) == ""
    assert endorsed(pool, second, 2, 3) == ""


def test_only_the_last_blocks_are_kept() -> None:
    pool = Pool()
    chunks = [Chunk.make(f"block{number}", number, KEYS[0]) for number in range(40)]
    for chunk in chunks:
        pool.add_chunk(chunk)
        pool.add_endorsement(Endorsement.make(chunk, KEYS[0]))
    assert pool.chunks_on("block0") == []
    assert pool.chunks_on("block39") == [chunks[39]]


def test_they_arrive_as_they_were_sent_and_forged_ones_do_not() -> None:
    chunk = Chunk.make("head", 5, KEYS[0])
    endorsement = Endorsement.make(chunk, KEYS[1])
    assert Chunk.from_wire(chunk.to_wire()) == chunk
    assert Endorsement.from_wire(endorsement.to_wire()) == endorsement
    changes: list[dict[str, Any]] = [{"height": 6}, {"parent": "x"}, {"key": KEYS[2].public_key}]
    for change in changes:
        with pytest.raises(ValueError, match="bad signature"):
            Chunk.from_wire({**chunk.to_wire(), **change})
        with pytest.raises(ValueError, match="bad signature"):
            Endorsement.from_wire({**endorsement.to_wire(), **change})
    for change in ({"height": -1}, {"height": True}, {"parent": 5}, {"parent": "x" * 200}, {"key": None}):
        with pytest.raises(ValueError, match="without"):
            Chunk.from_wire({**chunk.to_wire(), **change})
        with pytest.raises(ValueError, match="without"):
            Endorsement.from_wire({**endorsement.to_wire(), **change})


def test_chunks_and_endorsements_are_counted_as_neard_counts_them() -> None:
    # Whoever makes the block at 3 on the one at 0 puts in the chunk of height 1.
    counts = count_block({}, EPOCH, 0, 3, "1101")
    chunk_producer = EPOCH.producer(1).account_id
    assert counts[chunk_producer].chunks == counts[chunk_producer].chunks_expected == 1
    assert sum(count.chunks_expected for count in counts.values()) == 1
    assert sum(count.expected for count in counts.values()) == 3
    assert sum(count.produced for count in counts.values()) == 1
    endorsements = {name: (one.endorsements, one.endorsements_expected) for name, one in counts.items()}
    assert endorsements == {"node0": (1, 1), "node1": (1, 1), "node2": (0, 1), "node3": (1, 1)}
    without = count_block({}, EPOCH, 0, 1, "")
    assert without == {chunk_producer: Count(1, 1, 0, 1, 0, 0)}
