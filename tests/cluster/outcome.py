"""What came of faults, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from hafailover.bench.duties import Duties

from .strike import Expect


@dataclass(slots=True)
class Hit:
    """One fault that struck: on which host, and when, in seconds on CLOCK_BOOTTIME."""

    kind: str
    host: str
    was_active: bool
    at: float
    hold_s: float


@dataclass(slots=True)
class Episode:
    """One fault, or several together, from the first strike until the pool was safe again."""

    hits: list[Hit]
    expected: Expect
    whole_before: bool
    recovered_s: float = 0.0
    """From the first strike until one host signed again for good; 0 if it never ceased to."""
    healed: bool | None = None
    """Whether the last fault was healed by then; ``None`` where nothing was interrupted."""
    silent_s: float = 0.0
    """How long nobody could sign, in all."""
    safe_s: float = 0.0
    """From the first strike until one was active and a standby was ready."""
    missed: int = 0
    duties: Duties | None = None
    """What was due and done from before the strike until the pool was safe again; ``None``: not known."""
    failovers: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        """The row of the report that it counts in."""
        if len(self.hits) == 1:
            hit = self.hits[0]
            return hit.kind if hit.was_active else f"{hit.kind} (not on the active)"
        return f"{len(self.hits)} at once"

    @property
    def false_failover(self) -> bool:
        """It moved although it was not to."""
        return self.expected is Expect.STAYS and self.failovers > 0

    @property
    def line(self) -> str:
        """For a person who watches."""
        what = ", ".join(f"{hit.kind} on {hit.host}{'*' if hit.was_active else ''}" for hit in self.hits)
        moved = (
            "moved"
            if self.failovers == 1
            else f"moved {self.failovers} times"
            if self.failovers
            else "stayed"
        )
        text = (
            f"{what}: {moved}, signing again after {self.recovered_s:.2f} s, {self.missed} missed, "
            f"safe after {self.safe_s:.1f} s"
        )
        if self.duties is not None:
            text += f", {self.duties}"
        return text + "".join(f"; PROBLEM: {problem}" for problem in self.problems)
