"""What is not wrong yet, but may be before long. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hafailover.core.production import LEAST
from hafailover.observe.budget import low_texts, pools_budget, unknown_to_pool
from hafailover.observe.production import low
from hafailover.observe.records import NodeRecord
from hafailover.text import one_line

LOW_DISK_RATIO = 0.05
"""Our choice, as neard's documents give no figure: room for compactions, and a night until somebody comes."""
CLOCK_S = 3.0
"""Our choice: by blocks as they come in, a clock can be told to about a second (:mod:`..near.headclock`)."""
GIB = 1 << 30
SHOWN_KEYS = 3
LONGEST_KEY = 80
LONGEST_ROUTING = 400


@dataclass(frozen=True, slots=True)
class ConsulView:
    """Consul's servers by address, as Raft knows them, and the one that leads; empty if none does."""

    leader: str
    servers: tuple[str, ...]
    failing: tuple[str, ...] = ()
    """Those that the others cannot reach; empty also where Consul does not tell."""


@dataclass(frozen=True, slots=True)
class Still:
    """The newest beat does not move, or there is none and Consul does not commit.

    ``age_s``: for so long at least, in seconds; 0 where nobody is to beat.
    """

    age_s: float
    stuck: str
    """That Consul does not commit and what to do, in a sentence; empty where it does, or nobody can tell."""


def warnings(
    hosts: Sequence[NodeRecord],
    consul: ConsulView | None,
    junk: Sequence[str] = (),
    active: str | None = None,
) -> tuple[str, ...]:
    """:param consul: ``None`` if nobody could be asked.
    :param junk: keys below the pool's prefix that are no records.
    :param active: the host that signs; its neard tells what may still be missed.
    """
    alive = [host for host in hosts if host.role not in ("gone", "unknown")]
    found = [
        *low_texts(pools_budget(hosts, active)),
        *_of_unknown_budget(hosts, active),
        *(text for host in alive if host.node == active for text in _of_work(host)),
        *_consul(consul),
        *of_junk(junk),
        *(f"{host.node}: {host.reason}" for host in hosts if host.role == "gone"),
        *differ("the key", alive, lambda host: host.public_key[:20]),
        *differ("hafailover's version", alive, lambda host: host.agent_version),
        *differ("neard's version", alive, lambda host: host.neard_version),
        *differ("the timing profile", alive, _timing),
        *(text for host in alive for text in _of_one(host)),
    ]
    if len(hosts) == 1:
        found.append(f"{hosts[0].node} is the only host: nothing can take over")
    return tuple(found)


def _timing(host: NodeRecord) -> str:
    return f"{host.profile} with {host.timing}" if host.timing else host.profile


def _of_unknown_budget(hosts: Sequence[NodeRecord], active: str | None) -> list[str]:
    found = unknown_to_pool(hosts, active)
    if found is None or not found.lasting:
        return []
    return [
        f"{found.text}, so drills and handovers are not refused: see docs/runbook.md#hafailoverbudgetunknown"
    ]


def _of_work(host: NodeRecord) -> list[str]:
    if not (text := low(host.production)):
        return []
    return [
        f"{host.node} produces{text}; under {LEAST:.0%} in an epoch may cost the seat: look at its neard's "
        "load, peers and network"
    ]


def _of_one(host: NodeRecord) -> list[str]:
    found = []
    if host.alarm:
        found.append(f"{host.node}: ALARM: {host.alarm}; see docs/runbook.md#hafailoverkeynotgiven")
    if host.guard_problem:
        found.append(f"{host.node}: its guard would not load the key: {host.guard_problem}")
    if host.routing_problem:
        told = one_line(host.routing_problem[:LONGEST_ROUTING])
        found.append(
            f"{host.node}: {told}; run `hafailover prepare-home` there, then restart neard (the active last)"
        )
    free, ratio, ahead = host.disk_free_bytes, host.disk_free_ratio, host.clock_ahead_s
    if free is not None and ratio is not None and ratio < LOW_DISK_RATIO:
        found.append(f"{host.node}: {free / GIB:.1f} GiB are left on neard's disk, {ratio:.1%}")
    if ahead is not None and abs(ahead) >= CLOCK_S:
        way = "ahead of" if ahead > 0 else "behind"
        found.append(f"{host.node}: its clock is about {abs(ahead):.0f} s {way} the chain's timestamps")
    if host.state_dir:
        found.append(f"{host.node}: state_dir {host.state_dir}: a restart of its agent loses its session")
    return found


def _consul(consul: ConsulView | None) -> list[str]:
    if consul is None:
        return []
    found = [f"Consul's server {one} cannot be reached by the others" for one in consul.failing]
    if not consul.leader:
        found.insert(0, "Consul has no leader: nobody can take over, and the active fences itself")
    return [*found, *of_servers(consul.servers)]


def of_junk(keys: Sequence[str]) -> list[str]:
    """What lies below the pool's prefix and was written by none of its agents."""
    if not keys:
        return []
    names = [one_line(key)[:LONGEST_KEY] for key in keys[:SHOWN_KEYS]]
    more = f" and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
    number = "1 key" if len(keys) == 1 else f"{len(keys)} keys"
    return [f"{number} of the pool in Consul, left out as no record: {', '.join(names)}{more}"]


def of_servers(servers: Sequence[str]) -> list[str]:
    """Whether there are as many of Consul's servers as a pool needs."""
    number = len(servers)
    if number < 3:
        named = "one server" if number == 1 else f"{number} servers"
        return [f"Consul has {named}: the loss of one stops it; use three"]
    if number % 2 == 0:
        return [f"Consul has {number} servers, which bear no more losses than {number - 1} do"]
    return []


def differ(what: str, hosts: Iterable[NodeRecord], value: Callable[[NodeRecord], str]) -> list[str]:
    """Hosts that do not tell count for nothing."""
    seen: dict[str, list[str]] = {}
    for host in hosts:
        if text := value(host):
            seen.setdefault(text, []).append(host.node)
    if len(seen) < 2:
        return []
    parts = (f"{text} on {' and '.join(nodes)}" for text, nodes in sorted(seen.items()))
    return [f"{what} is not the same everywhere: {', '.join(parts)}"]
