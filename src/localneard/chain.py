"""The chain as one node knows it: a tree of checked blocks whose highest one is the head.

A block with a height at or below the head's never moves it: of two blocks at one height, the first to arrive
stays. Blocks outside the chain are kept, both to build on and as evidence.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from localneard.block import Block, genesis_block
from localneard.clock import boottime, wall_ns
from localneard.genesis import Genesis
from localneard.keys import Key
from localneard.schedule import (
    FIRST_EPOCH_ID,
    Counts,
    Epoch,
    Validator,
    count_block,
    epoch_seed,
    kickouts,
)
from localneard.store import Store

BLOCKS_IN_MEMORY = 2000
_EPOCHS_IN_MEMORY = 8
_COUNTS_IN_MEMORY = 64
# neard's ACCEPTABLE_TIME_DIFFERENCE, 12 * 10 s (chain/chain/src/chain.rs).
MAX_FUTURE_NS = 120 * 1_000_000_000


class Verdict(Enum):
    """What became of a block."""

    KNOWN = "known"
    INVALID = "invalid"
    ORPHAN = "orphan"
    SIDE = "side"
    HEAD = "head"


@dataclass(frozen=True)
class Accepted:
    """The outcome of `Chain.accept`; `conflicts` are other blocks by the same signer at the same height."""

    verdict: Verdict
    reason: str = ""
    conflicts: tuple[str, ...] = ()


class Following(NamedTuple):
    """What is fixed for every block that builds on a given one. `starts` says that it begins an epoch."""

    epoch: Epoch
    next_epoch_id: str
    epoch_start: int
    starts: bool


class EpochResult(NamedTuple):
    """An epoch up to some block: who has it, where it began, and what was produced in it."""

    epoch: Epoch
    next_epoch_id: str
    start: int
    counts: Counts


class Chain:
    """Blocks, epochs and the head. For one thread; sqlite3.Error is passed on."""

    def __init__(self, genesis: Genesis, store: Store) -> None:
        """Open the chain where the store left it."""
        self.genesis = genesis
        self.store = store
        self.genesis_block = genesis_block(genesis)
        self._signers = {(one.account_id, one.public_key) for one in genesis.validators}
        self._blocks: OrderedDict[str, Block] = OrderedDict()
        self._epochs: OrderedDict[str, Epoch] = OrderedDict()
        self._counts: OrderedDict[str, Counts] = OrderedDict()
        if store.epoch(FIRST_EPOCH_ID) is None:
            with store.transaction():
                for number, epoch_id in enumerate((FIRST_EPOCH_ID, genesis.hash)):
                    seed = epoch_seed(genesis.hash, epoch_id)
                    epoch = Epoch(epoch_id, number + 1, seed, genesis.validators, {})
                    store.add_epoch(epoch_id, epoch.to_json())
        head = store.head_hash()
        self.head = self.genesis_block if head is None else self._need(head)
        self.head_since = boottime()
        """When the head was produced, as far as known, in seconds since boot."""

    # ---- looking up ----

    def block(self, block_hash: str) -> Block | None:
        """Return a checked block by its hash, whether it is in the chain or beside it."""
        if block_hash == self.genesis_block.hash:
            return self.genesis_block
        if (block := self._blocks.get(block_hash)) is not None:
            return block
        found = self.store.block(block_hash)
        if found is None or not found[1]:
            return None
        self._remember(found[0])
        return found[0]

    def block_at(self, height: int) -> Block | None:
        """Return the chain's block at a height."""
        if height == self.genesis.height:
            return self.genesis_block
        block_hash = self.store.hash_at(height)
        return None if block_hash is None else self.block(block_hash)

    def parent(self, block: Block) -> Block:
        """Return a block's predecessor; the first block is its own."""
        return self.genesis_block if block.height == self.genesis.height else self._need(block.prev_hash)

    @property
    def final(self) -> Block:
        """The last block that counts as final: two below the head."""
        return self.parent(self.parent(self.head))

    def epoch(self, epoch_id: str) -> Epoch | None:
        """Return an epoch's validators, known from two epochs before it begins."""
        if (epoch := self._epochs.get(epoch_id)) is None:
            document = self.store.epoch(epoch_id)
            if document is None:
                return None
            epoch = self._epochs[epoch_id] = Epoch.from_json(document)
            if len(self._epochs) > _EPOCHS_IN_MEMORY:
                self._epochs.popitem(last=False)
        return epoch

    def need_epoch(self, epoch_id: str) -> Epoch:
        """Return the epoch of a block that was checked."""
        epoch = self.epoch(epoch_id)
        assert epoch is not None, epoch_id
        return epoch

    @property
    def head_epoch(self) -> Epoch:
        """The epoch of the head."""
        return self.need_epoch(self.head.epoch_id)

    def ends_epoch(self, block: Block) -> bool:
        """Say whether the block after this one begins an epoch."""
        return block.height >= block.epoch_start + self.genesis.epoch_length - 1

    def following(self, block: Block) -> Following:
        """Return what is fixed for the blocks that build on this one."""
        if self.ends_epoch(block):
            return Following(self.need_epoch(block.next_epoch_id), block.hash, -1, True)
        return Following(self.need_epoch(block.epoch_id), block.next_epoch_id, block.epoch_start, False)

    def chunk_producer(self, parent: Block) -> Validator:
        """Return who is to make the chunk of the block after this one, that of the next height."""
        rules, height = self.following(parent), parent.height + 1
        if rules.starts:
            return self._chunk_producer(rules.epoch, {}, height, height)
        return self._chunk_producer(rules.epoch, self._counts_at(parent), rules.epoch_start, height)

    def _chunk_producer(self, epoch: Epoch, counts: Counts, start: int, height: int) -> Validator:
        rule = self.genesis.early_kickout
        return epoch.producer(height) if rule is None else rule.chunk_producer(epoch, counts, start, height)

    def epoch_so_far(self, block: Block | None = None) -> EpochResult:
        """Return how the epoch of a block, by default the head, stands with it."""
        block = block or self.head
        epoch = self.need_epoch(block.epoch_id)
        return EpochResult(epoch, block.next_epoch_id, block.epoch_start, self._counts_at(block))

    def ended_epoch(self, epoch_id: str) -> Block | None:
        """Return the last block of an epoch that has ended in this chain."""
        for block_hash in self.store.result_hashes(epoch_id):
            block = self.block(block_hash)
            if block is not None and self.block_at(block.height) == block and block != self.head:
                return block
        return None

    def locator(self) -> list[str]:
        """Return hashes of the chain, ever further apart: by them another node finds where its own parts."""
        hashes, height, step = [], self.head.height, 1
        while height > self.genesis.height:
            block_hash = self.store.hash_at_or_below(height)
            if block_hash is None:
                break
            if block_hash not in hashes:
                hashes.append(block_hash)
            height -= step
            step = step * 2 if len(hashes) > 4 else 1
        return [*hashes, self.genesis_block.hash]

    def blocks_after(self, locator: list[str], limit: int) -> list[Block]:
        """Return the chain's blocks above the first of some hashes that is in it."""
        for block_hash in locator:
            block = self.block(block_hash)
            if block is not None and self.block_at(block.height) == block:
                return self.store.blocks_from(block.height + 1, limit)
        return []

    # ---- growing ----

    def propose(self, height: int, key: Key, endorsements: str = "") -> Block:
        """Return a signed block for a height above the head; `endorsements` as in `Block`."""
        parent, rules = self.head, self.following(self.head)
        return Block(
            height=height,
            prev_height=parent.height,
            prev_hash=parent.hash,
            epoch_id=rules.epoch.epoch_id,
            next_epoch_id=rules.next_epoch_id,
            epoch_start=height if rules.starts else rules.epoch_start,
            ordinal=parent.ordinal + 1,
            author=key.account_id,
            public_key=key.public_key,
            timestamp=max(wall_ns(), parent.timestamp + 1),
            endorsements=endorsements,
            signature="",
        ).signed_by(key)

    def accept(self, block: Block, age_s: float = 0.0) -> Accepted:
        """Check and keep a block; `age_s` is how long ago it was produced, as far as known."""
        found = self.store.block(block.hash)
        if found is not None and found[1]:
            return Accepted(Verdict.KNOWN)
        if (block.author, block.public_key) not in self._signers:
            return Accepted(Verdict.INVALID, f"{block.author} with {block.public_key} is no validator")
        if not block.is_signed():
            return Accepted(Verdict.INVALID, "bad signature")
        conflicts: tuple[str, ...] = ()
        if found is None:
            conflicts = tuple(self.store.hashes_signed(block.height, block.public_key))
        parent = self.block(block.prev_hash)
        if parent is None:
            if found is None:
                self.store.add_block(block, attached=False, first_seen=boottime())
            return Accepted(Verdict.ORPHAN, conflicts=conflicts)
        if problem := self._problem(block, parent):
            return Accepted(Verdict.INVALID, problem)
        return Accepted(self._attach(block, parent, age_s), conflicts=conflicts)

    def _problem(self, block: Block, parent: Block) -> str | None:
        rules = self.following(parent)
        if block.prev_height != parent.height or block.height <= parent.height:
            return f"height {block.height} on {parent.height}"
        start = block.height if rules.starts else rules.epoch_start
        given = (block.epoch_id, block.next_epoch_id, block.epoch_start, block.ordinal)
        if given != (rules.epoch.epoch_id, rules.next_epoch_id, start, parent.ordinal + 1):
            return "wrong epoch"
        producer = rules.epoch.producer(block.height)
        if (block.author, block.public_key) != (producer.account_id, producer.public_key):
            return f"{block.author} is not the producer of height {block.height}"
        if block.endorsements and (
            len(block.endorsements) != len(rules.epoch.validators) or not {*block.endorsements} <= {"0", "1"}
        ):
            return "endorsements of other seats than the epoch's"
        if block.timestamp <= parent.timestamp:
            return "timestamp not after its predecessor's"
        if block.timestamp > wall_ns() + MAX_FUTURE_NS:
            return "timestamp in the future; check the machines' clocks"
        return None

    def _attach(self, block: Block, parent: Block, age_s: float) -> Verdict:
        now = boottime()
        is_head = block.height > self.head.height
        self._remember(block)
        with self.store.transaction():
            self.store.add_block(block, attached=True, first_seen=now)
            if self.ends_epoch(block):
                self._end_epoch(block)
            if is_head:
                branch = list(self._branch(block, parent))
                self.store.set_chain(branch[0].prev_height, branch)
        if not is_head:
            return Verdict.SIDE
        self.head = block
        self.head_since = now - max(0.0, age_s)
        return Verdict.HEAD

    def _branch(self, block: Block, parent: Block) -> Iterator[Block]:
        """Return the blocks down to where they leave the present chain, lowest first."""
        branch = [block]
        while parent.height > self.genesis.height and self.store.hash_at(parent.height) != parent.hash:
            branch.append(parent)
            parent = self.parent(parent)
        return reversed(branch)

    def _end_epoch(self, last: Block) -> None:
        """Fix the validators of the epoch after the next, which this block gives its name."""
        counts = self._counts_at(last)
        seats = self.need_epoch(last.next_epoch_id).validators
        kicked: dict[str, Any] = kickouts(
            seats,
            counts,
            block_percent=self.genesis.block_kickout_percent,
            chunk_percent=self.genesis.chunk_kickout_percent,
            max_stake_percent=self.genesis.max_kickout_stake_percent,
        )
        number = self.need_epoch(last.epoch_id).number + 2
        left = tuple(one for one in seats if one.account_id not in kicked)
        epoch = Epoch(last.hash, number, epoch_seed(self.genesis.hash, last.hash), left, kicked)
        self.store.add_epoch(last.hash, epoch.to_json())
        self.store.add_result(
            last.hash, last.epoch_id, {account: list(one) for account, one in counts.items()}
        )

    def _counts_at(self, block: Block) -> Counts:
        missing = []
        while (counts := self._counts.get(block.hash)) is None and block.height > self.genesis.height:
            missing.append(block)
            if block.height == block.epoch_start:
                break
            block = self.parent(block)
        counts = counts or {}
        for one in reversed(missing):
            epoch = self.need_epoch(one.epoch_id)
            maker = self._chunk_producer(epoch, counts, one.epoch_start, one.prev_height + 1).account_id
            counts = count_block(counts, epoch, one.prev_height, one.height, one.endorsements, maker)
        if missing:
            self._counts[missing[0].hash] = counts
            if len(self._counts) > _COUNTS_IN_MEMORY:
                self._counts.popitem(last=False)
        return counts

    def _remember(self, block: Block) -> None:
        self._blocks[block.hash] = block
        if len(self._blocks) > BLOCKS_IN_MEMORY:
            self._blocks.popitem(last=False)

    def _need(self, block_hash: str) -> Block:
        block = self.block(block_hash)
        assert block is not None, block_hash
        return block
