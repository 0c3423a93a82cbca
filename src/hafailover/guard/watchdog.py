"""How long systemd is to wait for the guard's next sign of life: never beyond what the grant allows.

systemd's watchdog is what ends a frozen guard, and neard with it. The unit's own limit would do while the
grant is young; when it has nearly run out, a guard that freezes must be killed sooner. So each sign of life
says how long it is good for, such that the kill comes by ``deadline + drop_budget`` less a quarter of the
budget, which is left for SIGKILL itself and for neard's own end (PR_SET_PDEATHSIG).

A deadline only ever moves on within a term, so what was said before never reaches too far. systemd's timer
stands still while the machine is suspended, but so does the guard, whose first act afterwards is to look at
CLOCK_BOOTTIME. And there is no watchdog while a unit is being stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.core.views import KeyState
from hafailover.guard import model as m
from hafailover.timing import GRANT_TICK_S

SYSTEMD_LATE_S = 0.25
"""How late systemd may act: it sets its watchdog's timer with sd-event's default accuracy, which is 250 ms
(``service_start_watchdog`` in src/core/service.c, ``DEFAULT_ACCURACY_USEC`` in sd-event.c). Measured with
version 252: 50 to 250 ms."""

KILL_SHARE = 0.25
"""The part of the drop budget that SIGKILL and the end of both processes may take."""

SHORTEST_S = 0.05
"""Less is not said: in the last moments before the guard itself kills neard, what was said before stands."""

MOST_OFTEN_S = 0.2
"""The shortest pause between two signs of life, as long as the limit is not shorter than twice that."""

ROUNDING_S = 0.001
"""By how much two limits may differ and still be the same."""


@dataclass(frozen=True, slots=True)
class Pat:
    """A sign of life as it was given: when, and when systemd kills the guard if no other follows.

    Seconds on CLOCK_BOOTTIME. The kill may come ``SYSTEMD_LATE_S`` later.
    """

    at: float
    kills_at: float

    @property
    def limit_s(self) -> float:
        return self.kills_at - self.at

    @property
    def next_at(self) -> float:
        """When the next one is due: two may be lost."""
        return self.at + min(max(self.limit_s / 3, MOST_OFTEN_S), self.limit_s / 2)

    @property
    def message(self) -> str:
        """What systemd is told, sd_notify(3). It takes both parts at once and begins to count anew: see
        ``service_notify_message`` and ``service_override_watchdog_timeout`` in src/core/service.c, the same
        in version 252 and today. A limit of 0 would turn the watchdog off; there is none below 50 ms.
        """
        return f"WATCHDOG_USEC={int(self.limit_s * 1e6)}\nWATCHDOG=1"


def next_pat(guard: m.Guard, last: Pat | None, unit_s: float, now: float) -> Pat | None:
    """The sign of life to give now, or ``None`` if there is no need.

    :param unit_s: the unit's own ``WatchdogSec``, the longest limit.
    """
    latest = _latest_kill(guard)
    if latest is not None and latest - now < SHORTEST_S:
        return None
    pat = Pat(now, now + unit_s if latest is None else min(now + unit_s, latest))
    # The key is gone: what was said for its sake must not end a guard that lives.
    relaxed = latest is None and last is not None and last.limit_s < unit_s - ROUNDING_S
    due = last is None or now >= last.next_at or relaxed or reaches_too_far(guard, last)
    return pat if due else None


def reaches_too_far(guard: m.Guard, last: Pat | None) -> bool:
    """Whether what was said last is good for longer than this state allows.

    Then the next one comes before anything else is done: the guard may freeze between a decision and its
    effects.
    """
    latest = _latest_kill(guard)
    return latest is not None and (last is None or last.kills_at > latest)


def next_look(last: Pat | None, now: float) -> float:
    """When :func:`next_pat` is to be asked again at the latest, on CLOCK_BOOTTIME."""
    return max(now + GRANT_TICK_S, last.next_at if last is not None else now)


def _latest_kill(guard: m.Guard) -> float | None:
    """The latest moment for systemd to kill the guard; ``None`` while there is nothing that it would end."""
    if guard.key is KeyState.ABSENT or guard.killed:
        # A neard that got SIGKILL ends without the guard's help.
        return None
    return guard.deadline + guard.config.drop_budget_s * (1 - KILL_SHARE) - SYSTEMD_LATE_S
