"""What would happen if the active died now. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hafailover.observe.overview import Overview
from hafailover.timing import PROFILES

TOLD_S = 1.5
"""The lock, the key and, at the worst, a turn until a block that is new enough: as `make demo` shows it."""


@dataclass(frozen=True, slots=True)
class Prospects:
    """``order``: who would take over, best first. ``others``: why the rest would not, by host."""

    order: tuple[str, ...]
    others: dict[str, str]
    why_nobody: str
    told_s: float
    """Where the end is told (neard or guard dies, a clean stop): about so long, a new block included."""
    waited_s: float
    """Where it has to be waited out (the host or its network is gone): about so long."""

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)


def prospects(view: Overview) -> Prospects:
    """As far as the hosts' records tell, which are seconds old."""
    ready = view.standbys
    others = {
        host.node: f"{host.role}: {host.reason}"
        for host in view.hosts
        if host.node != view.active and not host.ready
    }
    active = next((host for host in view.hosts if host.node == view.active), None)
    profile = PROFILES.get(active.profile if active is not None else "default", PROFILES["default"])
    why = ""
    if view.stuck:
        why = view.stuck
    elif view.paused:
        why = f"automatic failover is paused {view.paused}"
    elif not ready:
        why = "no standby is ready"
    return Prospects(
        order=() if view.paused or view.stuck else tuple(host.node for host in ready),
        others=others,
        why_nobody=why,
        told_s=TOLD_S,
        waited_s=round(profile.successor_wait_s(profile.gone_within_s) + 0.5, 1),
    )
