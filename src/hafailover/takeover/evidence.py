"""What the chain shows of another signer: the pool was expected to produce, and did, or did not. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.near.rpc import Production

LEAST_BLOCKS = 10
"""So far the chain has to go on while one looks: a chain that stands still shows nobody."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Between two looks at neard. ``produced``, ``expected``: blocks, chunks and endorsements together."""

    blocks: int
    produced: int
    expected: int

    @property
    def signer(self) -> bool:
        """Whether somebody signs for the pool."""
        return self.produced > 0

    @property
    def nobody(self) -> bool:
        """Whether it is shown that nobody does: the chain went on, and what was expected did not come."""
        return self.blocks >= LEAST_BLOCKS and self.expected > 0 and not self.signer


def compare(first: tuple[int, Production], last: tuple[int, Production]) -> Seen | None:
    """Each look is a height and the counts at it; ``None`` where the counts do not go on."""
    (before_height, before), (height, after) = first, last
    if before.epoch_start != after.epoch_start:
        return None
    since = after.since(before)
    produced = since.produced_blocks + since.produced_chunks + since.produced_endorsements
    expected = since.expected_blocks + since.expected_chunks + since.expected_endorsements
    if produced < 0 or expected < 0:
        return None
    return Seen(height - before_height, produced, expected)
