"""The two clocks: one for everything that waits, one for what is written into blocks."""

import time


def boottime() -> float:
    """Seconds since boot, counting the time that the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall_ns() -> int:
    """Nanoseconds since 1970, for block timestamps and for what people read."""
    return time.time_ns()


def rfc3339(ns: int) -> str:
    """A timestamp as neard writes it: UTC with nine digits of a second."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09d}Z"
