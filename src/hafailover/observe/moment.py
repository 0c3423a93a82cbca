"""The best moment of the next seconds for a handover that cannot wait for a window."""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.near.rpc import NeardRpc, RpcError
from hafailover.orders.planning import NOW_S, Slot, best_moment

BLOCK_S = 1.0
"""Taken for the time of a block where neard does not tell enough to know it."""
PACE_BLOCKS = 10
"""Over so many heights it is measured; turns that nobody took are in it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """``slot``: when to hand over; ``None``: at once, since no better time is near. ``why``: in words."""

    slot: Slot | None
    why: str


def best(rpc: NeardRpc, account_id: str) -> Moment:
    """:raises RpcError: neard could not be asked for its head or the windows."""
    status = rpc.status()
    block_s = _block_s(rpc, status.height, status.head_made_at)
    slot = best_moment(rpc.maintenance_windows(account_id), status.height, block_s)
    if slot is None:
        return Moment(None, f"no height of the next {NOW_S:g} s is free of duties: the key moves at once")
    last = slot.end - 1
    free = f"{slot.start}" if slot.start == last else f"{slot.start} to {last}"
    return Moment(slot, f"no duty at {free}: the key moves before it")


def _block_s(rpc: NeardRpc, head: int, made_at: float) -> float:
    """Seconds a height, by the timestamps of the head and of a block some way back."""
    for height in range(head - PACE_BLOCKS, head - PACE_BLOCKS // 2):
        try:
            header = rpc.call("block", {"block_id": height})["header"]
            before = int(header["timestamp_nanosec"]) / 1e9
        except RpcError:
            # Nobody made a block at that height, or neard has it no more.
            continue
        except (KeyError, TypeError, ValueError):
            break
        if 0.0 < made_at - before < 600.0:
            return (made_at - before) / (head - height)
    return BLOCK_S
