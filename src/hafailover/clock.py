"""The one clock that leases, waits and grants are measured with."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds since boot on CLOCK_BOOTTIME: it goes on during suspend and no one can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def until_next(every_s: float) -> float:
    """Seconds until the clock is a whole multiple of ``every_s``: above 0, and ``every_s`` at most.

    What looks at something now and then waits for this, so that all who do so wake up together. Alone, each
    would find the processor's caches cold, which costs several times what it does there.
    """
    return every_s - boottime() % every_s
