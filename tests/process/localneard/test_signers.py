"""Two processes with one validator key: both at once must show, one after the other must not."""

import json
import signal
from pathlib import Path
from typing import Any

from hafailover.clock import boottime
from hafailover.lab.waiting import wait_until

from .nodes import MakeNet, Net, Node, blocks, wait_for_block_of


def load(node: Node, key: bytes) -> None:
    new = node.home / "validator_key.json.new"
    new.write_bytes(key)
    new.rename(node.home / "validator_key.json")
    node.running.signal(signal.SIGHUP)


def drop(node: Node) -> None:
    (node.home / "validator_key.json").unlink()
    node.running.signal(signal.SIGHUP)


def held(home: Path) -> tuple[float, float]:
    """When the key was loaded and dropped."""
    lines = (home / "data" / "key_events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    times = {event["event"]: event["boottime"] for event in events}
    return times["load"], times.get("drop", boottime())


def test_two_holders_at_once_sign_twice_for_all_to_see(make_net: MakeNet) -> None:
    net = make_net(4, plain=1).start()
    for node in net.nodes:
        node.wait(lambda one: one.height >= 3 and not one.syncing)
    load(net[4], (net[3].home / "validator_key.json").read_bytes())
    net[4].wait(lambda one: one.public_key() == net[3].public_key())

    def seen(node: Node) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = node.get("/localneard/double_signs")
        return records

    wait_until(lambda: all(map(seen, net.nodes)), timeout_s=15, what="double signs on every node")
    record = seen(net[0])[0]
    assert (record["account_id"], record["public_key"]) == ("node3", net[3].public_key())
    assert len(set(record["hashes"])) == 2
    assert record in [
        json.loads(line) for line in (net[0].home / "data" / "double_signs.jsonl").read_text().splitlines()
    ]
    assert (net[0].metric("localneard_double_signed_heights_total") or 0) >= 1
    # The chain goes on all the same, and the record outlives the process.
    net[0].wait_height(net[0].height + 5)
    heights = [one["height"] for one in seen(net[0])]
    net[0].running.kill()
    net[0].start().wait_ready()
    assert [one["height"] for one in seen(net[0])][: len(heights)] == heights
    (first, _), (second, _) = held(net[3].home), held(net[4].home)
    assert second > first
    assert held(net[3].home)[1] > second


def wait_for_window(node: Node, blocks_needed: int) -> None:
    """Until node3 has no turn at the next heights: approvals for the next go out with the head itself."""

    def idle(one: Node) -> bool:
        height = one.height
        windows = one.rpc("EXPERIMENTAL_maintenance_windows", {"account_id": "node3"})
        return any(each["start"] <= height + 1 <= each["end"] - blocks_needed for each in windows)

    node.wait(idle, 60)


def test_a_clean_hot_swap_in_a_window_signs_nothing_twice_and_misses_nothing(whole_net: Net) -> None:
    holder, other = whole_net[3], whole_net[4]
    key = (holder.home / "validator_key.json").read_bytes()
    started = whole_net[0].height + 1
    for _ in range(4):
        wait_for_window(whole_net[0], 8)
        drop(holder)
        holder.wait(lambda one: one.public_key() is None)
        # It would go on contradicting the new holder, and its peers would go on sending to it.
        holder.running.kill()
        load(other, key)
        other.wait(lambda one: one.public_key() is not None)
        holder.start().wait_ready()
        holder.wait(lambda one: not one.syncing and one.peers == 4)
        holder, other = other, holder
        wait_for_block_of(whole_net[0], "node3")
    ended = whole_net[0].height - 1
    chain = blocks(whole_net[0], started, ended)
    assert [one["height"] for one in chain] == list(range(started, ended + 1))
