"""The figures of many runs, added up; printed as a table and written as JSON."""

from __future__ import annotations

import os
import platform
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from .faults import KINDS
from .mutants import Hunt
from .run import Result
from .vigil import BOUNDS_S

ALONE = ("request lost", "reply lost", "request late", "watch late", "call carried out after its deadline")
"""Single calls and answers that went wrong: counted one by one, as parts of longer faults."""
MUST_HAPPEN = (
    "promotions",
    "fences",
    "drops",
    "waits for a predecessor",
    "switchovers accepted",
    "releases: released",
    "releases: passed",
    "Consul leaders lost",
    "leaders from the past that answered",
    "guards ended by systemd's watchdog",
    "agents ended by systemd's watchdog",
    "keys loaded without a lease",
)


@dataclass
class Total:
    """All runs together. ``wall_s``: true seconds that they took."""

    seeds: int = 0
    takeovers: int = 0
    """Pools in which somebody was ordered to sign without a lease."""
    forgeries: int = 0
    """Pools in whose Consul somebody forged words."""
    thefts: int = 0
    """Pools whose locks somebody took away as a term began."""
    foreigners: int = 0
    """Pools that started while somebody else signed with their key."""
    hours_each: float = 0.0
    virtual_s: float = 0.0
    episodes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)
    recovered_s: list[float] = field(default_factory=list)
    exposures_s: list[float] = field(default_factory=list)
    spells_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """What lasted how long while faults went on, by name (:mod:`.vigil`)."""
    violations: list[Result] = field(default_factory=list)
    wall_s: float = 0.0
    workers: int = 1
    hunts: list[Hunt] = field(default_factory=list)

    def add(self, result: Result) -> None:
        if result.course == "foreigners":
            self.foreigners += 1
        elif result.course == "forging":
            self.forgeries += 1
        elif result.course in ("hiding", "freeing"):
            self.thefts += 1
        elif result.course:
            self.takeovers += 1
        else:
            self.seeds += 1
        self.virtual_s += result.seconds
        self.episodes += result.episodes
        self.faults += result.faults
        self.did += result.did
        self.recovered_s += result.recovered_s
        self.exposures_s += result.exposures_s
        for name, seconds in result.spells_s.items():
            self.spells_s[name] += seconds
        if result.rule:
            self.violations.append(result)

    @property
    def never_struck(self) -> list[str]:
        return [kind for kind in (*KINDS, *ALONE) if not self.faults[kind]]

    @property
    def never_happened(self) -> list[str]:
        return [what for what in MUST_HAPPEN if not self.did[what]]

    @property
    def survivors(self) -> list[str]:
        """Mutants that were not found."""
        return [one.mutant.name for one in self.hunts if one.found is None]

    def as_json(self) -> dict[str, Any]:
        total = self.faults.total()
        return {
            "seeds": self.seeds,
            "takeover_courses": self.takeovers,
            "foreign_courses": self.foreigners,
            "forging_courses": self.forgeries,
            "theft_courses": self.thefts,
            "hours_each": self.hours_each,
            "virtual_hours": round(self.virtual_s / 3600, 2),
            "episodes": self.episodes,
            "faults": total,
            "faults_by_kind": dict(sorted(self.faults.items())),
            "never_struck": self.never_struck,
            "happened": dict(sorted(self.did.items())),
            "promotions": self.did["promotions"],
            "fences": self.did["fences"],
            "violations": [
                {
                    "seed": one.seed,
                    "course": one.course,
                    "rule": one.rule,
                    "what": one.what,
                    "episode": one.episode,
                }
                for one in self.violations
            ],
            "recovery_s": _spread(self.recovered_s),
            "woken_beside_a_successor_s": _spread(self.exposures_s),
            "spells_s": {
                name: {**_spread(seconds), "p99": _p99(seconds), "bound": BOUNDS_S.get(name)}
                for name, seconds in sorted(self.spells_s.items())
            },
            "mutants": [
                {
                    "name": one.mutant.name,
                    "found": one.found is not None,
                    "seeds_tried": one.tried,
                    "within": one.mutant.within,
                    "rule": one.found.rule if one.found else None,
                }
                for one in self.hunts
            ],
            "wall_s": round(self.wall_s, 1),
            "faults_per_s": round(total / self.wall_s) if self.wall_s else None,
            "workers": self.workers,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        }

    def show(self, console: Console) -> None:
        faults = Table("fault", "times", box=None, pad_edge=False)
        for kind, times in sorted(self.faults.items(), key=lambda item: -item[1]):
            faults.add_row(kind, f"{times:,}")
        for kind in self.never_struck:
            faults.add_row(kind, "0")
        console.print(faults)
        happened = Table("what the pool did", "times", box=None, pad_edge=False)
        for what, times in sorted(self.did.items(), key=lambda item: -item[1]):
            happened.add_row(what, f"{times:,}")
        console.print(happened)
        total = self.faults.total()
        rate = total / self.wall_s if self.wall_s else 0.0
        console.print(
            f"{self.seeds} seeds, {self.takeovers} courses with takeovers, {self.forgeries} with forgeries, "
            f"{self.thefts} with locks taken away as a term begins, "
            f"{self.foreigners} with somebody else who signs, "
            f"{self.virtual_s / 3600:.1f} virtual hours, {total:,} faults in "
            f"{self.wall_s:.0f} s with {self.workers} processes: {rate:.0f} faults a second"
        )
        recovery, woken = _spread(self.recovered_s), _spread(self.exposures_s)
        console.print(
            f"exactly one active after the last fault of an episode: median {recovery['median']} s, "
            f"worst {recovery['worst']} s; hosts that woke from a freeze beside their successor: "
            f"{woken['count']}, at most {woken['worst']} s"
        )
        spells = Table(
            "while faults went on, in seconds", "times", "median", "99 %", "worst", "bound", box=None
        )
        for name, seconds in sorted(self.spells_s.items()):
            spread, bound = _spread(seconds), BOUNDS_S.get(name)
            figures = (spread["count"], spread["median"], _p99(seconds), spread["worst"], bound or "none")
            spells.add_row(name, *map(str, figures))
        console.print(spells)
        for one in self.hunts:
            verdict = f"found with seed {one.tried} of {one.mutant.within}" if one.found else "NOT FOUND"
            console.print(f"mutant: {one.mutant.name}: {verdict}")
        console.print(f"violations: {len(self.violations)}")


def _p99(values: Sequence[float]) -> float:
    return round(sorted(values)[int(0.99 * len(values))], 3)


def _spread(values: Sequence[float]) -> dict[str, float | int | None]:
    if not values:
        return {"count": 0, "median": None, "worst": None}
    return {
        "count": len(values),
        "median": round(statistics.median(values), 3),
        "worst": round(max(values), 3),
    }
