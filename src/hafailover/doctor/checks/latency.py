"""How long Consul takes, held against the time that the lease leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from hafailover.agent.advice import REMEDY, Tuning, too_slow
from hafailover.doctor.facts.latency import Latency
from hafailover.doctor.finding import Finding, error, ok, skipped, warning
from hafailover.timing import Profile

TENTH = 10
"""A median above this part of the deadline leaves too little for a bad moment. Ours, not Consul's."""


def judge(latency: Latency, profile: Profile) -> list[Finding]:
    found = []
    if latency.failed:
        found.append(
            error(
                "latency.failed",
                f"{len(latency.failed)} calls failed, the first: {latency.failed[0]}",
                f"an active that has no good beat for {profile.fence_after_s:g} s gives up its key: look at "
                "Consul's log, the network and the disks of its servers",
            )
        )
    found += _calls("latency.reads", "consistent reads", latency.reads, profile)
    if latency.may_write:
        found += _calls("latency.writes", "writes", latency.writes, profile)
    else:
        found.append(skipped("latency.writes", "the token may not write, see the check rights"))
    return found


def judge_tuning(tuning: Tuning | None, profile: Profile) -> list[Finding]:
    """Whether ``fence_after`` rides out the loss of Consul's leader."""
    if tuning is None:
        return [skipped("timing.fence", "raft_multiplier cannot be seen, see consul.agent")]
    problem = too_slow(tuning, profile)
    if problem is not None:
        return [warning("timing.fence", problem, REMEDY)]
    return [
        ok(
            "timing.fence",
            f"fence_after of {profile.fence_after_s:g} s rides out the loss of Consul's leader ("
            f"raft_multiplier {tuning.multiplier})",
        )
    ]


def _calls(id_: str, what: str, taken: Sequence[float], profile: Profile) -> list[Finding]:
    if not taken:
        return []
    middle, worst = median(taken), max(taken)
    text = (
        f"{len(taken)} {what}: median {_time(middle)}, worst {_time(worst)}; a call may take "
        f"{_time(profile.call_deadline_s)} (profile {profile.name})"
    )
    if middle > profile.call_deadline_s / TENTH or worst > profile.call_deadline_s / 2:
        return [
            warning(
                id_,
                text,
                "slow disks of Consul's servers, a busy machine or a long way to the leader; over long "
                "distances use timing.profile = wide",
            )
        ]
    return [ok(id_, text)]


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
