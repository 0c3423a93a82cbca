"""Who produces which block: seats of an epoch, the draw of each height's producer, and who loses the seat."""

import bisect
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

# The id of the first epochs in NEAR: 32 zero bytes in base58.
FIRST_EPOCH_ID = "1" * 32


class Validator(NamedTuple):
    """An account with a seat; `stake` in yocto."""

    account_id: str
    public_key: str
    stake: int


class Count(NamedTuple):
    """Blocks, chunks and endorsements that an account has produced, and those it was to produce."""

    produced: int = 0
    expected: int = 0
    chunks: int = 0
    chunks_expected: int = 0
    endorsements: int = 0
    endorsements_expected: int = 0


Counts = Mapping[str, Count]


@dataclass(frozen=True)
class Epoch:
    """The validators of one epoch, which blocks name by `epoch_id`.

    `seed` decides the draw. `kicked` holds neard's reasons for those who lost their seat in making this set.
    """

    epoch_id: str
    number: int
    seed: bytes
    validators: tuple[Validator, ...]
    kicked: Mapping[str, Any]

    @cached_property
    def _bounds(self) -> list[int]:
        bounds, total = [], 0
        for validator in self.validators:
            total += validator.stake
            bounds.append(total)
        return bounds

    def producer(self, height: int) -> Validator:
        """Return the one producer of a height: drawn by stake, the same on every node."""
        digest = hashlib.sha256(self.seed + height.to_bytes(8, "little")).digest()
        point = int.from_bytes(digest) % self._bounds[-1]
        return self.validators[bisect.bisect_right(self._bounds, point)]

    def seat(self, account_id: str) -> Validator | None:
        """Return an account's seat, if it has one."""
        return next((one for one in self.validators if one.account_id == account_id), None)

    def has(self, account_id: str, public_key: str) -> bool:
        """Say whether this account has a seat with this very key."""
        seat = self.seat(account_id)
        return seat is not None and seat.public_key == public_key

    def passed_two_thirds(self, votes: Mapping[str, float]) -> float | None:
        """Return when keys with more than two thirds of the stake had all voted, None if they have not.

        `votes` holds the time of each key's vote, on any clock.
        """
        stakes = {one.public_key: one.stake for one in self.validators}
        # As in neard: more than the whole number below two thirds.
        needed = self._bounds[-1] * 2 // 3
        for key, at in sorted(votes.items(), key=lambda one: one[1]):
            needed -= stakes.get(key, 0)
            if needed < 0:
                return at
        return None

    def settlement(self, start: int, length: int) -> list[str]:
        """Return the accounts with a seat in the order of their first turn from `start` on."""
        order: dict[str, None] = {}
        for height in range(start, start + length):
            order.setdefault(self.producer(height).account_id)
            if len(order) == len(self.validators):
                break
        return [*order, *(one.account_id for one in self.validators if one.account_id not in order)]

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return {
            "epoch_id": self.epoch_id,
            "number": self.number,
            "seed": self.seed.hex(),
            "validators": [[one.account_id, one.public_key, str(one.stake)] for one in self.validators],
            "kicked": dict(self.kicked),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return the epoch that `to_json` wrote."""
        return cls(
            document["epoch_id"],
            document["number"],
            bytes.fromhex(document["seed"]),
            tuple(Validator(account, key, int(stake)) for account, key, stake in document["validators"]),
            document["kicked"],
        )


def epoch_seed(genesis_hash: str, epoch_id: str) -> bytes:
    """Return the seed of an epoch's draw."""
    return hashlib.sha256(f"{genesis_hash} {epoch_id}".encode()).digest()


def count_block(
    counts: Counts,
    epoch: Epoch,
    previous: int,
    height: int,
    endorsements: str = "",
    chunk_producer: str | None = None,
) -> dict[str, Count]:
    """Add a block at `height` on one at `previous`: each height between was skipped by its producer.

    The chunk that it holds, if any, is of the height after `previous`, whoever has made the block: see
    `Block.endorsements`, which say who has endorsed it. Without a chunk no endorsement was to come. It was
    due from `chunk_producer`, an account; None stands for the one whose turn that height is.
    """
    result = dict(counts)
    for turn in range(previous + 1, height + 1):
        account = epoch.producer(turn).account_id
        count = result.get(account, Count())
        result[account] = count._replace(
            produced=count.produced + (turn == height), expected=count.expected + 1
        )
    account = chunk_producer or epoch.producer(previous + 1).account_id
    count = result.get(account, Count())
    result[account] = count._replace(
        chunks=count.chunks + bool(endorsements), chunks_expected=count.chunks_expected + 1
    )
    for seat, letter in zip(epoch.validators, endorsements, strict=False):
        count = result.get(seat.account_id, Count())
        result[seat.account_id] = count._replace(
            endorsements=count.endorsements + (letter == "1"),
            endorsements_expected=count.endorsements_expected + 1,
        )
    return result


def kickouts(
    validators: Iterable[Validator],
    counts: Counts,
    *,
    block_percent: int,
    chunk_percent: int,
    max_stake_percent: int,
) -> dict[str, Any]:
    """Return who loses the seat for too few blocks or chunks, with neard's reason.

    Kicked out is who has `produced * 100 < percent * expected` (core/primitives/src/types.rs). Those with the
    highest share of blocks keep the seat as long as otherwise more than `max_stake_percent` of the stake
    would go, and never do all lose it.
    """
    seats = list(validators)
    total = sum(one.stake for one in seats)
    best_first = sorted(seats, key=lambda one: _share(counts.get(one.account_id, Count())), reverse=True)
    exempt: set[str] = set()
    kept = 0
    for one in best_first:
        if kept * 100 >= (100 - max_stake_percent) * total:
            break
        exempt.add(one.account_id)
        kept += one.stake
    kicked = {}
    for one in seats:
        count = counts.get(one.account_id, Count())
        for reason, percent, produced, expected in (
            ("NotEnoughBlocks", block_percent, count.produced, count.expected),
            ("NotEnoughChunks", chunk_percent, count.chunks, count.chunks_expected),
        ):
            if one.account_id not in exempt and produced * 100 < percent * expected:
                kicked[one.account_id] = {reason: {"produced": produced, "expected": expected}}
                break
    if len(kicked) == len(seats):
        del kicked[best_first[0].account_id]
    return kicked


def _share(count: Count) -> float:
    return count.produced / count.expected if count.expected else 1.0


def idle_windows(epoch: Epoch, account_id: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the half-open ranges of heights in [start, end) at which an account produces nothing."""
    if epoch.seat(account_id) is None:
        if start < end:
            yield start, end
        return
    opened: int | None = None
    for height in range(start, end):
        if epoch.producer(height).account_id == account_id:
            if opened is not None:
                yield opened, height
            opened = None
        elif opened is None:
            opened = height
    if opened is not None:
        yield opened, end
