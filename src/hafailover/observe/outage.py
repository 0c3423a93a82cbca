"""What an outage costs on mainnet, by the share of a shard's slots: the table of docs/operating.md."""

from __future__ import annotations

from fractions import Fraction

from hafailover.near.epoch import MAINNET, Counted, EpochCounts, EpochRules, ShardCount
from hafailover.observe.budget import EARLY_KICKOUT, budget_of

BLOCK_S = 0.6
"""Mainnet's min_block_production_delay (nearcore nearcore/src/config.rs)."""
GONE_S = 19.0
"""The longest that a vanished host took until another had the key, in runs on the real neard
(docs/tested.md). The pool's first term had just begun there: for 15.65 s after its holder's last beat before
it signed, what that one promised still counts."""
SHARES = tuple(Fraction(1, of) for of in (100, 50, 20, 11, 4, 2))
BEGINS = (EARLY_KICKOUT.grace_blocks, MAINNET.epoch_length // 2, MAINNET.epoch_length * 3 // 4)
"""Blocks of the epoch that have passed when the outage begins."""
HEAD = (
    "of a shard's slots",
    "chunks an hour",
    f"missed in {GONE_S:g} s",
    *(f"from block {begins}" for begins in BEGINS),
)


def minutes_to_early_kickout(share: Fraction, passed: int) -> float | None:
    """How long an outage may last that is the epoch's first; ``None``: EarlyKickout is out of reach.

    :param share: of the shard's slots.
    :param passed: blocks of the epoch before the outage.
    """
    done = int(share * passed)
    chunks = Counted(done, done)
    counts = EpochCounts(1, Counted(0, 0), chunks, Counted(0, 0), (ShardCount(0, chunks, 2),))
    last = EARLY_KICKOUT.since_protocol
    rules = EpochRules(
        MAINNET.epoch_length,
        MAINNET.block_percent,
        MAINNET.chunk_percent,
        MAINNET.endorsement_percent,
        last,
        MAINNET.source,
    )
    budget = budget_of(counts, rules, passed, 1 / BLOCK_S)
    assert budget is not None
    return next(row.minutes for row in budget.rows if row.rule == "early_kickout")


def table() -> str:
    """Markdown."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(_row(share) for share in SHARES)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(share: Fraction) -> tuple[str, ...]:
    lasting = (minutes_to_early_kickout(share, begins) for begins in BEGINS)
    return (
        f"{share}",
        f"{float(share) * 3600 / BLOCK_S:.0f}",
        f"{float(share) * GONE_S / BLOCK_S:.1f}",
        *("never" if minutes is None else f"{minutes:.{int(minutes < 10)}f} min" for minutes in lasting),
    )


if __name__ == "__main__":
    print(table(), end="")
