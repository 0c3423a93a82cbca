"""Ways of setting neard's network on the pool's hosts, of which a run measures one.

A host's config.json is written once, before its neard starts first, and holds for every start after it:
nothing but ``hafailover prepare-home`` writes it again, which the lab does not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hafailover.lab.errors import LabError
from hafailover.lab.pool import PEER_PORT, LabPool
from hafailover.localnet.configure import duration
from hafailover.localnet.model import LocalnetNode
from hafailover.near.keyfile import read_key
from hafailover.near.routing import ValidatorRouting

Json = dict[str, Any]

RELAYED, DIRECT, PROXIES, FLOATING = ARRANGEMENTS = ("relayed", "direct", "proxies", "floating")
FLOATING_ADDRESS = "10.213.77.100"
ADVERTISE_S = 5.0
"""How often a neard with a floating address signs its record anew: that names the address only if neard could
connect to itself there, and the address comes after the key."""


def routing(arrangement: str) -> ValidatorRouting:
    """The product's setting; where it has none, neard's own settings are what is changed."""
    return "relayed" if arrangement == RELAYED else "direct"


def network_wishes(arrangement: str, name: str, peers: Mapping[str, tuple[str, str]]) -> Json:
    """What the ``network`` of a host's config.json is to hold beyond what the product wrote.

    :param name: the host's.
    :param peers: node key and address of each of the pool's hosts, by name.
    """
    if arrangement == PROXIES:
        others = [f"{key}@{address}" for other, (key, address) in peers.items() if other != name]
        return {"public_addrs": others, "tier1": {"enable_inbound": True, "enable_outbound": False}}
    if arrangement == FLOATING:
        # Outbound connections would come from the host's own address, which nobody takes over.
        switches = {"enable_inbound": True, "enable_outbound": False}
        return {
            # The port is open at any address that the host gets later.
            "addr": f"0.0.0.0:{PEER_PORT}",
            "public_addrs": [f"{peers[name][0]}@{FLOATING_ADDRESS}:{PEER_PORT}"],
            "tier1": {**switches, "advertise_proxies_interval": duration(ADVERTISE_S)},
        }
    return {}


def arrange(pool: LabPool, arrangement: str) -> Callable[[], None]:
    """Sets the hosts' config.json, before they start.

    :return: raises LabError if one does not hold those settings any more.
    """
    hosts = [host.node for host in pool.hosts]
    peers = {node.name: (node_key(node), node.network_addr) for node in hosts}
    for node in hosts:
        change_network(node, network_wishes(arrangement, node.name, peers))
    written = {node.name: read_network(node) for node in hosts}

    def check() -> None:
        for node in hosts:
            if read_network(node) != written[node.name]:
                raise LabError(f"{node.name}: somebody changed network in config.json during the run")

    return check


def node_key(node: LocalnetNode) -> str:
    return read_key(node.home / "node_key.json", name="node_key.json").public_key


def read_network(node: LocalnetNode) -> Json:
    network: Json = json.loads((node.home / "config.json").read_text())["network"]
    return network


def change_network(node: LocalnetNode, wishes: Json) -> None:
    """Puts ``wishes`` into the ``network`` of a node's config.json; sections in it are merged."""
    path = node.home / "config.json"
    config = json.loads(path.read_text())
    network = config["network"]
    for name, value in wishes.items():
        network[name] = {**network.get(name, {}), **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(config, indent=2) + "\n")


def few_open_files(node: LocalnetNode, most: int) -> None:
    """Lets the node's store have at most so many files open at once."""
    path = node.home / "config.json"
    config = json.loads(path.read_text())
    store = config.setdefault("store", {})
    store["max_open_files"] = min(store.get("max_open_files", most), most)
    path.write_text(json.dumps(config, indent=2) + "\n")
