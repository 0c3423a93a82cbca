"""Chunks and their endorsements: what a validator does at nearly every height.

The account whose turn a height is makes the chunk for it, half of the block time after the head, and sends it
to every validator as the state witness. Each that has the head endorses it, to the producers of the next
heights. Whoever produces the next block puts the chunk in if validators with more than two thirds of the
stake have endorsed it, with the list of those whose endorsement has come.

In neard the producer of a chunk is drawn apart from the block's; here one account has both at a height. A
block that skips heights takes the chunk of the first height after its parent, as in neard.
"""

import hashlib
import os
from dataclasses import dataclass
from typing import Any, Self

from localneard.keys import Key, verify
from localneard.schedule import Epoch

PRODUCERS_TOLD = 5
"""To the producers of how many heights an endorsement goes, as in neard."""
_MAX_PARENTS = 16
_MAX_CHUNKS = 4
_TEXT_LIMIT = 128


@dataclass(frozen=True)
class Chunk:
    """A chunk for `height` on the block `parent`. Two by one key for one height differ by `nonce`."""

    parent: str
    height: int
    public_key: str
    nonce: str
    signature: str

    @classmethod
    def make(cls, parent: str, height: int, key: Key) -> Self:
        """Make one, different from any other."""
        nonce = os.urandom(8).hex()
        return cls(parent, height, key.public_key, nonce, key.sign(_digest("chunk", parent, height, nonce)))

    @property
    def hash(self) -> str:
        """What endorsements and evidence name it by."""
        return _digest("chunk", self.parent, self.height, f"{self.nonce} {self.public_key}").hex()

    def to_wire(self) -> dict[str, Any]:
        """Return what `from_wire` takes."""
        return {
            "k": "chunk",
            "parent": self.parent,
            "height": self.height,
            "key": self.public_key,
            "nonce": self.nonce,
            "signature": self.signature,
        }

    @classmethod
    def from_wire(cls, body: dict[str, Any]) -> Self:
        """Return a chunk that came from elsewhere. Raises ValueError if it makes no sense or is forged."""
        parent, nonce, key, signature = _texts(body, "parent", "nonce", "key", "signature")
        height = _height(body)
        if not verify(key, signature, _digest("chunk", parent, height, nonce)):
            raise ValueError("a chunk with a bad signature")
        return cls(parent, height, key, nonce, signature)


@dataclass(frozen=True)
class Endorsement:
    """A validator's word that it has checked a chunk for `height` on the block `parent`."""

    parent: str
    height: int
    chunk: str
    public_key: str
    signature: str

    @classmethod
    def make(cls, chunk: Chunk, key: Key) -> Self:
        """Endorse a chunk."""
        digest = _digest("endorsement", chunk.parent, chunk.height, chunk.hash)
        return cls(chunk.parent, chunk.height, chunk.hash, key.public_key, key.sign(digest))

    def to_wire(self) -> dict[str, Any]:
        """Return what `from_wire` takes."""
        return {
            "k": "endorsement",
            "parent": self.parent,
            "height": self.height,
            "chunk": self.chunk,
            "key": self.public_key,
            "signature": self.signature,
        }

    @classmethod
    def from_wire(cls, body: dict[str, Any]) -> Self:
        """Return an endorsement from elsewhere. Raises ValueError if it makes no sense or is forged."""
        parent, chunk, key, signature = _texts(body, "parent", "chunk", "key", "signature")
        height = _height(body)
        if not verify(key, signature, _digest("endorsement", parent, height, chunk)):
            raise ValueError("an endorsement with a bad signature")
        return cls(parent, height, chunk, key, signature)


def _digest(kind: str, parent: str, height: int, rest: str) -> bytes:
    return hashlib.sha256(f"{kind} {parent} {height} {rest}".encode()).digest()


def _texts(body: dict[str, Any], *names: str) -> list[str]:
    """Return short strings out of a message. Raises ValueError."""
    found = [body.get(name) for name in names]
    if not all(isinstance(one, str) and len(one) <= _TEXT_LIMIT for one in found):
        raise ValueError(f"{body.get('k')!s:.20} without {', '.join(names)}")
    return [str(one) for one in found]


def _height(body: dict[str, Any]) -> int:
    height = body.get("height")
    if type(height) is not int or not 0 <= height < 1 << 63:
        raise ValueError(f"{body.get('k')!s:.20} without a height")
    return height


class Pool:
    """The chunks and endorsements that have reached a node, for the last few blocks that they build on."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._chunks: dict[str, dict[str, Chunk]] = {}
        self._endorsers: dict[tuple[str, str], dict[str, float]] = {}

    def add_chunk(self, chunk: Chunk) -> bool:
        """Keep a chunk; says whether it is new."""
        chunks = self._chunks.setdefault(chunk.parent, {})
        if chunk.hash in chunks or len(chunks) >= _MAX_CHUNKS:
            return False
        chunks[chunk.hash] = chunk
        if len(self._chunks) > _MAX_PARENTS:
            self._forget(next(iter(self._chunks)))
        return True

    def add_endorsement(self, endorsement: Endorsement) -> bool:
        """Keep an endorsement; says whether it is new."""
        endorsers = self._endorsers.setdefault((endorsement.parent, endorsement.chunk), {})
        if endorsement.public_key in endorsers:
            return False
        endorsers[endorsement.public_key] = 0.0
        if len(self._endorsers) > _MAX_PARENTS * _MAX_CHUNKS:
            del self._endorsers[next(iter(self._endorsers))]
        return True

    def chunks_on(self, parent: str) -> list[Chunk]:
        """Return the chunks that build on a block."""
        return list(self._chunks.get(parent, {}).values())

    def endorsements(self, parent: str, height: int, producer_key: str, epoch: Epoch) -> str:
        """Return a letter for each seat, 1 for one that has endorsed the chunk; "" without a good chunk."""
        for chunk in self.chunks_on(parent):
            endorsers = self._endorsers.get((parent, chunk.hash), {})
            good = (chunk.height, chunk.public_key) == (height, producer_key)
            if good and epoch.passed_two_thirds(endorsers) is not None:
                return "".join(str(int(seat.public_key in endorsers)) for seat in epoch.validators)
        return ""

    def _forget(self, parent: str) -> None:
        for chunk_hash in self._chunks.pop(parent):
            self._endorsers.pop((parent, chunk_hash), None)
