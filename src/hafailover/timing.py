"""Every time constant of the lease, what follows from it, and the rules that keep it safe.

All values are seconds on CLOCK_BOOTTIME. Three profiles are measured choices; an operator may change
single values, and :func:`violations` says which rule a change breaks. The arithmetic that carries the
product's promise is three lines:

* the active's key is gone by ``P + fence_after + drop_budget``, P being when it sent its last good beat;
* it publishes that sum as ``gone_within`` in the beat;
* a successor arms no earlier than ``A + gone_within + margin``, A being when it first saw that beat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Profile:
    """One consistent set of timings, in seconds (``margin_rate``: a fraction)."""

    name: str
    beat_s: float
    """From one beat's sending to the next one's."""
    call_deadline_s: float
    """The longest that one call to Consul may take."""
    retry_s: float
    """From a failed beat to the next try; also the head start of a better-ranked standby."""
    fence_after_s: float
    """The active gives up its key so long after the last good beat was sent."""
    drop_budget_s: float
    """The longest from the decision to drop to the key's confirmed absence, SIGKILL included."""
    margin_s: float
    """What a successor waits beyond ``gone_within``."""
    margin_rate: float
    """What it waits in addition, as a fraction of ``gone_within``: so far two hosts' clocks may run apart."""
    session_ttl_s: int
    """TTL of the Consul session, a backstop: Consul lets it live up to twice that."""
    check_ttl_s: float
    """TTL of the service check that the session is bound to: how a frozen agent is noticed."""

    @property
    def gone_within_s(self) -> float:
        """The key is gone so long after the last good beat was sent, whatever happens."""
        return self.fence_after_s + self.drop_budget_s

    def successor_wait_s(self, gone_within_s: float) -> float:
        """How long a successor waits after first seeing a beat that published ``gone_within_s``."""
        return gone_within_s * (1 + self.margin_rate) + self.margin_s

    @property
    def longest_wait_s(self) -> float:
        """How long a successor waits that knows nothing: then no key from before is left, whoever had it."""
        return self.successor_wait_s(LONGEST_GONE_WITHIN_S)

    @property
    def hot_drop_s(self) -> float:
        """The part of the drop budget for the hot drop; the rest is for SIGKILL and its confirmation."""
        return self.drop_budget_s / 2

    @property
    def agent_watchdog_s(self) -> float:
        """``WatchdogSec`` of the agent: a frozen one is killed, and back before Consul's check notices.

        Two seconds at least, since a machine may be busy for nearly as long;
        profile ``fast`` hands over instead.
        """
        return max(MIN_AGENT_WATCHDOG_S, (self.check_ttl_s - self.beat_s) / 2)

    @property
    def guard_watchdog_s(self) -> float:
        """``WatchdogSec`` of the guard while it holds no key; with one, it makes the limit shorter itself."""
        return (self.fence_after_s - self.beat_s) / 2


PROFILES: dict[str, Profile] = {
    # Consul servers on the hosts, raft_multiplier 1: the oldest age of a healthy lease seen was 4.97 s.
    "default": Profile("default", 1.0, 1.0, 0.2, 7.0, 1.5, 0.5, 0.01, 15, 5.0),
    # The same on idle machines in one data centre: a lost Consul leader may cost a needless fence.
    "fast": Profile("fast", 1.0, 1.0, 0.2, 5.0, 1.0, 0.5, 0.01, 15, 3.0),
    # Client agents, raft_multiplier 2 or long distances: 8.84 s was the oldest age seen.
    "wide": Profile("wide", 1.0, 2.0, 0.2, 13.0, 2.0, 1.0, 0.01, 20, 5.0),
}

LONGEST_GONE_WITHIN_S = max(profile.gone_within_s for profile in PROFILES.values())
"""What a successor assumes of a predecessor it knows nothing about. No host may exceed it."""

MIN_AGENT_WATCHDOG_S = 2.0

MIN_GRANT_S = 1.0
"""A grant that would run out sooner is not worth loading a key for."""

MIN_MARGIN_S = 0.5
MIN_MARGIN_RATE = 0.01


def clock_may_be_off(margin_rate: float) -> float:
    """How far each of two clocks may be off real time so that they run apart by ``margin_rate`` at most.

    ``(1 + x) / (1 - x) <= 1 + margin_rate``.
    """
    return margin_rate / (2 + margin_rate)


CLOCKS_APART = MIN_MARGIN_RATE
"""The bound on clocks: of two hosts' CLOCK_BOOTTIME, one may run faster than the other by this fraction.

Let the active's clock count ``a`` seconds in each true one, the successor's ``s``. The key is gone
``gone_within / a`` true seconds after P, and the successor arms ``gone_within * (1 + margin_rate) / s`` true
seconds after A at the earliest, ``margin_s`` left aside. P is not later than A, so it is enough that
``s / a <= 1 + margin_rate``. ``margin_s`` is not for clocks: it is for late wakings and for a last block on
its way. Over the longest ``gone_within`` it would bear 3 % more: the simulator can let each clock be off
by the whole bound, and two of them run apart by twice what is assumed.
"""

CLOCK_OFF = clock_may_be_off(CLOCKS_APART)
"""The same of one clock against real time, for a look at one host (0.49 %)."""

MIN_DROP_BUDGET_S = 0.5
CONSUL_MIN_SESSION_TTL_S = 10
"""Consul refuses shorter session TTLs unless its servers are configured otherwise."""

GUARD_SILENCE_S = 3.0
"""An agent that hears nothing from its guard for so long kills it; neard dies with the guard."""

GRANT_TICK_S = 0.05
"""How often the guard looks at CLOCK_BOOTTIME while it is armed."""


def with_changes(profile: Profile, changes: dict[str, Any]) -> Profile:
    """The profile with some values changed by the operator; ``None`` means unchanged."""
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(profile, **given) if given else profile


def violations(profile: Profile) -> list[str]:
    """The safety rules that these timings break, each with its numbers and what to change. Empty: safe."""
    found = []

    def rule(holds: bool, text: str) -> None:
        if not holds:
            found.append(text)

    p = profile
    for name in ("beat_s", "call_deadline_s", "retry_s"):
        rule(getattr(p, name) > 0, f"timing.{name} is {getattr(p, name):g} and must be above 0")
    attempts = p.beat_s + 2 * (p.call_deadline_s + p.retry_s) + MIN_GRANT_S
    rule(
        p.fence_after_s >= attempts,
        f"timing.fence_after_s is {p.fence_after_s:g}, less than one beat, two failed tries and the shortest "
        f"grant ({p.beat_s:g} + 2 x ({p.call_deadline_s:g} + {p.retry_s:g}) + {MIN_GRANT_S:g}): "
        f"raise it to {attempts:g} or more",
    )
    rule(
        p.drop_budget_s >= MIN_DROP_BUDGET_S,
        f"timing.drop_budget_s is {p.drop_budget_s:g}; drop and SIGKILL need {MIN_DROP_BUDGET_S:g} or more",
    )
    rule(
        p.gone_within_s <= LONGEST_GONE_WITHIN_S,
        f"timing.fence_after_s + timing.drop_budget_s is {p.gone_within_s:g}, above the "
        f"{LONGEST_GONE_WITHIN_S:g} that other hosts assume of an unknown predecessor: lower one of them",
    )
    rule(
        p.margin_s >= MIN_MARGIN_S,
        f"timing.margin_s is {p.margin_s:g} and must be {MIN_MARGIN_S:g} or more",
    )
    rule(
        p.margin_rate >= MIN_MARGIN_RATE,
        f"timing.margin_rate is {p.margin_rate:g} and must be {MIN_MARGIN_RATE:g} or more",
    )
    rule(
        p.session_ttl_s >= CONSUL_MIN_SESSION_TTL_S,
        f"timing.session_ttl_s is {p.session_ttl_s:g}; Consul takes {CONSUL_MIN_SESSION_TTL_S} or more",
    )
    rule(
        p.session_ttl_s >= p.fence_after_s,
        f"timing.session_ttl_s is {p.session_ttl_s:g}, below timing.fence_after_s ({p.fence_after_s:g}): "
        "the session would end before the active gives up",
    )
    feed = p.beat_s + p.call_deadline_s + p.retry_s
    rule(
        p.check_ttl_s > feed,
        f"timing.check_ttl_s is {p.check_ttl_s:g} and must be above one beat and one failed call ({feed:g})",
    )
    return found


def sensible_fence_after_s(raft_multiplier: int, through_client: bool) -> float:
    """The least ``fence_after`` that rides out the loss of Consul's leader, in seconds.

    Fitted to the oldest lease ages measured on healthy actives: 4.97 s at ``raft_multiplier`` 1 (75 runs),
    8.84 s at 2, 18.5 s at 5, and 8.23 s at 1 where a client agent stands in between.
    """
    need = 3.0 + 4.0 * raft_multiplier
    return max(need, 10.0) if through_client else need
