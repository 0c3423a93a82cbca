"""What a pool produces after a change of its signer: five stand-ins, each in a network namespace of its own.

Three plain validators, and two hosts of which one holds the fourth's key. Run by itself, as root, in a
network and mount namespace of its own::

    unshare --net --mount --propagation private -- python -m tests.process.localneard.vanishing WHAT FOLDER

It prints one JSON object.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hafailover.lab.netns import NAMESPACES, NetworkHost, command, make_bridge
from localneard.config_defaults import duration
from localneard.genesis import read_genesis
from localneard.schedule import FIRST_EPOCH_ID, Epoch, epoch_seed

from .nodes import Net, Node, blocks, build_net

POOL = "node3"
BLOCK_S = 0.3
WATCH_S = 14.0
"""Some 30 heights with a quarter of them skipped, of which the pool has a quarter."""
GRACE_S = 2.0
"""After the key was loaded."""
_HUB = "10.213.99.254"


def credential(net: Net) -> Path:
    """The pool's key, outside of all homes."""
    return net[3].home.parent / "pool_key.json"


def load(net: Net, host: Node) -> None:
    (host.home / "validator_key.json").symlink_to(credential(net))
    host.running.signal(signal.SIGHUP)
    host.wait(lambda one: one.public_key() is not None)


def drop(host: Node) -> None:
    (host.home / "validator_key.json").unlink()
    host.running.signal(signal.SIGHUP)
    host.wait(lambda one: one.public_key() is None)


def make(folder: Path, hosts_tier1: bool, hosts_connect_s: float) -> tuple[Net, list[NetworkHost]]:
    """The network, with the pool's key on the first host; nothing runs yet.

    :param hosts_connect_s: how often the hosts look after their TIER1 connections; the others do each second.
    """
    net = build_net(folder, 4, plain=1, block_s=BLOCK_S, step_s=BLOCK_S)
    net.change_genesis(epoch_length=10_000)
    make_bridge(_HUB)
    spots = [NetworkHost(f"n{number}", f"10.213.99.{number + 1}") for number in range(5)]
    boot = f"{net[0].key}@{spots[0].address}:24567"
    for number, (node, spot) in enumerate(zip(net.nodes, spots, strict=True)):
        spot.make()
        on = hosts_tier1 or number < 3
        node.change(
            rpc={"addr": f"{spot.address}:3030"},
            network={
                "addr": f"{spot.address}:24567",
                "public_addrs": [f"{node.key}@{spot.address}:24567"] if on else [],
                "boot_nodes": boot if number else "",
                "tier1": {
                    "enable_inbound": on,
                    "enable_outbound": on,
                    "connect_interval": duration(1 if number < 3 else hosts_connect_s),
                },
            },
        )
        node.rpc_addr = f"{spot.address}:3030"
    (net[3].home / "validator_key.json").rename(credential(net))
    (net[3].home / "validator_key.json").symlink_to(credential(net))
    return net, spots


def start_node(net: Net, number: int) -> None:
    net[number].start(before=("nsenter", f"--net={NAMESPACES / f'n{number}'}", "--"))


def start(net: Net, hosts_tier1: bool) -> str:
    """Starts all and waits until the pool's host is known and connected to; returns the pool's key."""
    for number in range(5):
        start_node(net, number)
    for node in net.nodes:
        node.wait(lambda one: one.height >= 8 and one.peers == 4 and not one.syncing, 60)
    key = str(net[3].public_key())
    for plain in net.nodes[:3] if hosts_tier1 else ():
        wait_for_tier1(plain, key)
    return key


def wait_for_tier1(node: Node, key: str) -> None:
    """Until a node has a TIER1 connection with the holder of a key."""

    def stands(one: Node) -> bool:
        return key in [link["account_key"] for link in one.get("/localneard/accounts")["tier1"]]

    node.wait(stands, 20)


def duties(net: Net, first: int, last: int) -> dict[str, Any]:
    """What the pool did of what it was to do at the heights in a range, as its first validator sees it."""
    genesis = read_genesis(net[0].home / "genesis.json")
    epoch = Epoch(FIRST_EPOCH_ID, 1, epoch_seed(genesis.hash, FIRST_EPOCH_ID), genesis.validators, {})
    seat = [one.account_id for one in epoch.validators].index(POOL)
    chain = [one["height"] for one in blocks(net[0], first, last)]
    due = [height for height in range(first, last + 1) if epoch.producer(height).account_id == POOL]
    endorsed = []
    for height in chain:
        (bits,) = net[0].rpc("block", [height])["header"]["chunk_endorsements"]
        if bits:
            endorsed.append(bits[0] >> seat & 1)
    return {
        "blocks": len(set(due) & set(chain)),
        "blocks_due": len(due),
        "endorsements": sum(endorsed),
        "endorsements_due": len(endorsed),
    }


def watch(net: Net, seconds: float) -> dict[str, Any]:
    """The pool's duties of the next seconds."""
    began = net[0].height + 2
    time.sleep(seconds)
    return duties(net, began, net[0].height - 1)


def settle_and_watch(net: Net) -> dict[str, Any]:
    time.sleep(GRACE_S)
    return watch(net, WATCH_S)


def record(node: Node, key: str) -> dict[str, Any]:
    found: dict[str, Any] = node.get("/localneard/accounts")["records"][key]
    return found


def vanish(folder: Path, hosts_tier1: bool) -> dict[str, Any]:
    """The link of the host that signs is cut, the other one takes the key."""
    net, spots = make(folder, hosts_tier1, 1.0)
    try:
        start(net, hosts_tier1)
        before = watch(net, 6.0)
        spots[3].link(up=False)
        # As long as TIER2 takes to notice it, and more than a session of Consul would.
        time.sleep(9)
        net[4].wait(lambda one: not one.syncing)
        load(net, net[4])
        after = settle_and_watch(net)
        return {
            "before": before,
            "after": after,
            "refused": [one.metric("near_already_connected_account_total") for one in net.nodes[:3]],
            "double": net[0].get("/localneard/double_signs"),
        }
    finally:
        net.stop()


def handover(folder: Path, hosts_tier1: bool) -> dict[str, Any]:
    """The key goes from a host that lives on to the other one; then the first one is started anew."""
    net, _ = make(folder, hosts_tier1, 60.0)
    for node in net.nodes:
        node.settings(gossip_per_s=2)
    try:
        key = start(net, hosts_tier1)
        drop(net[3])
        load(net, net[4])
        first = record(net[0], key)["version"]
        alive = settle_and_watch(net)
        second = record(net[0], key)["version"]
        net[3].running.kill()
        start_node(net, 3)
        net[3].wait_ready()
        restarted = settle_and_watch(net)
        last = record(net[0], key)
        time.sleep(3)
        return {
            "alive": alive,
            "restarted": restarted,
            "versions_while_alive": second - first,
            "at_new_holder": last["peer_id"] == net[4].key,
            "versions_after_restart": record(net[0], key)["version"] - last["version"],
            "double": net[0].get("/localneard/double_signs"),
        }
    finally:
        net.stop()


SCENARIOS = {
    "vanish-tier1-on": lambda folder: vanish(folder, hosts_tier1=True),
    "vanish-tier1-off": lambda folder: vanish(folder, hosts_tier1=False),
    "handover-tier1-on": lambda folder: handover(folder, hosts_tier1=True),
    "handover-tier1-off": lambda folder: handover(folder, hosts_tier1=False),
}


def refusal() -> str | None:
    """Say why this machine cannot run it, if it cannot."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = (
        "ip link add t0 type veth peer name t1 && ip link add tb type bridge && nft add table netdev t && "
        "nft 'add chain netdev t i { type filter hook ingress device t0 priority 0; }'"
    )
    try:
        done = subprocess.run(
            [*ROOM, "sh", "-c", probe], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return f"this kernel or container refuses: {done.stderr.strip()}" if done.returncode else None


ROOM = ["unshare", "--net", "--mount", "--propagation", "private", "--"]


def main(what: str, folder: str) -> int:
    NAMESPACES.mkdir(exist_ok=True)
    command(["mount", "-t", "tmpfs", "tmpfs", str(NAMESPACES)])
    print(json.dumps(SCENARIOS[what](Path(folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
