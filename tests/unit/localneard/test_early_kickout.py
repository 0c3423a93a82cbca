"""EarlyKickout in the stand-in: who loses a shard's chunks, when, and that nothing brings them back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafailover.near.epoch import Counted
from hafailover.observe.budget import EARLY_KICKOUT
from localneard.block import Block
from localneard.chain import Chain, Verdict
from localneard.early_kickout import EarlyKickout
from localneard.errors import BadFileError
from localneard.genesis import Genesis, build_genesis, read_genesis
from localneard.keys import Key
from localneard.schedule import Count, Epoch, Validator, epoch_seed
from localneard.store import Store

KEYS = {name: Key.from_name(name, name) for name in ("node0", "node1", "node2")}
RULE = {"grace_blocks": 40, "min_missed": 5, "percent": 80}


def genesis(folder: Path, **changes: Any) -> Genesis:
    accounts = [(name, key.public_key) for name, key in KEYS.items()]
    document = build_genesis("test", accounts, validators=3, epoch_length=200)
    document |= {"genesis_time": "2026-01-01T00:00:00.000000000Z", **changes}
    (folder / "genesis.json").write_text(json.dumps(document))
    return read_genesis(folder / "genesis.json")


def chain(folder: Path, protocol: int = 87) -> Chain:
    start = genesis(folder, protocol_version=protocol, localneard_early_kickout=RULE)
    return Chain(start, Store(folder, start.hash))


def grow(one: Chain, blocks: int, down: str | None) -> list[tuple[str, bool]]:
    """Let it grow; who is down makes no chunk. Whose chunk each was, and whether it came."""
    made = []
    for _ in range(blocks):
        due = one.chunk_producer(one.head).account_id
        height = one.head.height + 1
        epoch = one.following(one.head).epoch
        seats = "1" * len(epoch.validators) if due != down else ""
        block: Block = one.propose(height, KEYS[epoch.producer(height).account_id], seats)
        assert one.accept(block).verdict is Verdict.HEAD
        made.append((due, due != down))
    return made


def counts(one: Chain) -> dict[str, tuple[int, int]]:
    return {name: (count.chunks, count.chunks_expected) for name, count in one.epoch_so_far().counts.items()}


def test_who_misses_too_many_gets_no_more_until_the_epoch_ends(tmp_path: Path) -> None:
    one = chain(tmp_path)
    before = grow(one, 40, "node1")
    assert sum(due == "node1" for due, _ in before) > 5, "the grace lets it go on missing"
    lost = counts(one)["node1"]
    # It is back, and yet gets nothing; the others make what would be its own.
    after = grow(one, 150, None)
    assert {due for due, _ in after} == {"node0", "node2"}
    assert counts(one)["node1"] == lost
    assert counts(one)["node0"][0] + counts(one)["node2"][0] == 40 - lost[1] + 150
    # The next epoch begins with clean counts.
    assert "node1" in {due for due, _ in grow(one, 60, None)}


def test_below_protocol_87_nobody_loses_chunks(tmp_path: Path) -> None:
    one = chain(tmp_path, protocol=86)
    grow(one, 40, "node1")
    assert "node1" in {due for due, _ in grow(one, 40, None)}


def test_a_chain_found_again_on_disk_has_the_same_producers(tmp_path: Path) -> None:
    one = chain(tmp_path)
    grow(one, 90, "node1")
    due = one.chunk_producer(one.head)
    found = counts(one)
    one.store.close()
    again = chain(tmp_path)
    assert again.chunk_producer(again.head) == due
    assert counts(again) == found


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), min_size=3, max_size=3))
def test_the_rule_is_the_one_that_budgets_are_told_by(figures: list[tuple[int, int]]) -> None:
    """And the best of all that are bad stays."""
    seats = tuple(Validator(f"node{number}", f"key{number}", 1) for number in range(3))
    epoch = Epoch("id", 1, epoch_seed("genesis", "x"), seats, {})
    produced = {f"node{number}": (made, made + missed) for number, (made, missed) in enumerate(figures)}
    given_counts = {name: Count(chunks=made, chunks_expected=due) for name, (made, due) in produced.items()}
    out = EarlyKickout().out(epoch, given_counts)
    bad = {name for name, (made, due) in produced.items() if EARLY_KICKOUT.takes(Counted(made, due))}
    assert out <= bad
    if len(bad) < 3:
        assert out == bad
    else:
        (kept,) = bad - out
        shares = {name: made / due for name, (made, due) in produced.items()}
        assert shares[kept] == max(shares.values())


@pytest.mark.parametrize(
    ("own", "text"),
    [
        (7, "localneard_early_kickout must be an object"),
        ({"grace": 1}, "localneard_early_kickout.grace is none of grace_blocks, min_missed, percent"),
        ({"min_missed": 0}, "localneard_early_kickout.min_missed must be at least 1"),
        ({"percent": "80"}, "localneard_early_kickout.percent must be a whole number"),
    ],
)
def test_figures_that_cannot_be_are_refused(tmp_path: Path, own: Any, text: str) -> None:
    with pytest.raises(BadFileError, match=text):
        genesis(tmp_path, protocol_version=87, localneard_early_kickout=own)


def test_without_figures_of_its_own_a_genesis_has_nears(tmp_path: Path) -> None:
    assert genesis(tmp_path, protocol_version=87).early_kickout == EarlyKickout(1000, 100, 80)
    assert genesis(tmp_path).early_kickout is None
