"""Approvals: how many it takes, which count, and when one height more is approved."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from localneard.approvals import MAX_HEIGHTS_AHEAD, Approval, Approver, Votes
from localneard.block import Block
from localneard.chain import Chain
from localneard.config import ConsensusConfig
from localneard.genesis import build_genesis, read_genesis
from localneard.keys import Key
from localneard.schedule import Epoch, Validator
from localneard.store import Store

KEYS = [Key.from_name(f"node{number}", f"node{number}") for number in range(4)]


def epoch(*stakes: int) -> Epoch:
    seats = zip(KEYS, stakes, strict=False)
    return Epoch(
        "1", 1, b"seed", tuple(Validator(key.account_id, key.public_key, stake) for key, stake in seats), {}
    )


def approvals(target: int, *numbers: int, parent: str = "head") -> list[Approval]:
    return [Approval.make(parent, target, KEYS[number]) for number in numbers]


@pytest.mark.parametrize(
    ("stakes", "voters", "enough"),
    [
        ((1,), [0], True),
        ((3, 3, 3, 3), [0, 1], False),
        ((3, 3, 3, 3), [0, 1, 3], True),
        # Two of three are two thirds, and it takes more.
        ((3, 3, 3), [0, 1], False),
        ((3, 3, 3), [0, 1, 2], True),
        ((90, 5, 5), [0], True),
        ((60, 20, 20), [1, 2], False),
    ],
)
def test_it_takes_more_than_two_thirds_of_the_stake(
    stakes: tuple[int, ...], voters: list[int], enough: bool
) -> None:
    votes = Votes()
    for place, vote in enumerate(approvals(5, *voters)):
        assert votes.add(vote, 4, float(place))
    found = votes.ready("head", epoch(*stakes))
    assert found == ([(5, float(len(voters) - 1))] if enough else [])


def test_a_vote_counts_once_for_its_height_and_parent_and_not_for_others() -> None:
    votes = Votes()
    first, second, third = approvals(5, 0, 1, 2)
    assert votes.add(first, 4, 1.0)
    assert not votes.add(first, 4, 2.0)
    votes.add(second, 4, 2.0)
    votes.add(approvals(6, 2)[0], 4, 2.0)
    votes.add(approvals(5, 2, parent="fork")[0], 4, 2.0)
    assert votes.ready("head", epoch(1, 1, 1, 1)) == []
    votes.add(third, 4, 3.0)
    assert votes.ready("head", epoch(1, 1, 1, 1)) == [(5, 3.0)]


def test_votes_of_different_times_add_up_and_the_lowest_height_comes_first() -> None:
    votes = Votes()
    for target, number, at in (
        (7, 0, 1.0),
        (7, 1, 30.0),
        (7, 2, 60.0),
        (6, 3, 2.0),
        (6, 0, 2.5),
        (6, 1, 70.0),
    ):
        votes.add(approvals(target, number)[0], 4, at)
    assert votes.ready("head", epoch(1, 1, 1, 1)) == [(6, 70.0), (7, 60.0)]
    votes.forget_below(6)
    assert votes.ready("head", epoch(1, 1, 1, 1)) == [(7, 60.0)]


def test_nothing_is_kept_for_heights_that_are_over_or_far_ahead() -> None:
    votes = Votes()
    assert not votes.add(approvals(4, 0)[0], 4, 1.0)
    assert not votes.add(approvals(5 + MAX_HEIGHTS_AHEAD, 0)[0], 4, 1.0)
    assert votes.add(approvals(4 + MAX_HEIGHTS_AHEAD, 0)[0], 4, 1.0)


def test_an_approval_arrives_as_it_was_sent_and_forged_ones_do_not() -> None:
    (one,) = approvals(5, 0)
    assert Approval.from_wire(one.to_wire()) == one
    forged: list[dict[str, Any]] = [{"target": 6}, {"parent": "x"}, {"key": KEYS[1].public_key}]
    for change in [*forged, {"signature": None}]:
        with pytest.raises(ValueError, match="bad signature"):
            Approval.from_wire({**one.to_wire(), **change})
    shapeless: list[dict[str, Any]] = [{"target": -1}, {"target": True}, {"parent": 5}, {"key": 5}]
    for change in [*shapeless, {"parent": "x" * 200}]:
        with pytest.raises(ValueError, match=r"makes no sense|without a key"):
            Approval.from_wire({**one.to_wire(), **change})


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    accounts = [(key.account_id, key.public_key) for key in KEYS]
    (tmp_path / "genesis.json").write_text(json.dumps(build_genesis("test", accounts, validators=4)))
    genesis = read_genesis(tmp_path / "genesis.json")
    return Chain(genesis, Store(tmp_path, genesis.hash))


def test_the_next_height_is_approved_at_once_and_one_more_after_each_delay(chain: Chain) -> None:
    sent: list[tuple[int, int]] = []
    syncing = [True]
    consensus = ConsensusConfig(1, 0.05, 0.1, 0.2, 1)

    def approve(head: Block, target: int) -> None:
        sent.append((head.height, target))

    async def run() -> None:
        approver = Approver(chain, consensus, lambda: syncing[0], approve)
        approver.refresh()
        assert sent == []
        syncing[0] = False
        approver.refresh()
        approver.refresh()
        assert sent == [(0, 1)]
        async with asyncio.timeout(10):
            while len(sent) < 3:
                await asyncio.sleep(0.01)
        assert sent[:3] == [(0, 1), (0, 2), (0, 3)]
        producer = chain.following(chain.head).epoch.producer(1)
        key = next(key for key in KEYS if key.account_id == producer.account_id)
        chain.accept(chain.propose(1, key))
        del sent[2:]
        approver.refresh()
        # Height 2 is over: others have been told so.
        assert (1, 2) not in sent
        async with asyncio.timeout(10):
            while len(sent) < 3:
                await asyncio.sleep(0.01)
        approver.stop()
        assert sent[2][0] == 1
        assert sent[2][1] >= 3

    asyncio.run(run())


def test_a_height_is_waited_for_longer_the_further_the_last_final_block_is_off(chain: Chain) -> None:
    async def run() -> None:
        approver = Approver(chain, ConsensusConfig(1, 1.0, 2.0, 2.5, 1), lambda: True, lambda *_: None)
        approver.refresh()
        delays = []
        for height in range(1, 12):
            approver._height = height
            delays.append(round(approver.skip_delay(), 3))
        # The maximum, a tenth more for each height from the third on, and no more than the wait's maximum.
        assert delays == [2.0, 2.0, 2.2, 2.4, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5]

    asyncio.run(run())
