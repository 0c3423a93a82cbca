"""What is not wrong yet, but may be before long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hafailover.observe.records import NodeRecord


def warnings(hosts: Sequence[NodeRecord], servers: Sequence[str] | None) -> tuple[str, ...]:
    """:param servers: Consul's servers as Raft knows them; ``None`` if nobody could be asked."""
    alive = [host for host in hosts if host.role not in ("gone", "unknown")]
    found = [
        *of_servers(servers),
        *differ("the key", alive, lambda host: host.public_key[:20]),
        *differ("hafailover's version", alive, lambda host: host.agent_version),
        *differ("neard's version", alive, lambda host: host.neard_version),
        *differ("the timing profile", alive, lambda host: host.profile),
    ]
    if len(hosts) == 1:
        found.append(f"{hosts[0].node} is the only host: nothing can take over")
    return tuple(found)


def of_servers(servers: Sequence[str] | None) -> list[str]:
    if servers is None:
        return []
    if len(servers) < 3:
        number = "one server" if len(servers) == 1 else f"{len(servers)} servers"
        return [f"Consul has {number}: the loss of one stops it; use three"]
    if len(servers) % 2 == 0:
        return [f"Consul has {len(servers)} servers, which bear no more losses than {len(servers) - 1} do"]
    return []


def differ(what: str, hosts: Iterable[NodeRecord], value: object) -> list[str]:
    assert callable(value)
    seen: dict[str, list[str]] = {}
    for host in hosts:
        if value(host):
            seen.setdefault(value(host), []).append(host.node)
    if len(seen) < 2:
        return []
    parts = (f"{text} on {' and '.join(nodes)}" for text, nodes in sorted(seen.items()))
    return [f"{what} is not the same everywhere: {', '.join(parts)}"]
