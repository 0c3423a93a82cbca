"""How much a validator may still miss in this epoch before it loses chunks or its seat. Pure.

Two rules of the network take something from a validator that misses too much:

* *EarlyKickout*, from protocol 87 on: within the epoch, chunks of one shard (:data:`EARLY_KICKOUT`).
* At the epoch's end, the seat (:class:`hafailover.near.epoch.EpochRules`), two epochs later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hafailover.near.epoch import Counted, EpochCounts, EpochRules
from hafailover.observe.records import Allowance, Budget, NodeRecord
from hafailover.text import one_line

LOW_RATIO = 0.5
"""Our choice: with less than half of the budget left, nobody should spend any of it for a drill."""
MOST = 1 << 62
"""A neard's counts are not to be believed beyond reason: a record holds 63 bits."""
MOST_ROWS = 32
"""What a host publishes; the scarcest come first."""
SHOWN_SHARDS = 6
"""In one line for people."""
LONG_UNKNOWN_S = 180.0
"""Our choice: an agent asks every 10 s, and what its neard has told counts for two minutes."""
LONGEST_WHY = 200


@dataclass(frozen=True, slots=True)
class EarlyRule:
    """Who has missed at least ``min_missed`` chunks on a shard in this epoch, and produced less than
    ``percent`` of what was expected there, gets no more of them until the epoch ends, whatever it does then;
    not before the epoch is ``grace_blocks`` old. The last producer of a shard keeps it.
    """

    since_protocol: int
    grace_blocks: int
    min_missed: int
    percent: int

    def takes(self, chunks: Counted) -> bool:
        """Whether these counts are bad enough."""
        return chunks.missed >= self.min_missed and chunks.produced * 100 < self.percent * chunks.expected

    def missable(self, chunks: Counted) -> int:
        """How many chunks in a row may be missed from now on; less than 0 if too many were already."""
        by_number = self.min_missed - chunks.missed
        # The fewest more with which produced * 100 < percent * (expected + more).
        by_share = chunks.produced * 100 // self.percent + 1 - chunks.expected
        return max(by_number, by_share) - 1


EARLY_KICKOUT = EarlyRule(since_protocol=87, grace_blocks=1000, min_missed=100, percent=80)
"""nearcore's pull requests #16049 (the thresholds) and #16311 (protocol 87), and
chain/epoch-manager/src/tests/early_kickout.rs: 390 of 490 is taken, 400 of 500 and 391 of 490 are not."""


def missable_in_epoch(duties: Counted, in_all: int, percent: int) -> int:
    """How many more may be missed before the epoch's end with the seat kept; below 0: it is lost already.

    :param in_all: duties of this kind in the whole epoch, those to come included.
    """
    needed = -(-percent * in_all // 100)
    return in_all - duties.missed - needed


def budget_of(
    counts: EpochCounts,
    rules: EpochRules,
    height: int,
    blocks_per_s: float | None = None,
    early: EarlyRule = EARLY_KICKOUT,
) -> Budget | None:
    """What may still be missed, the scarcest first; ``None`` where the head is not of the counts' epoch.

    :param height: of the head.
    :param blocks_per_s: how fast the head moves, for the minutes; ``None`` if that is not known.
    """
    passed = height - counts.epoch_start + 1
    if passed < 1 or passed > 2 * rules.epoch_length:
        return None
    when = _When(passed, max(0, rules.epoch_length - passed), blocks_per_s)
    rows = [
        _early(one.shard, one.chunks, one.producers > 1, when, rules.protocol, early) for one in counts.shards
    ]
    producer = bool(counts.blocks.expected or counts.chunks.expected or counts.shards)
    for duty, counted, percent, counts_for_seat in (
        ("blocks", counts.blocks, rules.block_percent, True),
        ("chunks", counts.chunks, rules.chunk_percent, True),
        ("endorsements", counts.endorsements, rules.endorsement_percent, not producer),
    ):
        if counted.expected:
            rows.append(_seat(duty, counted, percent, counts_for_seat, when))
    rows.sort(key=lambda row: (not row.low, not row.in_force, row.ratio))
    return Budget(
        epoch_start=counts.epoch_start,
        height=height,
        blocks_left=when.left,
        protocol=rules.protocol,
        source=rules.source,
        rows=rows[:MOST_ROWS],
    )


@dataclass(frozen=True, slots=True)
class _When:
    """Where in the epoch the head is: blocks passed and left, and how fast they come."""

    passed: int
    left: int
    blocks_per_s: float | None

    def to_come(self, counted: Counted) -> int:
        """Duties until the epoch's end, at the share of slots that this epoch has shown so far."""
        return -(-counted.expected * self.left // self.passed)

    def minutes(self, counted: Counted, missable: int, at_least_blocks: int = 0) -> float | None:
        """In which so many duties come up."""
        if self.blocks_per_s is None or self.blocks_per_s <= 0 or counted.expected == 0:
            return None
        blocks = max(max(0, missable) * self.passed / counted.expected, at_least_blocks)
        # Of a chain that hardly moves, a quotient may be infinite.
        return round(min(blocks / self.blocks_per_s / 60, 1e6), 1)


def _early(
    shard: int, chunks: Counted, others: bool, when: _When, protocol: int | None, rule: EarlyRule
) -> Allowance:
    missable = rule.missable(chunks)
    full = rule.missable(Counted(chunks.expected, chunks.expected))
    in_force = others and protocol is not None and protocol >= rule.since_protocol
    grace_left = max(0, rule.grace_blocks - when.passed)
    taken = rule.takes(chunks) and grace_left == 0
    out_of_reach = not taken and when.to_come(chunks) <= missable
    return Allowance(
        rule="early_kickout",
        duty="chunks",
        shard=shard,
        missed=chunks.missed,
        missable=min(max(0, missable), MOST),
        full=min(full, MOST),
        minutes=None if out_of_reach or taken else when.minutes(chunks, missable, grace_left),
        in_force=in_force,
        out_of_reach=out_of_reach,
        lost=taken,
        low=in_force and not out_of_reach and (taken or missable < full * LOW_RATIO),
    )


def _seat(duty: str, counted: Counted, percent: int, in_force: bool, when: _When) -> Allowance:
    to_come = when.to_come(counted)
    in_all = counted.expected + to_come
    missable = missable_in_epoch(counted, in_all, percent)
    full = missable_in_epoch(Counted(in_all, in_all), in_all, percent)
    lost = missable < 0
    out_of_reach = not lost and to_come <= missable
    return Allowance(
        rule="seat",
        duty=duty,
        shard=None,
        missed=counted.missed,
        missable=min(max(0, missable), MOST),
        full=min(full, MOST),
        minutes=None if out_of_reach or lost else when.minutes(counted, missable),
        in_force=in_force,
        out_of_reach=out_of_reach,
        lost=lost,
        low=in_force and not out_of_reach and (lost or missable < full * LOW_RATIO),
    )


def pools_budget(hosts: Iterable[NodeRecord], active: str | None) -> Budget | None:
    """The budget as the active's neard tells it; where it does not, by the host with the highest head.

    One that tells of EarlyKickout comes before one that does not.
    """
    told = [(host.node == active, host.budget) for host in _there(hosts) if host.budget is not None]
    told.sort(key=lambda one: (tells_early_kickout(one[1]), one[0], one[1].height))
    return told[-1][1] if told else None


def _there(hosts: Iterable[NodeRecord]) -> list[NodeRecord]:
    return [host for host in hosts if host.role not in ("gone", "unknown")]


def tells_early_kickout(budget: Budget) -> bool:
    """Whether it is known if EarlyKickout is in force, where the validator has chunks to lose by it."""
    return budget.protocol is not None or all(row.rule != "early_kickout" for row in budget.rows)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody in the pool knows what may still be missed, so nothing is refused for it."""

    text: str
    lasting: bool
    """For so long that somebody should look."""


def unknown_to_pool(hosts: Iterable[NodeRecord], active: str | None) -> Unknown | None:
    """``None``: a host knows it, or that the account has no seat."""
    there = _there(hosts)
    if not there or any(_knows(host) for host in there):
        return None
    silent = [(host.node == active, host.budget_unknown_s or 0.0, host) for host in there]
    _, silent_s, host = max(silent, key=lambda one: one[:2])
    if not silent_s:
        return Unknown("budget not known: no host tells how much may still be missed in this epoch", False)
    lasting = f"{silent_s:.0f} s" if silent_s < LONG_UNKNOWN_S else f"{silent_s / 60:.0f} min"
    return Unknown(
        f"budget not known: for {lasting} {host.node}'s neard has not told how much may still be missed in "
        f"this epoch ({one_line(host.budget_unknown[:LONGEST_WHY]) or 'no reason given'})",
        silent_s >= LONG_UNKNOWN_S,
    )


def _knows(host: NodeRecord) -> bool:
    """An older version says so by a budget alone."""
    return host.budget_unknown_s == 0.0 or (host.budget is not None and tells_early_kickout(host.budget))


def low_texts(budget: Budget | None) -> list[str]:
    """What is scarce, a sentence for each; none while more than half of everything is left."""
    return [_text(row) for row in budget.rows if row.low] if budget is not None else []


def _text(row: Allowance) -> str:
    left = f"budget low: {row.missable} of {row.full} {row.duty} may still be missed"
    if row.rule == "early_kickout":
        if row.lost:
            return (
                f"no more chunks on shard {row.shard} until the epoch ends: {row.missed} were missed there "
                "(EarlyKickout)"
            )
        return (
            f"{left} on shard {row.shard} in this epoch{_minutes(row)}, "
            "then the network gives its chunks to others (EarlyKickout)"
        )
    if row.lost:
        return f"the seat is lost: more {row.duty} were missed in this epoch than is allowed ({row.missed})"
    return f"{left} in this epoch{_minutes(row)}, then the validator loses its seat"


def _minutes(row: Allowance) -> str:
    if row.minutes is None:
        return ""
    return (
        f", some {row.minutes:.0f} min without any"
        if row.minutes >= 1
        else ", less than a minute without any"
    )


def early_words(budget: Budget | None) -> str:
    """What EarlyKickout leaves of each shard, the worst first; empty where it is not in force."""
    rows = budget.rows if budget is not None else []
    rows = [row for row in rows if row.rule == "early_kickout" and row.in_force]
    if not rows:
        return ""
    rows.sort(key=lambda row: row.ratio)
    told = ", ".join(
        f"none on shard {row.shard} (lost)"
        if row.lost
        else f"{row.missable} of {row.full} on shard {row.shard}"
        for row in rows[:SHOWN_SHARDS]
    )
    rest = len(rows) - SHOWN_SHARDS
    more = f"; as much or more on {rest} other{'s' if rest > 1 else ''}" if rest > 0 else ""
    return f"chunks that may still be missed in this epoch before EarlyKickout: {told}{more}"


DESPITE = "--despite-budget"
"""The option of the commands that are refused otherwise."""


def _scarce(budget: Budget | None) -> list[Allowance]:
    """What somebody could still spend and should not: of what is lost nothing is left to be spared."""
    return [row for row in budget.rows if row.low and not row.lost] if budget is not None else []


def scarce_text(budget: Budget | None) -> str:
    """What a plan is held back for, in few words that change with a miss alone; empty: nothing."""
    return "; ".join(
        f"{row.missable} of {row.full} {row.duty} may still be missed"
        + (f" on shard {row.shard}" if row.shard is not None else "")
        for row in _scarce(budget)
    )


def refusal(budget: Budget | None) -> str | None:
    """Why nobody should spend any of it on a drill or a planned handover now; ``None``: nothing known."""
    rows = _scarce(budget)
    if budget is None or not rows:
        return None
    return (
        f"{'; '.join(map(_text, rows))}. "
        f"What is missed counts until the epoch ends, in {budget.blocks_left} blocks. "
        f"To go on all the same, as where that ends the loss: {DESPITE}"
    )
