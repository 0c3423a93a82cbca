"""What a change of signer cost, by the chain's own counts."""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.near.rpc import NeardRpc, Production, RpcError


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
    return Cost(first.blocks_missed + second.blocks_missed, first.chunks_missed + second.chunks_missed)


def _none_yet(production: Production) -> Production:
    return Production(0, 0, 0, 0, production.epoch_start)


def _difference(before: Production, after: Production) -> Cost | None:
    since = after.since(before)
    if since.expected_blocks < 0 or since.expected_chunks < 0:
        return None
    blocks = since.expected_blocks - since.produced_blocks
    chunks = since.expected_chunks - since.produced_chunks
    return Cost(max(0, blocks), max(0, chunks))
