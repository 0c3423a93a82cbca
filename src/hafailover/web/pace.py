"""How much of the processor requests may take: the agent is one process, and its beats come first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hafailover.clock import boottime

SHARE = 0.3
"""Of a core, over time: 200 requests a second take a third of that (``hafailover bench --only http``)."""
BURST_S = 0.2
"""What may be used at once after a rest: a page with all it loads, several times over."""
LONGEST_S = 0.5


class Pace:
    """Whoever has worked for requests tells it here, and waits if that was more than the share allows.

    :param sleep: takes seconds.
    """

    def __init__(
        self, now: Callable[[], float] = boottime, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._left = BURST_S
        self._at = now()

    def spent(self, seconds: float) -> None:
        """:param seconds: CPU time of the calling thread."""
        with self._lock:
            now = self._now()
            self._left = min(BURST_S, self._left + (now - self._at) * SHARE) - seconds
            self._at = now
            debt = -self._left
        if debt > 0:
            self._sleep(min(LONGEST_S, debt / SHARE))
