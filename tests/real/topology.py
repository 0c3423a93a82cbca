"""Who is connected with whom, where not all are with all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hafailover.lab.errors import LabError, LabTimeoutError
from hafailover.lab.pool import HUB_ADDRESS, PEER_PORT, LabPool
from hafailover.lab.waiting import wait_until
from hafailover.localnet.configure import boot_nodes
from hafailover.localnet.model import LocalnetNode
from hafailover.near.rpc import RpcError

from .arrangements import change_network, node_key

Graph = Mapping[str, frozenset[str]]
"""The names of each node's peers."""

RELAYS = 6
MOST_PEERS = 4
MEET_S = 60.0
_STEPS = (1, 2)
_SYN = "tcp flags & (syn|ack) == syn"


def through_one(validators: Sequence[str], hosts: Sequence[str]) -> Graph:
    """The plain validators are connected with each other, and the hosts with the last of them alone."""
    *_, third = validators
    graph = {name: frozenset(validators) - {name} for name in validators}
    graph[third] |= frozenset(hosts)
    return graph | {name: frozenset([third]) for name in hosts}


def ring(order: Sequence[str]) -> Graph:
    """Each node is connected with the next two of either side: the farthest of 12 are three hops away."""
    count = len(order)
    return {
        name: frozenset(order[(at + side * step) % count] for side in (1, -1) for step in _STEPS)
        for at, name in enumerate(order)
    }


def ring_order(validators: Sequence[str], hosts: Sequence[str], relays: Sequence[str]) -> list[str]:
    """The relays stand between validators and hosts on either side."""
    half = len(relays) // 2
    return [*validators, *relays[:half], *hosts, *relays[half:]]


def connect(pool: LabPool, graph: Graph) -> Callable[[], None]:
    """Sets who connects with whom, before the nodes start.

    :return: raises LabError if it is not so, once all nodes run. The plain nodes are asked; a host has no
        connection that none of them sees but to another host.
    """
    plain = [*pool.localnet.validators, *pool.relays]
    nodes = {node.name: node for node in [*plain, *(host.node for host in pool.hosts)]}
    keys = {name: node_key(node) for name, node in nodes.items()}
    for name, node in nodes.items():
        peers = [(keys[peer], nodes[peer].network_addr) for peer in sorted(graph[name])]
        only = {"connect_only_to_boot_nodes": True}
        change_network(node, {"boot_nodes": boot_nodes(peers), "experimental": only})
    names = {key: name for name, key in keys.items()}

    def check() -> None:
        wrong: list[str] = []

        def as_wished() -> bool:
            wrong[:] = [text for node in plain for text in _differences(node, graph[node.name], names)]
            return not wrong

        try:
            wait_until(as_wished, timeout_s=MEET_S, what="the nodes' connections", interval_s=1.0)
        except LabTimeoutError:
            raise LabError(f"the nodes are not connected as they should be: {'; '.join(wrong)}") from None

    return check


def wall_off(pool: LabPool) -> None:
    """The hosts and the plain validators but the last cannot open TIER1 connections to each other either.

    The plain validators share one address, so none of them can open one to a host, and the hosts can to the
    last one. :raises LabError:
    """
    last = len(pool.localnet.validators) - 1
    ports = ", ".join(str(PEER_PORT + number) for number in range(last))
    for network in pool.networks:
        network.deny("deaf", f"ip saddr {HUB_ADDRESS} tcp dport {PEER_PORT} {_SYN}")
        network.deny("mute", f"ip daddr {HUB_ADDRESS} tcp dport {{ {ports} }}")


def _differences(node: LocalnetNode, wished: frozenset[str], names: Mapping[str, str]) -> list[str]:
    try:
        found = node.rpc().call("network_info", [])["active_peers"]
        peers = {names.get(one["id"], one["id"]) for one in found}
    except (RpcError, KeyError, TypeError) as error:
        return [f"{node.name} does not tell its peers: {error}"]
    return [f"{node.name} has {', '.join(sorted(peers)) or 'no peer'}, not {', '.join(sorted(wished))}"] * (
        peers != wished
    )
