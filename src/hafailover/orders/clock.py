"""Orders that end by themselves, on this host's own CLOCK_BOOTTIME."""

from __future__ import annotations

import time

from hafailover.clock import boottime
from hafailover.orders.documents import Pause


class PauseClock:
    """Says when a pause ends: decided once, when it is first seen, and not moved by a wall clock later."""

    def __init__(self) -> None:
        self._id: tuple[str, str] | None = None
        self._ends_at = 0.0

    def ends_at(self, pause: Pause | None) -> float:
        """CLOCK_BOOTTIME in seconds; long ago without a pause."""
        if pause is None:
            self._id = None
            return -1e9
        if self._id != (pause.id, pause.until):
            self._id = (pause.id, pause.until)
            left = min(max(pause.until_unix - time.time(), 0.0), pause.for_s)
            self._ends_at = boottime() + left
        return self._ends_at
