"""The figures: what is measured, in which unit, and what it must not exceed."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Row:
    """One figure over several runs. ``limit`` bounds the median; ``None``: for comparison only."""

    name: str
    what: str
    unit: str
    limit: float | None
    runs: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Runs that gave no figure, and why: they count as failed."""
    every: bool = False
    """``limit`` bounds every run, not their median alone."""

    @property
    def median(self) -> float | None:
        return statistics.median(self.runs) if self.runs else None

    @property
    def ok(self) -> bool:
        if self.problems or (self.every and self.above):
            return False
        return self.limit is None or (self.median is not None and self.median <= self.limit)

    @property
    def above(self) -> list[float]:
        """Single runs above the limit."""
        return [run for run in self.runs if self.limit is not None and run > self.limit]

    def to_plain(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "what": self.what,
            "unit": self.unit,
            "median": round(self.median, 3) if self.median is not None else None,
            "runs": [round(run, 3) for run in self.runs],
            "limit": self.limit,
            "ok": self.ok,
            "problems": self.problems,
        }


def write(rows: list[Row], path: Path) -> None:
    """Writes all rows as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.to_plain() for row in rows], indent=2) + "\n")
