"""Which host signed when, as the observer saw it, and what follows from that. Pure."""

from __future__ import annotations

import threading


class Timeline:
    """Changes of the one host that has the key and can sign with it; ``None`` while there is no such host."""

    def __init__(self) -> None:
        self._changes: list[tuple[float, str | None]] = []
        self._lock = threading.Lock()

    def note(self, at: float, serving: str | None) -> None:
        """What was seen, in order of time."""
        with self._lock:
            if not self._changes or self._changes[-1][1] != serving:
                self._changes.append((at, serving))

    def recovered_s(self, strike: float, until: float) -> float:
        """Seconds from the strike until one host signed again and went on; 0 if it never ceased to."""
        changes = [(at, who) for at, who in self._copy() if at <= until]
        for (_, who), (ends, _) in zip(
            reversed(changes), reversed([*changes[1:], (until, None)]), strict=True
        ):
            if who is None and ends > strike:
                return ends - strike
        return 0.0

    def silent_s(self, since: float, until: float) -> float:
        """How long nobody could sign, in all."""
        changes = self._copy()
        total = 0.0
        for (at, who), (ends, _) in zip(changes, [*changes[1:], (until, None)], strict=True):
            if who is None:
                total += max(0.0, min(ends, until) - max(at, since))
        return total

    def failovers(self, strike: float, until: float) -> int:
        """How often another host than the last one began to sign."""
        last = self._last_before(strike)
        count = 0
        for at, who in self._copy():
            if strike < at <= until and who is not None:
                count += last is not None and who != last
                last = who
        return count

    def _last_before(self, moment: float) -> str | None:
        return next((who for at, who in reversed(self._copy()) if at <= moment and who is not None), None)

    def _copy(self) -> list[tuple[float, str | None]]:
        with self._lock:
            return list(self._changes)
