"""The figures of a run: rows per kind, totals, and a table of them. Pure but for the machine's own data."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hafailover.bench.duties import Duties

from .outcome import Episode
from .strike import Expect

SEVERAL = " at once"


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of fault, or one number of faults at once. Times in seconds."""

    name: str
    expected: str
    count: int
    recovered_median_s: float
    recovered_worst_s: float
    healed_first: int
    """In how many of them the faults had been healed before one signed again."""
    missed: int
    failovers: int
    false_failovers: int
    problems: int
    duties: dict[str, int]
    """What was due and done in all of them, where it is known."""


def rows(episodes: Sequence[Episode]) -> list[Row]:
    """One for each kind that struck alone, in order of appearance, and for each number of faults at once."""
    groups: dict[str, list[Episode]] = {}
    for one in episodes:
        groups.setdefault(one.row, []).append(one)
    names = sorted(groups, key=lambda name: int(name.removesuffix(SEVERAL)) if name.endswith(SEVERAL) else 0)
    return [_row(name, groups[name]) for name in names]


def _row(name: str, group: list[Episode]) -> Row:
    times = [one.recovered_s for one in group]
    kinds = {one.expected for one in group}
    expected = kinds.pop() if len(kinds) == 1 else Expect.EITHER
    return Row(
        name=name,
        expected=str(expected),
        count=len(group),
        recovered_median_s=round(median(times), 2),
        recovered_worst_s=round(max(times), 2),
        healed_first=sum(one.healed is True for one in group),
        missed=sum(one.missed for one in group),
        failovers=sum(one.failovers for one in group),
        false_failovers=sum(one.false_failover for one in group),
        problems=sum(len(one.problems) for one in group),
        duties=_sum([one.duties for one in group if one.duties is not None]),
    )


def _sum(duties: Sequence[Duties]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in duties:
        total.update(one.to_plain())
    return dict(total)


def totals(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Sums over a whole run."""
    struck = Counter(hit.kind for one in episodes for hit in one.hits)
    due = sum(one.expected is Expect.STAYS for one in episodes)
    return {
        "faults": sum(struck.values()),
        "episodes": len(episodes),
        "kinds": dict(sorted(struck.items())),
        "failovers": sum(one.failovers for one in episodes),
        "none_due": due,
        "false_failovers": sum(one.false_failover for one in episodes),
        "blocks_missed": sum(one.missed for one in episodes),
        "silent_s": round(sum(one.silent_s for one in episodes), 1),
        "worst_recovered_s": round(max((one.recovered_s for one in episodes), default=0.0), 2),
        "worst_safe_s": round(max((one.safe_s for one in episodes), default=0.0), 2),
        "problems": [problem for one in episodes for problem in one.problems],
    }


def plain(episode: Episode) -> dict[str, Any]:
    """An episode for the JSON file."""
    return {**asdict(episode), "expected": str(episode.expected), "false_failover": episode.false_failover}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    memory = next(
        (
            line.split()[1]
            for line in Path("/proc/meminfo").read_text().splitlines()
            if line.startswith("MemTotal")
        ),
        "0",
    )
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory) / (1 << 20), 1),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def table(found: Sequence[Row]) -> str:
    """The rows as text, in columns."""
    head = ("fault", "expected", "n", "median", "worst", "healed", "missed", "moved", "false", "problems")
    lines = [
        (
            row.name,
            row.expected,
            str(row.count),
            f"{row.recovered_median_s:.2f}",
            f"{row.recovered_worst_s:.2f}",
            str(row.healed_first),
            str(row.missed),
            str(row.failovers),
            str(row.false_failovers),
            str(row.problems),
        )
        for row in found
    ]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *lines]
    )


LEGEND = """\
median, worst: seconds from the strike until one host that can sign has the key again, for good; 0 if one had
it all along. healed: how often the fault was healed before that. missed: blocks that the pool was to produce
and did not. moved: failovers. false: failovers where none was due. at once: so many faults, overlapping."""


def plain_row(row: Row) -> dict[str, Any]:
    """A row for the JSON file."""
    return asdict(row)


def usage_table(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> str:
    """Sums by role, before and after a soak."""
    lines = [f"{'sum over hosts':<16}{'rss MiB':>18}{'pss MiB':>18}{'files':>14}{'threads':>14}"]
    for role, old in before.items():
        new = after.get(role, {})
        cells = [f"{old[key]:g} -> {new.get(key, 0):g}" for key in ("rss_mib", "pss_mib", "files", "threads")]
        lines.append(f"{role:<16}{cells[0]:>18}{cells[1]:>18}{cells[2]:>14}{cells[3]:>14}")
    return "\n".join(lines)
