"""When a planned handover is to happen: heights, blocks and their time, and nothing else. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hafailover.orders.documents import Plan

DEFAULT_BLOCKS = 2
"""A handover takes a tenth of a second, mainnet's blocks 0.6 s. What a validator needs for the next height
is sent to it as the head is processed, so that one must be free; the second is for a slow machine."""
LEARNED_S = 3.0
"""So long before its next duty the key should have moved: peers send to the old host until they have learned
of the new one. In a full mesh of six nodes they had within 0.3 to 1 s (measured on nearcore's master)."""
GOSSIP_S = 10.0
"""Each further hop of that news takes up to so long: nearcore up to 2.13 sends one such message in 10 s over
a connection (chain/network config.rs). A window that is longer is not preferred to a nearer one."""
PATIENCE_S = 30.0
"""How far a longer window may be away; beyond it the first one that fits is taken."""
LATE_BLOCKS = 10
"""How much later than asked for a handover at a height may begin."""
PREPARE_S = 3.0
"""From the wish to a target that has said that it is prepared, with time to spare."""
SOON_S = 12.0
"""The wish is put so long before: the target then watches the lock more closely, which is for 15 s."""
NOW_S = 10.0
"""How far the best moment may be away for somebody who cannot wait."""
NOW_LEAD_S = 1.0
"""Most targets are prepared within it; for one that is not the key waits."""


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


def blocks_in(seconds: float, block_s: float) -> int:
    """How many blocks come in that time, rounded up."""
    return math.ceil(seconds / max(block_s, 0.1))


def choose(
    plan: Plan,
    windows: Sequence[tuple[int, int]],
    head: int,
    block_s: float,
    patient_until: int | None = None,
) -> Slot | None:
    """The best time within reach, or else the first that will do; ``None``: none as far as the windows reach.

    :param windows: half-open heights without duties, of neard's ``maintenance_windows``.
    :param block_s: how long a block takes.
    :param patient_until: the last height to wait for a longer window; by default :data:`PATIENCE_S` from now.
    """
    if plan.at_height is not None:
        start = plan.at_height
        if head > start - 1 + LATE_BLOCKS:
            return None
        return Slot(start - 1, start - 1 + LATE_BLOCKS, start, start + 1)
    blocks = plan.window_blocks or DEFAULT_BLOCKS
    reach = patient_until if patient_until is not None else patience_ends(head, block_s)
    # With the head at h, all that this host had to do up to h is done; what follows it must be free.
    free = _from(windows, head + 1 + lead_blocks(block_s), blocks)
    if not free:
        return None
    first, end = _longest([one for one in free if one[0] <= reach], block_s) or free[0]
    # Where a window has more than it must, the last of it is for the news to get around.
    kept = max(blocks, min(blocks_in(LEARNED_S, block_s), end - first))
    return Slot(first - 1, end - 1 - kept, first, end)


def patience_ends(head: int, block_s: float) -> int:
    """Up to which height a longer window is waited for, by a plan that is first looked at now."""
    return head + lead_blocks(block_s) + blocks_in(PATIENCE_S, block_s)


def still_stands(slot: Slot, windows: Sequence[tuple[int, int]], head: int) -> bool:
    """Whether a chosen window is free of duties still: from protocol 87 on they are a forecast."""
    first = max(slot.start, head + 1)
    return any(start <= first and slot.end <= end for start, end in windows)


def is_free(windows: Sequence[tuple[int, int]], height: int) -> bool:
    """Whether there is no duty at that height."""
    return any(start <= height < end for start, end in windows)


def best_moment(
    windows: Sequence[tuple[int, int]], head: int, block_s: float, within_s: float = NOW_S
) -> Slot | None:
    """The longest time without a duty that begins within so many seconds; ``None`` where there is none.

    Its last height is no limit: whoever asks for it would rather have a block missed than wait for another.
    """
    free = _from(windows, head + 1 + blocks_in(NOW_LEAD_S, block_s), 1)
    soon = [one for one in free if one[0] <= head + blocks_in(within_s, block_s)]
    found = _longest(soon, block_s)
    return Slot(found[0] - 1, 0, *found) if found else None


def _from(windows: Sequence[tuple[int, int]], earliest: int, blocks: int) -> list[tuple[int, int]]:
    """What is left of the windows from a height on, where that is so many blocks; the nearest first."""
    left = [(max(start, earliest), end) for start, end in sorted(windows)]
    return [(start, end) for start, end in left if end - start >= blocks]


def _longest(windows: Sequence[tuple[int, int]], block_s: float) -> tuple[int, int] | None:
    """The longest, as far as that is of use; of such as are equally good the nearest."""
    most = blocks_in(GOSSIP_S, block_s)
    return max(windows, key=lambda one: (min(one[1] - one[0], most), -one[0]), default=None)


def is_soon(slot: Slot, head: int, block_s: float) -> bool:
    """Whether the wish is to be put now."""
    return (slot.from_height - head) * block_s <= SOON_S
