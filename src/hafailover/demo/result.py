"""What a scenario was, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from hafailover.localnet.identity import Binary


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario's outcome. Times in seconds."""

    name: str
    ok: bool
    done: str
    """What was done to the pool, in words."""
    expected: str
    active_before: str | None
    active_after: str | None
    fault_to_first_block_s: float | None
    """From the fault to the first block that the active after it signed."""
    fault_to_key_s: float | None
    """From the fault to the new active's key being confirmed loaded; ``None`` where nothing moved."""
    blocks_missed: int | None
    double_signed_heights: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    """How long the scenario took, with healing."""


@dataclass(slots=True)
class Report:
    """All scenarios."""

    neard: Binary
    """What all hosts and validators ran."""
    results: list[Result] = field(default_factory=list)
    double_signed_heights: list[int] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.results) and all(r.ok for r in self.results) and not self.double_signed_heights

    def to_plain(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": self.ok,
            "neard": self.neard.to_plain(),
            "double_signed_heights": self.double_signed_heights,
            "scenarios": [asdict(result) for result in self.results],
        }
