"""The one clock that leases, waits and grants are measured with."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds since boot on CLOCK_BOOTTIME: it goes on during suspend and no one can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def until_next(every_s: float) -> float:
    """Seconds until the clock is a whole multiple of ``every_s``: above 0, and ``every_s`` at most.

    Threads that look at something at intervals wait for this, so that they wake up at the same moments. One
    that wakes up alone finds the processor's caches cold, and takes several times as long.
    """
    return every_s - boottime() % every_s
