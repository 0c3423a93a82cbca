"""The chain of one node: what it takes, what it refuses, and what it finds again on disk."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from localneard.block import Block
from localneard.chain import BLOCKS_IN_MEMORY, Chain, Verdict
from localneard.clock import wall_ns
from localneard.errors import NodeError
from localneard.genesis import Genesis, build_genesis, read_genesis
from localneard.keys import Key
from localneard.store import DataLock, Store

KEYS = {name: Key.from_name(name, name) for name in ("node0", "node1", "node2")}


def genesis(folder: Path, epoch_length: int = 10) -> Genesis:
    accounts = [(name, key.public_key) for name, key in KEYS.items()]
    document = build_genesis("test", accounts, validators=3, epoch_length=epoch_length)
    document["genesis_time"] = "2026-01-01T00:00:00.000000000Z"
    (folder / "genesis.json").write_text(json.dumps(document))
    return read_genesis(folder / "genesis.json")


@pytest.fixture
def new_chain(tmp_path: Path) -> Callable[[str], Chain]:
    def make(name: str) -> Chain:
        (tmp_path / name).mkdir(exist_ok=True)
        start = genesis(tmp_path)
        return Chain(start, Store(tmp_path / name, start.hash))

    return make


@pytest.fixture
def chain(new_chain: Callable[[str], Chain]) -> Chain:
    return new_chain("data")


def block_at(chain: Chain, height: int) -> Block:
    """A good block for a height on the chain's head."""
    epoch = chain.following(chain.head).epoch
    return chain.propose(height, KEYS[epoch.producer(height).account_id], "1" * len(epoch.validators))


def grow(chain: Chain, heights: int, skip: int = 0) -> list[Block]:
    """Let the chain grow by some blocks, leaving out `skip` heights before the first."""
    blocks = []
    for _ in range(heights):
        block = block_at(chain, chain.head.height + 1 + skip)
        skip = 0
        assert chain.accept(block).verdict is Verdict.HEAD
        blocks.append(block)
    return blocks


def test_the_chain_grows_and_is_found_again_on_disk(chain: Chain, new_chain: Callable[[str], Chain]) -> None:
    assert chain.head.hash == chain.genesis.hash
    blocks = grow(chain, 25)
    assert [chain.block_at(one.height) for one in blocks] == blocks
    assert chain.final == blocks[-3]
    counts = chain.epoch_so_far().counts
    chain.store.close()
    again = new_chain("data")
    assert again.head == blocks[-1]
    assert again.block_at(7) == blocks[6]
    assert again.epoch_so_far().counts == counts
    grow(again, 1)


def test_the_same_block_twice_is_known_and_no_double_sign(chain: Chain) -> None:
    (block,) = grow(chain, 1)
    accepted = chain.accept(Block.from_wire(block.to_wire()))
    assert (accepted.verdict, accepted.conflicts) == (Verdict.KNOWN, ())


def test_a_second_block_by_one_signer_is_kept_as_evidence_and_moves_nothing(chain: Chain) -> None:
    first, second = block_at(chain, 1), block_at(chain, 1)
    assert first.hash != second.hash
    chain.accept(first)
    accepted = chain.accept(second)
    assert (accepted.verdict, accepted.conflicts) == (Verdict.SIDE, (first.hash,))
    assert chain.head == first
    # Evidence, however late it comes.
    grow(chain, 5)
    third = replace(first, timestamp=first.timestamp + 7).signed_by(KEYS[first.author])
    assert set(chain.accept(third).conflicts) == {first.hash, second.hash}


def test_the_higher_branch_wins_and_the_blocks_of_the_other_are_kept(
    chain: Chain, new_chain: Callable[[str], Chain]
) -> None:
    other = new_chain("other")
    common = grow(chain, 3)
    for block in common:
        other.accept(block)
    grow(chain, 4)
    lost = chain.head
    branch = grow(other, 6, skip=1)
    verdicts = [chain.accept(block).verdict for block in branch]
    assert verdicts == [Verdict.SIDE] * 3 + [Verdict.HEAD] * 3
    assert chain.head == other.head
    assert [chain.block_at(height) for height in range(4, 11)] == [
        other.block_at(height) for height in range(4, 11)
    ]
    assert chain.block(lost.hash) == lost
    assert chain.epoch_so_far() == other.epoch_so_far()


def test_a_block_without_its_predecessor_waits_for_it(
    chain: Chain, new_chain: Callable[[str], Chain]
) -> None:
    other = new_chain("other")
    first, second = grow(other, 2)
    assert chain.accept(second).verdict is Verdict.ORPHAN
    assert chain.block(second.hash) is None
    assert [chain.accept(block).verdict for block in (first, second)] == [Verdict.HEAD] * 2


def test_what_breaks_the_rules_is_refused(chain: Chain) -> None:
    grow(chain, 2)
    good = block_at(chain, 3)
    author = KEYS[good.author]
    stranger = next(key for name, key in KEYS.items() if name != good.author)
    outsider = Key.from_name("node9", "node9")
    wrong = {
        "bad signature": replace(good, timestamp=good.timestamp + 1),
        "is no validator": replace(good, author="node9", public_key=outsider.public_key).signed_by(outsider),
        "is not the producer": replace(
            good, author=stranger.account_id, public_key=stranger.public_key
        ).signed_by(stranger),
        "wrong epoch": replace(good, ordinal=9).signed_by(author),
        "height 3 on 2": replace(good, prev_height=1).signed_by(author),
        "not after": replace(good, timestamp=chain.head.timestamp).signed_by(author),
        "in the future": replace(good, timestamp=wall_ns() + 200 * 10**9).signed_by(author),
    }
    for reason, block in wrong.items():
        accepted = chain.accept(block)
        assert accepted.verdict is Verdict.INVALID, reason
        assert reason in accepted.reason
    assert chain.accept(good).verdict is Verdict.HEAD


@pytest.mark.parametrize(
    "values", [None, [], [1] * 11, ["x"] * 11, [True, *[1] * 10], [-1, 0, "", "", "", 0, 0, "", "", 0, ""]]
)
def test_what_is_no_block_is_refused(values: object) -> None:
    with pytest.raises(ValueError, match=r"of a block|a block is"):
        Block.from_wire(values)


def test_epochs_follow_each_other_and_the_idle_are_left_out_two_later(chain: Chain) -> None:
    missing = chain.head_epoch.producer(1).account_id
    while chain.head_epoch.number < 3:
        height = chain.head.height + 1
        while chain.following(chain.head).epoch.producer(height).account_id == missing:
            height += 1
        chain.accept(block_at(chain, height))
    first = chain.block_at(chain.head.epoch_start)
    assert first is not None
    assert chain.ends_epoch(chain.parent(first))
    epoch = chain.head_epoch
    assert epoch.seat(missing) is None
    assert list(epoch.kicked) == [missing]
    second = chain.parent(first)
    assert chain.need_epoch(second.epoch_id).seat(missing) is not None
    assert epoch.epoch_id == chain.parent(chain.block_at(second.epoch_start) or first).hash
    assert chain.ended_epoch(second.epoch_id) == second
    assert chain.ended_epoch(epoch.epoch_id) is None


def test_another_node_finds_where_its_chain_parts(chain: Chain, new_chain: Callable[[str], Chain]) -> None:
    other = new_chain("other")
    for block in grow(chain, 30):
        other.accept(block)
    grow(other, 5)
    branch = grow(chain, 8, skip=1)
    after = chain.blocks_after(other.locator(), 100)
    assert after[-8:] == branch
    assert chain.blocks_after(["nonsense", chain.head.hash], 100) == []
    assert chain.blocks_after([chain.genesis.hash], 5) == [chain.block_at(height) for height in range(1, 6)]
    assert len(chain.locator()) < 20


def test_memory_holds_only_the_last_blocks(chain: Chain) -> None:
    grow(chain, BLOCKS_IN_MEMORY + 50)
    assert len(chain._blocks) == BLOCKS_IN_MEMORY
    assert chain.block_at(1) is not None


def test_a_torn_end_of_the_log_costs_blocks_but_no_chain(
    chain: Chain, new_chain: Callable[[str], Chain], tmp_path: Path
) -> None:
    blocks = grow(chain, 8)
    (tmp_path / "torn").mkdir()
    for name in ("chain.sqlite3", "chain.sqlite3-wal"):
        (tmp_path / "torn" / name).write_bytes((tmp_path / "data" / name).read_bytes())
    with (tmp_path / "torn" / "chain.sqlite3-wal").open("r+b") as log:
        log.truncate(log.seek(0, 2) - 100)
    torn = new_chain("torn")
    assert torn.head == blocks[-2]
    assert torn.accept(blocks[-1]).verdict is Verdict.HEAD


def test_a_folder_serves_one_process_and_one_genesis(chain: Chain, tmp_path: Path) -> None:
    lock = DataLock(tmp_path / "data")
    with pytest.raises(NodeError, match="another process holds LOCK"):
        DataLock(tmp_path / "data")
    lock.release()
    DataLock(tmp_path / "data").release()
    with pytest.raises(NodeError, match=r"holds the chain of another genesis\.json"):
        Store(tmp_path / "data", "other")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "chain.sqlite3").write_bytes(b"not a database" * 1000)
    with pytest.raises(NodeError, match="cannot open the database"):
        Store(tmp_path / "bad", "x")
    assert chain.head == chain.genesis_block
