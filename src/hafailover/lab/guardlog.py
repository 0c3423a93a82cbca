"""When a guard loaded and dropped the key, from its log: CLOCK_BOOTTIME to the millisecond."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"\[\s*(\d+\.\d+)\] \w+ guard: (.*)")
LOADED = "the key is loaded"
DROPPED = "the key is dropped"
NEARD_GONE = re.compile(r"neard (killed|exited)")


@dataclass(frozen=True, slots=True)
class GuardLine:
    """One line: ``at`` in seconds on CLOCK_BOOTTIME."""

    at: float
    text: str

    @property
    def loaded(self) -> bool:
        """The key's load was confirmed."""
        return self.text.startswith(LOADED)

    @property
    def gone(self) -> bool:
        """The key's absence was confirmed: dropped, or neard is dead."""
        return self.text.startswith(DROPPED) or NEARD_GONE.match(self.text) is not None


def guard_lines(path: Path, since: float = 0.0) -> list[GuardLine]:
    """The guard's own lines that are not older than ``since``; neard's, in the same file, are left out."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in lines_in(text) if line.at >= since]


def lines_in(text: str) -> list[GuardLine]:
    """The guard's own lines in a part of its log."""
    return [GuardLine(float(match[1]), match[2]) for match in _LINE.finditer(text)]


def loaded_at(path: Path, since: float) -> float | None:
    """When the key was first confirmed loaded, not before ``since``."""
    return next((line.at for line in guard_lines(path, since) if line.loaded), None)


def gone_at(path: Path, since: float) -> float | None:
    """When the key was first confirmed gone, not before ``since``."""
    return next((line.at for line in guard_lines(path, since) if line.gone), None)
