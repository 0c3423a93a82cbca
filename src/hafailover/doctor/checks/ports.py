"""What has to be reachable between hosts, and what of it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hafailover.doctor.facts.consul import Member
from hafailover.doctor.facts.ports import Reached, Target
from hafailover.doctor.finding import Finding, error, ok, skipped, warning
from hafailover.near.port import port_number

SERF, RPC, P2P = "Consul's gossip", "Consul's servers", "neard"
DEFAULT_P2P = "0.0.0.0:24567"
"""Of nearcore, chain/network/src/config_json.rs."""


def consul_targets(members: Sequence[Member], own: str) -> list[Target]:
    """Every other member's gossip port, and of servers the port that Raft goes through.

    :param own: the name of this host's Consul agent.
    """
    found = []
    for member in members:
        if member.name == own or member.state == "left":
            continue
        found.append(Target(member.name, SERF, member.address, member.serf_port))
        if member.rpc_port is not None:
            found.append(Target(member.name, RPC, member.address, member.rpc_port))
    return found


def neard_targets(members: Sequence[Member], own: str, nodes: Mapping[str, str], port: int) -> list[Target]:
    """The other failover hosts' neards, at the port that this host's has.

    Hosts that share this host's address are left out: there, the port is this neard's own.

    :param nodes: each host's Consul node.
    """
    by_name = {member.name: member for member in members}
    here = by_name[own].address if own in by_name else ""
    return [
        Target(node, P2P, by_name[name].address, port)
        for node, name in sorted(nodes.items())
        if name != own and name in by_name and by_name[name].address != here
    ]


def p2p_port(config: Mapping[str, Any]) -> int | None:
    """neard's port by its config.json."""
    network = config.get("network", {})
    address = network.get("addr", DEFAULT_P2P) if isinstance(network, dict) else None
    return port_number(address.rpartition(":")[2]) if isinstance(address, str) else None


def judge(reached: Sequence[Reached]) -> list[Finding]:
    found = [_unreachable(one) for one in reached if one.problem]
    good = [one.target for one in reached if not one.problem]
    for what in (SERF, RPC, P2P):
        hosts = sorted({target.node for target in good if target.what == what})
        if hosts:
            found.append(ok(_id(what), f"{what} (TCP) can be reached on {', '.join(hosts)}"))
    if not any(one.target.what == P2P for one in reached):
        found.append(
            skipped(
                _id(P2P),
                "no other failover host's neard could be tried: none has a session that this token may see, "
                "and an address of its own; or this host's config.json names no port",
            )
        )
    return found


def _unreachable(one: Reached) -> Finding:
    target = one.target
    text = f"{target.what} cannot be reached at {target.address}:{target.port}: {one.problem}"
    if target.what == P2P:
        return warning(
            _id(P2P),
            text,
            "open the port there; if that neard listens on another port or address, this is no trouble",
            target.node,
        )
    return error(
        _id(target.what), text, "open the port between these hosts, TCP (and UDP for gossip)", target.node
    )


def _id(what: str) -> str:
    return {SERF: "ports.gossip", RPC: "ports.servers", P2P: "ports.neard"}[what]
