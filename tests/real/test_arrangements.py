"""What is pure in comparing arrangements: settings, connections, figures, the address that moves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hafailover.localnet.model import LocalnetNode

from .arrangements import change_network, few_open_files, network_wishes
from .figures import APPROVAL_DELAY, LATENCY, kinds, mean, mean_hops, parse, tiers
from .floating import announcement, new_lines
from .settings import default_parts
from .stages import STAGES
from .topology import MOST_PEERS, ring, ring_order, through_one

PEERS = {"host1": ("ed25519:A", "10.0.0.1:5"), "host2": ("ed25519:B", "10.0.0.2:5"), "host3": ("C", "d:5")}

BEFORE = f"""
{APPROVAL_DELAY}_sum 1
{APPROVAL_DELAY}_count 10
{LATENCY}_sum{{routed="BlockApproval",tier="T2",fastest="true"}} 4
{LATENCY}_count{{routed="BlockApproval",tier="T2",fastest="true"}} 4
"""
AFTER = f"""
{APPROVAL_DELAY}_sum 3
{APPROVAL_DELAY}_count 20
{LATENCY}_sum{{routed="BlockApproval",tier="T2",fastest="true"}} 5
{LATENCY}_count{{routed="BlockApproval",tier="T2",fastest="true"}} 7
{LATENCY}_sum{{routed="BlockApproval",tier="T1",fastest="true"}} 0
{LATENCY}_count{{routed="BlockApproval",tier="T1",fastest="true"}} 1
{LATENCY}_count{{routed="VersionedChunkEndorsement",tier="T1",fastest="true"}} 9
near_network_routed_msg_hops{{routed="BlockApproval",hops="0"}} 3
near_network_routed_msg_hops{{routed="BlockApproval",hops="2"}} 1
"""


def node(folder: Path) -> LocalnetNode:
    return LocalnetNode("host1", "host", folder, "127.0.0.1:1", "10.0.0.1:5")


def test_proxies_are_the_other_hosts_and_never_the_host_itself() -> None:
    wishes = network_wishes("proxies", "host2", PEERS)
    assert wishes["public_addrs"] == ["ed25519:A@10.0.0.1:5", "C@d:5"]
    assert wishes["tier1"] == {"enable_inbound": True, "enable_outbound": False}


def test_a_floating_address_is_named_with_each_hosts_own_key() -> None:
    named = {name: network_wishes("floating", name, PEERS)["public_addrs"] for name in PEERS}
    assert named["host1"] == ["ed25519:A@10.213.77.100:24567"]
    assert named["host2"] == ["ed25519:B@10.213.77.100:24567"]


@pytest.mark.parametrize("arrangement", ["relayed", "direct"])
def test_what_the_product_can_set_is_left_to_it(arrangement: str) -> None:
    assert network_wishes(arrangement, "host1", PEERS) == {}


def test_config_json_keeps_what_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"network": {"addr": "a", "tier1": {"x": 1}}, "store": {"y": 2}}))
    change_network(node(tmp_path), {"addr": "b", "tier1": {"enable_inbound": False}})
    few_open_files(node(tmp_path), 2000)
    few_open_files(node(tmp_path), 9000)
    assert json.loads(path.read_text()) == {
        "network": {"addr": "b", "tier1": {"x": 1, "enable_inbound": False}},
        "store": {"y": 2, "max_open_files": 2000},
    }


def test_every_part_has_its_stage() -> None:
    assert set(default_parts("relayed")) | {"third", "many"} == set(STAGES)
    assert "deaf" not in default_parts("direct")


def test_hosts_know_the_third_alone() -> None:
    graph = through_one(["v1", "v2", "v3"], ["h1", "h2"])
    assert graph["h1"] == graph["h2"] == frozenset(["v3"])
    assert graph["v1"] == frozenset(["v2", "v3"])
    assert graph["v3"] == frozenset(["v1", "v2", "h1", "h2"])


def test_in_the_ring_hosts_are_two_or_three_hops_from_validators() -> None:
    validators, hosts = ["v1", "v2", "v3"], ["h1", "h2", "h3"]
    graph = ring(ring_order(validators, hosts, [f"r{number}" for number in range(6)]))
    assert len(graph) == 12
    for name, peers in graph.items():
        assert len(peers) == MOST_PEERS and name not in peers
        assert all(name in graph[peer] for peer in peers)
    for host in hosts:
        near = graph[host]
        two = {name for peer in near for name in graph[peer]}
        three = {name for peer in two for name in graph[peer]}
        assert not near & set(validators) and three >= set(validators)


def test_means_are_of_the_time_between_two_looks() -> None:
    before, after = parse(BEFORE), parse(AFTER)
    delay = mean(before, after, APPROVAL_DELAY)
    assert delay is not None and (delay.value, delay.count) == (0.2, 10)
    latency = mean(before, after, LATENCY, routed="BlockApproval")
    assert latency is not None and (latency.value, latency.count) == (0.25, 4)
    hops = mean_hops(before, after, "BlockApproval")
    assert hops is not None and (hops.value, hops.count) == (0.5, 4)
    assert tiers(before, after, "BlockApproval") == {"T1": 1, "T2": 3}
    assert kinds(after) == ["BlockApproval", "VersionedChunkEndorsement"]
    assert mean(after, after, APPROVAL_DELAY) is None
    assert mean(before, after, "near_no_such_metric") is None


def test_an_announcement_is_a_gratuitous_arp_request() -> None:
    frame = announcement(b"\x02\0\0\0\0\x01", "10.213.77.100")
    assert len(frame) == 42
    assert frame[:6] == b"\xff" * 6 and frame[12:22] == b"\x08\x06\0\x01\x08\0\x06\x04\0\x01"
    assert frame[28:32] == frame[38:42] == bytes([10, 213, 77, 100])


def test_a_log_is_read_on_in_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert new_lines(path, 0) == ("", 0)
    path.write_text("one\ntw")
    assert new_lines(path, 0) == ("one\n", 4)
    path.write_text("one\ntwo\n")
    assert new_lines(path, 4) == ("two\n", 8)
