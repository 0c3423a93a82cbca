"""The one clock that leases, waits and grants are measured with."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds since boot on CLOCK_BOOTTIME: it goes on during suspend and no one can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
