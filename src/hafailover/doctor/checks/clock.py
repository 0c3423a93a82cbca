"""This host's clocks: the wall clock for neard and people, the rate of CLOCK_BOOTTIME for the lease."""

from __future__ import annotations

from hafailover.doctor.facts.clock import ClockFacts
from hafailover.doctor.finding import Finding, error, info, ok, skipped, warning
from hafailover.timing import Profile, clock_may_be_off

MOST_ERROR_S = 1.0
"""Of the kernel's own upper limit for the wall clock's error. Ours: a block time of mainnet is 0.6 s."""
MOST_AHEAD_S = 2.0
"""A head from the future: this clock is behind its producer's, or that one ahead."""
MOST_AGE_S = 60.0
HANDSHAKE_S = 1800.0
"""neard refuses peers whose clock is off by more (nearcore, chain/network/src/peer/peer_actor.rs)."""


def judge(facts: ClockFacts, profile: Profile, head_age_s: float | None, syncing: bool) -> list[Finding]:
    """:param head_age_s: of this neard's head by this host's clock; ``None`` if that is not known."""
    return [
        *_discipline(facts),
        *_rate(facts, profile),
        *_against_chain(head_age_s, syncing),
        _between_hosts(),
    ]


def _discipline(facts: ClockFacts) -> list[Finding]:
    if facts.error:
        return [skipped("clock.sync", facts.error)]
    if not facts.synchronised:
        return [
            warning(
                "clock.sync",
                "the kernel's clock is not synchronised; the lease does not need it, but neard and the times "
                "in logs and history do",
                "run chrony or systemd-timesyncd (timedatectl shows their state)",
            )
        ]
    text = (
        f"synchronised; off by at most {facts.max_error_s:.3g} s, estimated {facts.estimated_error_s:.3g} s"
    )
    if facts.max_error_s > MOST_ERROR_S:
        return [warning("clock.sync", text, "look at the time service's servers: chronyc sources")]
    return [ok("clock.sync", text)]


def _rate(facts: ClockFacts, profile: Profile) -> list[Finding]:
    """Two hosts share the margin."""
    if facts.error:
        return []
    most = clock_may_be_off(profile.margin_rate)
    # Never rounded up: 0.49 % of the default margin, as the manual has it.
    bound = f"{int(most * 10_000) / 100:g} %"
    text = f"the kernel lets its clocks run {facts.rate * 100:+.3g} % faster than the hardware"
    if abs(facts.rate) > most:
        return [
            error(
                "clock.rate",
                f"{text}; with more than {bound} on each of two hosts, the lease's margin does not hold",
                "a time service is making up for a large error: wait until it is done, and limit it "
                "(chrony: maxslewrate 1000)",
            )
        ]
    return [ok("clock.rate", f"{text}; the lease's margin bears {bound}")]


def _against_chain(age_s: float | None, syncing: bool) -> list[Finding]:
    if age_s is None or syncing:
        return [skipped("clock.chain", "this neard has no current block to compare the clock with")]
    remedy = "compare with another host: date -u; then see clock.sync"
    if abs(age_s) > HANDSHAKE_S:
        return [
            error("clock.chain", f"the chain's head is {_when(age_s)}: neards refuse such a peer", remedy)
        ]
    if age_s < -MOST_AHEAD_S or age_s > MOST_AGE_S:
        return [
            warning("clock.chain", f"the chain's head is {_when(age_s)}, by this host's wall clock", remedy)
        ]
    return [ok("clock.chain", f"the chain's head is {_when(age_s)}, by this host's wall clock")]


def _when(age_s: float) -> str:
    return f"{age_s:.1f} s old" if age_s >= 0 else f"{-age_s:.1f} s in the future"


def _between_hosts() -> Finding:
    return info(
        "clock.hosts",
        "the other hosts' clocks cannot be seen from here; the lease compares none of them with another",
        "run this on each host",
    )
