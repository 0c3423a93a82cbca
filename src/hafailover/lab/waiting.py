"""Waiting with deadlines on the clock that goes on while the machine sleeps."""

import time
from collections.abc import Callable

from hafailover.clock import boottime
from hafailover.lab.errors import LabTimeoutError


def wait_until(
    condition: Callable[[], bool],
    *,
    timeout_s: float,
    what: str | Callable[[], str],
    interval_s: float = 0.05,
) -> float:
    """Wait until `condition` holds; returns how long that took, in seconds.

    `what` completes the sentence "not within 5 s: ..."; a function is asked only in that case. The condition
    is tried at least once, and once more at the deadline. Raises LabTimeoutError.
    """
    started = boottime()
    while not condition():
        waited = boottime() - started
        if waited >= timeout_s:
            raise LabTimeoutError(f"not within {timeout_s:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(min(interval_s, timeout_s - waited))
    return boottime() - started
