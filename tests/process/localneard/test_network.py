"""Several nodes: taking turns, going on without one, catching up, and what peers that hang do to others."""

import itertools
import signal
import time
from typing import Any

from hafailover.clock import boottime
from hafailover.lab.waiting import wait_until
from hafailover.near.rpc import NeardRpc
from localneard.genesis import read_genesis
from localneard.schedule import FIRST_EPOCH_ID, Epoch, epoch_seed

from .nodes import MakeNet, Net, Node, blocks, wait_for_block_of


def common_chain(net: Net, first: int, last: int) -> list[dict[str, Any]]:
    """The blocks in a range, which must be the same for all nodes."""
    for node in net.nodes:
        node.wait_height(last)
    chains = [[one["hash"] for one in blocks(node, first, last)] for node in net.nodes]
    assert all(chain == chains[0] for chain in chains)
    return blocks(net[0], first, last)


def test_validators_take_turns_at_the_set_pace(whole_net: Net) -> None:
    start = whole_net[0].height + 1
    chain = common_chain(whole_net, start, start + 14)
    assert [one["height"] for one in chain] == list(range(start, start + 15))
    assert len({one["author"] for one in chain}) >= 3
    gaps = [later["timestamp"] - one["timestamp"] for one, later in itertools.pairwise(chain)]
    assert all(gap > 0.19e9 for gap in gaps)
    assert sorted(gaps)[len(gaps) // 2] < 0.25e9
    seen = [one["first_seen"] for one in chain]
    assert seen == sorted(seen)
    assert seen[-1] < boottime()


def test_a_killed_validator_is_skipped_and_catches_up_after_its_restart(whole_net: Net) -> None:
    lost, other = whole_net[2], whole_net[1]
    lost.running.kill()
    died = other.height
    away: list[dict[str, Any]] = []
    skipped: set[int] = set()

    def is_skipped() -> bool:
        away[:] = blocks(other, died + 2, died + 999)
        heights = {one["height"] for one in away}
        skipped.update(set(range(died + 2, max(heights, default=0))) - heights)
        return bool(skipped) and len(away) >= 15

    wait_until(is_skipped, timeout_s=30, what="a skipped height", interval_s=0.2)
    assert {one["author"] for one in away} <= {"node0", "node1", "node3"}
    shown: dict[str, Any] = other.rpc("validators", [None])
    counts = {one["account_id"]: one for one in shown["current_validators"]}
    missed = counts["node2"]["num_expected_blocks"] - counts["node2"]["num_produced_blocks"]
    assert missed >= len(skipped)
    answer = other.post("block", {"block_id": min(skipped)})
    assert (answer.status_code, answer.json()["error"]["cause"]["name"]) == (422, "UNKNOWN_BLOCK")
    # Slowed down, so that it can be seen catching up.
    lost.settings(sync_blocks_per_s=25)
    lost.start().wait_ready()
    lost.wait(lambda one: one.syncing)
    assert lost.metric("near_sync_status") == 7
    assert lost.call("GET", "/health").status_code == 503
    lost.wait(lambda one: not one.syncing, timeout_s=15)
    assert lost.height >= away[-1]["height"]
    assert lost.call("GET", "/health").status_code == 200
    common_chain(whole_net, 1, away[-1]["height"])
    wait_for_block_of(other, "node2")


def test_a_frozen_validator_holds_up_nobody_and_does_not_fork_off_when_it_goes_on(whole_net: Net) -> None:
    frozen, other = whole_net[1], whole_net[0]
    frozen.running.freeze()
    start, began = other.height, boottime()
    other.wait_height(start + 10, timeout_s=20)
    # Each of its turns costs the others half a second.
    assert boottime() - began < 10 * 0.7
    other.wait(lambda one: one.peers == 3, timeout_s=10)
    frozen.running.thaw()
    target = other.height + 6
    frozen.wait(lambda one: one.height >= target and not one.syncing, timeout_s=15)
    common_chain(whole_net, 1, target - 2)
    wait_for_block_of(other, "node1")


def test_a_network_that_stopped_as_a_whole_goes_on_without_its_boot_node(make_net: MakeNet) -> None:
    # Four: three of them have more than two thirds of the stake.
    net = make_net(4, block_s=0.1, step_s=0.2).start()
    for node in net.nodes:
        node.wait(lambda one: one.height >= 4 and one.peers == 3)
    ends = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)
    for node, number in zip(net.nodes, ends, strict=True):
        node.running.signal(number)
        node.running.wait(5)
    start = []
    for node in net.nodes[1:]:
        node.start().wait_ready()
        start.append(node.height)
    assert min(start) >= 4
    for node in net.nodes[1:]:
        node.wait_height(max(start) + 5)
    net[0].start()
    common_chain(net, 1, max(start) + 5)
    assert all(node.get("/localneard/double_signs") == [] for node in net.nodes)


def test_without_enough_peers_it_waits_and_does_not_produce(make_net: MakeNet) -> None:
    net = make_net(2)
    net[1].start().wait_ready()
    time.sleep(0.6)
    assert (net[1].height, net[1].syncing) == (0, True)
    assert net[1].metric("near_sync_status") == 1
    assert "Validator | " not in net[1].log
    health = net[1].post("health", None).json()
    assert health["error"]["cause"]["name"] == "NODE_IS_SYNCING"
    net[0].start()
    net[1].wait_height(2)
    assert net[1].syncing is False
    wait_until(lambda: "Validator | 2 validators" in net[1].log, timeout_s=3, what=lambda: net[1].log)


def turns_in_first_epoch(node: Node, account_id: str, length: int) -> int:
    genesis = read_genesis(node.home / "genesis.json")
    epoch = Epoch(FIRST_EPOCH_ID, 1, epoch_seed(genesis.hash, FIRST_EPOCH_ID), genesis.validators, {})
    return sum(epoch.producer(height).account_id == account_id for height in range(1, length))


def test_a_validator_below_the_threshold_loses_its_seat_two_epochs_later(make_net: MakeNet) -> None:
    net = make_net(4, block_s=0.1, step_s=0.4)
    for number in range(100):
        net.change_genesis(
            chain_id=f"test-chain-{number}",
            epoch_length=10,
            block_producer_kickout_threshold=20,
            chunk_producer_kickout_threshold=0,
        )
        turns = {name: turns_in_first_epoch(net[0], name, 10) for name in ("node0", "node1", "node3")}
        if turns_in_first_epoch(net[0], "node2", 10) >= 2 and min(turns.values()) >= 2:
            break
    for node in (net[0], net[1], net[3]):
        node.start()
    node = net[0]
    node.wait(lambda one: one.rpc("validators", [None])["epoch_height"] >= 4, timeout_s=20)
    host, _, port = node.rpc_addr.rpartition(":")
    client = NeardRpc(host, int(port), deadline_s=3)
    epochs: dict[int, dict[str, Any]] = {}
    shown: dict[str, Any] = node.rpc("validators", [None])
    while shown["epoch_height"] > 1:
        following = shown["epoch_start_height"]
        last = following - 1
        while node.post("block", [last]).status_code != 200:
            last -= 1
        shown = node.rpc("validators", [last])
        block = node.rpc("block", [last])["header"]
        assert node.rpc("validators", {"epoch_id": block["epoch_id"]}) == shown
        # The project's client finds the same from the next epoch's first block.
        for one in shown["current_validators"]:
            found = client.production_before(one["account_id"], following)
            assert found is not None
            assert (found.produced_blocks, found.expected_blocks, found.epoch_start) == (
                one["num_produced_blocks"],
                one["num_expected_blocks"],
                shown["epoch_start_height"],
            )
        refused = node.post("validators", [block["prev_hash"]]).json()
        assert refused["error"]["cause"]["name"] == "VALIDATOR_INFO_UNAVAILABLE"
        epochs[shown["epoch_height"]] = shown
    seats = {
        number: [one["account_id"] for one in epoch["current_validators"]] for number, epoch in epochs.items()
    }
    assert seats[1] == seats[2] == ["node0", "node1", "node2", "node3"]
    assert seats[3] == ["node0", "node1", "node3"]
    assert [one["account_id"] for one in epochs[2]["next_validators"]] == seats[3]
    (kickout,) = epochs[2]["prev_epoch_kickout"]
    counts = {one["account_id"]: one for one in epochs[1]["current_validators"]}["node2"]
    assert counts["num_produced_blocks"] == 0 < counts["num_expected_blocks"]
    assert kickout == {
        "account_id": "node2",
        "reason": {"NotEnoughBlocks": {"produced": 0, "expected": counts["num_expected_blocks"]}},
    }
