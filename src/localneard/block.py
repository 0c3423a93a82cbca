"""Blocks: what they hold, their hash, and how they travel and rest."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import base58

from localneard.genesis import Genesis
from localneard.keys import Key, is_public_key, verify
from localneard.schedule import FIRST_EPOCH_ID

_TEXT_LIMIT = 128
_ENDORSEMENTS = 10


@dataclass(frozen=True)
class Block:
    """A block. Hashes and ids are in base58; `timestamp` is nanoseconds since 1970.

    `epoch_start` is the height of the first block of its epoch, `ordinal` its place in the chain, counted
    without the skipped heights. `endorsements` has a letter for each seat of the epoch: ``1`` for one that
    has endorsed the chunk, ``0`` for another; it is empty if the block has no chunk. The signature is over
    the hash.
    """

    height: int
    prev_height: int
    prev_hash: str
    epoch_id: str
    next_epoch_id: str
    epoch_start: int
    ordinal: int
    author: str
    public_key: str
    timestamp: int
    endorsements: str
    signature: str

    @cached_property
    def _digest(self) -> bytes:
        text = json.dumps(self.to_wire()[:-1], separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()

    @cached_property
    def hash(self) -> str:
        """The block's hash, over everything but the signature."""
        return base58.b58encode(self._digest).decode()

    def to_wire(self) -> list[Any]:
        """Return what `from_wire` takes."""
        return [
            self.height,
            self.prev_height,
            self.prev_hash,
            self.epoch_id,
            self.next_epoch_id,
            self.epoch_start,
            self.ordinal,
            self.author,
            self.public_key,
            self.timestamp,
            self.endorsements,
            self.signature,
        ]

    @classmethod
    def from_wire(cls, values: Any) -> Self:
        """Return a block that came from elsewhere, its shape checked. Raises ValueError."""
        if not isinstance(values, list) or len(values) != 12:
            raise ValueError("a block is a list of 12 values")
        for place, value in enumerate(values):
            if place in (0, 1, 5, 6, 9):
                if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
                    raise ValueError(f"value {place} of a block is not a whole number of 64 bits")
            elif not isinstance(value, str) or len(value) > _TEXT_LIMIT * (
                8 if place == _ENDORSEMENTS else 1
            ):
                raise ValueError(f"value {place} of a block is not a short string")
        return cls(*values)

    @property
    def has_chunk(self) -> bool:
        """Say whether a chunk was put in."""
        return bool(self.endorsements)

    def is_signed(self) -> bool:
        """Say whether the signature is the public key's."""
        return is_public_key(self.public_key) and verify(self.public_key, self.signature, self._digest)

    def signed_by(self, key: Key) -> "Block":
        """Return this block with a signature; `author` and `public_key` are taken as they stand."""
        return replace(self, signature=key.sign(self._digest))


def genesis_block(genesis: Genesis) -> Block:
    """Return the first block, whose hash is the genesis file's."""
    block = Block(
        height=genesis.height,
        prev_height=genesis.height,
        prev_hash=FIRST_EPOCH_ID,
        epoch_id=FIRST_EPOCH_ID,
        next_epoch_id=genesis.hash,
        epoch_start=genesis.height,
        ordinal=1,
        author="",
        public_key="",
        timestamp=genesis.time_ns,
        endorsements="",
        signature="",
    )
    # The first block has no signer, and its hash stands for the whole file: chains of two files never mix.
    block.__dict__["hash"] = genesis.hash
    return block
