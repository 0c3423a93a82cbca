"""What a change of signer cost, by the chain's own counts."""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.near.rpc import Production


@dataclass(frozen=True, slots=True)
class Cost:
    """Blocks and chunks that the pool was to produce between two looks, and did not."""

    blocks_missed: int
    chunks_missed: int

    def __str__(self) -> str:
        return f"{self.blocks_missed} blocks, {self.chunks_missed} chunks"


def plain(cost: Cost | None) -> dict[str, int | None]:
    """For ``--json``: both are ``null`` where the cost is not known."""
    return {
        "blocks_missed": cost.blocks_missed if cost is not None else None,
        "chunks_missed": cost.chunks_missed if cost is not None else None,
    }


def cost(before: Production | None, after: Production | None) -> Cost | None:
    """The difference of two looks; ``None`` where one failed or an epoch has ended between them."""
    if before is None or after is None or before.epoch_start != after.epoch_start:
        return None
    blocks = after.expected_blocks - before.expected_blocks - (after.produced_blocks - before.produced_blocks)
    chunks = after.expected_chunks - before.expected_chunks - (after.produced_chunks - before.produced_chunks)
    return Cost(max(0, blocks), max(0, chunks))
