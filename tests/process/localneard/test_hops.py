"""A network of several hops: what is sent to a validator passes through nodes that are none."""

from functools import partial

from hafailover.lab.waiting import wait_until
from localneard.config_defaults import duration

from .nodes import MakeNet, Net, Node, blocks, read
from .test_signers import drop, load

LINE = (0, 4, 1, 2, 5, 3)
"""The nodes in the order in which they are connected; 4 and 5 are no validators."""


def lined_up(make_net: MakeNet) -> Net:
    """Four validators and two more nodes in a line, without TIER1."""
    net = make_net(4, plain=2, block_s=0.5, step_s=1.0)
    net.change_genesis(epoch_length=10_000)
    off = {"enable_inbound": False, "enable_outbound": False, "connect_interval": duration(60)}
    before: Node | None = None
    for number in LINE:
        node = net[number]
        address = node_address(node)
        boot = "" if before is None else f"{before.key}@{node_address(before)}"
        node.change(
            network={
                "addr": address,
                "boot_nodes": boot,
                "public_addrs": [],
                "experimental": {"connect_only_to_boot_nodes": True},
                "tier1": off,
            }
        )
        before = node
    return net


def node_address(node: Node) -> str:
    return str(read(node.home / "config.json")["network"]["addr"])


def has_peers(node: Node, count: int) -> bool:
    return node.answers() and node.peers == count


def test_mail_and_news_pass_through_other_nodes_from_one_end_to_the_other(make_net: MakeNet) -> None:
    net = lined_up(make_net).start()
    for place, number in enumerate(LINE):
        neighbours = 1 if place in (0, len(LINE) - 1) else 2
        wait_until(partial(has_peers, net[number], neighbours), timeout_s=30, what="its neighbours")
    net[2].wait_height(3, 40)

    def authors(start: int) -> set[str]:
        return {one["author"] for one in blocks(net[2], start, start + 999)}

    start = net[2].height + 1
    wait_until(
        lambda: len(authors(start)) == 4, timeout_s=60, what=lambda: f"blocks of all: {authors(start)}"
    )

    def endorsed_by_all() -> bool:
        return bool(
            net[2].rpc("block", {"finality": "optimistic"})["header"]["chunk_endorsements"] == [[0b1111]]
        )

    wait_until(endorsed_by_all, timeout_s=30, what="a chunk that all four have endorsed", interval_s=0.2)
    # From one end of the line to the one before the other end.
    key = (net[0].home / "validator_key.json").read_bytes()
    drop(net[0])
    net[0].wait(lambda one: one.public_key() is None)
    net[0].running.kill()
    load(net[5], key)
    net[5].wait(lambda one: one.public_key() is not None)
    moved = net[2].height + 1
    wait_until(
        lambda: "node0" in authors(moved),
        timeout_s=60,
        what="a block of the key's new holder",
        interval_s=0.2,
    )

    def all_know() -> bool:
        found = [net[number].get("/localneard/accounts")["records"] for number in (1, 2, 3, 4)]
        return {records[net[5].public_key()]["peer_id"] for records in found} == {net[5].key}

    # Two thirds of the stake are enough for a block; the news takes some 10 s more for each hop.
    wait_until(all_know, timeout_s=60, what="the news of the new holder everywhere", interval_s=0.2)
