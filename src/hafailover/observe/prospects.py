"""What would happen if the active died now. Pure."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from hafailover.near.routing import COST
from hafailover.observe.overview import Overview
from hafailover.observe.production import of_active
from hafailover.observe.records import NodeRecord
from hafailover.observe.warnings import LONGEST_ROUTING
from hafailover.text import one_line
from hafailover.timing import LONGEST_GONE_WITHIN_S, PROFILES, Profile, violations, with_changes

TOLD_S = 1.5
"""The lock, the key and, at the worst, a turn until a block that is new enough: as `make demo` shows it."""
NEWER_BLOCK_S = 3.6
"""Beyond the wait it took so long at most on the real neard at blocks of 1 s (12.7 s, docs/tested.md). The
successor waits for a block from after its predecessor's end, and none comes at the lost validator's turns."""
_CHANGE = re.compile(r"([a-z_]{1,40})=(\d{1,4}(?:\.\d{1,9})?)(?=,|$)")
_NUMBERS = frozenset(field.name for field in fields(Profile)) - {"name"}


@dataclass(frozen=True, slots=True)
class Prospects:
    """``order``: who would take over, best first. ``others``: why the rest would not, by host."""

    order: tuple[str, ...]
    others: dict[str, str]
    why_nobody: str
    told_s: float
    """Where the end is told (neard or guard dies, a clean stop): about so long, a new block included."""
    waited_least_s: float
    """Where it has to be waited out (the host or its network is gone): so long after its last beat its key is
    surely gone."""
    waited_s: float
    """Then, too: so long as a rule until another host has the key, a block that is new enough included."""
    longest_s: float
    """So long where the active's term has just begun: then the longest promise of any host may count."""
    no_blocks: str
    """Why no blocks follow at once after a host that vanished; empty: they do, as far as is known."""

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
    why = ""
    if view.stuck:
        why = view.stuck
    elif view.paused:
        why = f"automatic failover is paused {view.paused}"
    elif not ready:
        why = "no standby is ready"
    mine = _profile(ready[0] if ready else active)
    # No host takes another's promise for shorter than its own.
    gone = mine.successor_wait_s(max(mine.gone_within_s, _profile(active).gone_within_s))
    longest = max(gone, mine.successor_wait_s(LONGEST_GONE_WITHIN_S))
    return Prospects(
        order=() if view.paused or view.stuck else tuple(host.node for host in ready),
        others=others,
        why_nobody=why,
        told_s=TOLD_S,
        waited_least_s=round(gone, 1),
        waited_s=round(gone + NEWER_BLOCK_S, 1),
        longest_s=round(longest + NEWER_BLOCK_S, 1),
        no_blocks=_no_blocks(active),
    )


def _profile(host: NodeRecord | None) -> Profile:
    """The timing that a host tells it runs with; what none could run with counts for nothing."""
    if host is None:
        return PROFILES["default"]
    profile = PROFILES.get(host.profile, PROFILES["default"])
    told = _CHANGE.findall(host.timing[:500])
    changed = with_changes(profile, {name: float(value) for name, value in told if name in _NUMBERS})
    return profile if violations(changed) else changed


def _no_blocks(active: NodeRecord | None) -> str:
    if active is not None and active.routing_problem:
        return one_line(active.routing_problem[:LONGEST_ROUTING])
    production = of_active(active)
    if production is None or production.routing != "direct":
        return ""
    return f"neard.validator_routing is direct: {COST}"
