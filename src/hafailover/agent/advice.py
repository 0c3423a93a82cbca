"""Looks at how Consul is set up, where the token allows it, and warns of what would cost needless fences."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.errors import CallError
from hafailover.timing import Profile, sensible_fence_after_s

log = logging.getLogger(__name__)

ELECTION_TIMEOUT_PER_MULTIPLIER_S = 1.0
"""Consul's Raft election timeout is 1 s times raft_multiplier (agent.self, ConsulRaftElectionTimeout)."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How quick this Consul is after the loss of its leader."""

    multiplier: int
    server: bool
    """The agent on this host is a server, not a client."""


def tuning_of(answer: Any) -> Tuning:
    """What ``/v1/agent/self`` says of it.

    :raises KeyError, TypeError, AttributeError: it is not such an answer.
    """
    server = bool(answer["Config"]["Server"])
    timeout = _seconds(str(answer["DebugConfig"].get("ConsulRaftElectionTimeout", "")))
    multiplier = round(timeout / ELECTION_TIMEOUT_PER_MULTIPLIER_S) if timeout else 1
    return Tuning(max(1, multiplier), server)


def too_slow(tuning: Tuning, profile: Profile) -> str | None:
    """Why ``fence_after`` is too short for this Consul; ``None`` where it is not."""
    need = sensible_fence_after_s(tuning.multiplier, through_client=not tuning.server)
    if profile.fence_after_s >= need:
        return None
    local = "a server" if tuning.server else "a client agent"
    return (
        f"timing.fence_after_s is {profile.fence_after_s:g}, but with this Consul (raft_multiplier "
        f"{tuning.multiplier}, {local} on this host) the loss of its leader "
        f"can take up to {need:g} s: the active would fence for nothing"
    )


REMEDY = "use profile wide, or set performance.raft_multiplier = 1 on Consul's servers"


def warn_of_consul(address: Address, profile: Profile) -> None:
    """Logs a warning where ``fence_after`` is too short for this Consul; silent where it cannot tell."""
    try:
        answer = call(
            "looking at Consul's configuration",
            'agent "NODE" { policy = "read" }',
            connect(address, profile.call_deadline_s).agent.self,
        )
        tuning = tuning_of(answer)
    except (CallError, KeyError, TypeError, AttributeError) as error:
        log.info("Consul's own timing could not be read: %s", error)
        return
    problem = too_slow(tuning, profile)
    if problem is not None:
        log.warning("%s; %s", problem, REMEDY)


def _seconds(text: str) -> float:
    """A Go duration of one unit, such as 1s or 5000ms."""
    for suffix, factor in (("ms", 0.001), ("s", 1.0)):
        if text.endswith(suffix):
            try:
                seconds = float(text.removesuffix(suffix)) * factor
            except ValueError:
                return 0.0
            return seconds if math.isfinite(seconds) else 0.0
    return 0.0
