"""Looks at how Consul is set up, where the token allows it, and warns of what would cost needless fences."""

from __future__ import annotations

import logging
import math

from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.errors import CallError
from hafailover.timing import Profile, sensible_fence_after_s

log = logging.getLogger(__name__)

ELECTION_TIMEOUT_PER_MULTIPLIER_S = 1.0
"""Consul's Raft election timeout is 1 s times raft_multiplier (agent.self, ConsulRaftElectionTimeout)."""


def warn_of_consul(address: Address, profile: Profile) -> None:
    """Logs a warning where ``fence_after`` is too short for this Consul; silent where it cannot tell."""
    try:
        answer = call(
            "looking at Consul's configuration",
            'agent "NODE" { policy = "read" }',
            connect(address, profile.call_deadline_s).agent.self,
        )
        server = bool(answer["Config"]["Server"])
        timeout = _seconds(str(answer["DebugConfig"].get("ConsulRaftElectionTimeout", "")))
    except (CallError, KeyError, TypeError, AttributeError) as error:
        log.info("Consul's own timing could not be read: %s", error)
        return
    multiplier = round(timeout / ELECTION_TIMEOUT_PER_MULTIPLIER_S) if timeout else 1
    need = sensible_fence_after_s(max(1, multiplier), through_client=not server)
    if profile.fence_after_s < need:
        log.warning(
            "timing.fence_after_s is %g, but with this Consul (raft_multiplier %d, %s) the loss of its "
            "leader can take up to %g s: the active would fence for nothing; use profile wide, or set "
            "performance.raft_multiplier = 1 on Consul's servers",
            profile.fence_after_s,
            max(1, multiplier),
            "a server on this host" if server else "a client agent on this host",
            need,
        )


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
