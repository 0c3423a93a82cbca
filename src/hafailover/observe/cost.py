"""What a change of signer cost, by the chain's own counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hafailover.core.work import Counts
from hafailover.near.rpc import NeardRpc, Production, RpcError


@dataclass(frozen=True, slots=True)
class Cost:
    """What the pool was to do between two looks, and did not."""

    blocks_missed: int
    chunks_missed: int
    endorsements_missed: int = 0
    """0 also where neard is too old to count them."""
    expected: Counts = field(default_factory=Counts)
    """All that was due in that time."""

    def __str__(self) -> str:
        blocks, chunks, endorsements = self.blocks_missed, self.chunks_missed, self.endorsements_missed
        return f"{blocks} blocks, {chunks} chunks, {endorsements} endorsements"


def plain(cost: Cost | None) -> dict[str, Any]:
    """For ``--json``: all are ``null`` where the cost is not known."""
    return {
        "blocks_missed": cost.blocks_missed if cost is not None else None,
        "chunks_missed": cost.chunks_missed if cost is not None else None,
        "endorsements_missed": cost.endorsements_missed if cost is not None else None,
    }


def due(cost: Cost) -> dict[str, Any]:
    """What was due, as the history keeps it."""
    return {
        "blocks_expected": cost.expected.blocks,
        "chunks_expected": cost.expected.chunks,
        "endorsements_expected": cost.expected.endorsements,
    }


def look_again(
    rpc: NeardRpc, account_id: str, before: Production | None
) -> tuple[Production | None, Cost | None]:
    """The counts now, and what was missed since ``before``, also if one epoch has ended since.

    :raises RpcError: the counts of now cannot be had.
    """
    after = rpc.production(account_id)
    final = None
    if before is not None and after is not None and before.epoch_start < after.epoch_start:
        try:
            final = rpc.production_before(account_id, after.epoch_start)
        except RpcError:
            # The cost stays unknown, which is no reason to lose the counts of now.
            return after, None
    return after, cost(before, after, final)


def cost(before: Production | None, after: Production | None, final: Production | None = None) -> Cost | None:
    """The difference of two looks; ``None`` where one failed or says less than the other.

    :param final: the counts at the end of the epoch before that of ``after``.
    """
    if before is None or after is None:
        return None
    if before.epoch_start == after.epoch_start:
        return _difference(before, after)
    if final is None or final.epoch_start != before.epoch_start:
        return None
    # neard may leave out the counts of a validator that it kicks out at the epoch's end: then they are 0.
    first, second = _difference(before, final), _difference(_none_yet(after), after)
    if first is None or second is None:
        return None
    return Cost(
        first.blocks_missed + second.blocks_missed,
        first.chunks_missed + second.chunks_missed,
        first.endorsements_missed + second.endorsements_missed,
        first.expected.plus(second.expected),
    )


def _none_yet(production: Production) -> Production:
    return Production(0, 0, 0, 0, production.epoch_start)


def _difference(before: Production, after: Production) -> Cost | None:
    since = after.since(before)
    expected = Counts(since.expected_blocks, since.expected_chunks, since.expected_endorsements)
    if not expected.sane:
        return None
    blocks = since.expected_blocks - since.produced_blocks
    chunks = since.expected_chunks - since.produced_chunks
    endorsements = since.expected_endorsements - since.produced_endorsements
    return Cost(max(0, blocks), max(0, chunks), max(0, endorsements), expected)
