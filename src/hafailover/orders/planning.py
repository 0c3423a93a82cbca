"""When a planned handover is to happen: heights, blocks and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hafailover.orders.documents import Plan

DEFAULT_BLOCKS = 2
"""A handover takes a tenth of a second, mainnet's blocks 0.6 s; the second block is for a slow machine."""
LATE_BLOCKS = 10
"""How much later than asked for a handover at a height may begin."""
PREPARE_S = 3.0
"""From the wish to a target that has said that it is prepared, with time to spare."""
SOON_S = 12.0
"""The wish is put so long before: the target then watches the lock more closely, which is for 15 s."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The active's head is at least ``from_height`` and at most ``to_height`` when the key moves.

    ``start``, ``end``: the heights without duties, half-open; for people.
    """

    from_height: int
    to_height: int
    start: int
    end: int


def lead_blocks(block_s: float) -> int:
    """How many blocks ahead a handover has to be for its preparation, at so many seconds a block."""
    return max(2, round(PREPARE_S / max(block_s, 0.1) + 0.5))


def choose(plan: Plan, windows: Sequence[tuple[int, int]], head: int, lead: int) -> Slot | None:
    """The first time that will do; ``None`` if there is none as far as the windows reach.

    :param windows: half-open heights without duties, of neard's ``maintenance_windows``.
    :param lead: how many blocks ahead it has to be.
    """
    if plan.at_height is not None:
        start = plan.at_height
        if head > start - 1 + LATE_BLOCKS:
            return None
        return Slot(start - 1, start - 1 + LATE_BLOCKS, start, start + 1)
    blocks = plan.window_blocks or DEFAULT_BLOCKS
    for start, end in sorted(windows):
        # With the head at h, all that this host had to do up to h is done; what follows it must be free.
        first = max(start, head + 1 + lead)
        if end - first >= blocks:
            return Slot(first - 1, end - 1 - blocks, first, end)
    return None


def is_soon(slot: Slot, head: int, block_s: float) -> bool:
    """Whether the wish is to be put now."""
    return (slot.from_height - head) * block_s <= SOON_S
