"""The figures: what is measured, in which unit, and what it must not exceed."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hafailover.localnet.identity import Binary


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
    remark: str = ""
    """How it was measured where that is not as usual, or what else was seen."""
    duties: dict[str, int] | None = None
    """What was due and what was done, where that was counted."""
    arrangement: str = ""
    """Of neard's network settings, where several are compared."""

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
            "remark": self.remark,
            **({"duties": self.duties} if self.duties is not None else {}),
            **({"arrangement": self.arrangement} if self.arrangement else {}),
        }


def write(rows: list[Row], neard: Binary | None, path: Path, **more: Any) -> None:
    """Writes all rows as JSON, and what they were measured on; ``None`` where nothing was."""
    document = {
        "ok": all(row.ok for row in rows),
        "neard": neard.to_plain() if neard is not None else None,
        **more,
        "rows": [row.to_plain() for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def table(rows: list[Row]) -> str:
    """Plain text: nothing in it is ever cut off or wrapped."""
    name = max(len(_label(row)) for row in rows)
    lines = [f"{'':6} {'figure':{name}} {'median':>7} {'lowest':>7} {'highest':>7} {'at most':>7}"]
    for row in rows:
        values = (row.median, min(row.runs, default=None), max(row.runs, default=None), row.limit)
        cells = " ".join(f"{'-' if value is None else f'{value:.3g}':>7}" for value in values)
        remark = f" ({row.remark})" if row.remark else ""
        lines.append(f"{'ok' if row.ok else 'FAILED':6} {_label(row):{name}} {cells} {row.unit}{remark}")
        lines += [f"       {problem}" for problem in row.problems]
    return "\n".join(lines)


def _label(row: Row) -> str:
    return f"{row.arrangement}: {row.name}" if row.arrangement else row.name
