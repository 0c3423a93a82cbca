"""What an operator wants of config.json: merged without loss, refused where neard or a failover breaks."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafailover.near.overlay import Findings, check, is_endpoint, merge

POOL = "pool.poolv1.near"
SHADOW = {"ShadowValidator": POOL}
PEER = "ed25519:7PGseFbWxvYVgZ89K1uTJKYoKetWs7BJtbyXDzfbAcqX@192.0.2.1:24567"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def of(overlay: Any, chain: str = "mainnet", *, hot: bool = True) -> Findings:
    return check(overlay, POOL, chain, hot=hot)


def test_objects_merge_and_all_else_replaces() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": {"f": 1}}
    assert merge(base, {"a": {"c": [3]}, "d": {"x": 1}, "e": None}) == {
        "a": {"b": 1, "c": [3]},
        "d": {"x": 1},
        "e": None,
    }
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": {"f": 1}}


@given(st.dictionaries(st.text(), JSON), st.dictionaries(st.text(), JSON))
def test_merging_twice_is_merging_once(base: dict[str, Any], overlay: dict[str, Any]) -> None:
    once = merge(base, overlay)
    assert merge(once, overlay) == once
    assert merge(base, {}) == base


def test_what_suits_a_pair_is_found_good() -> None:
    found = of(
        {
            "tracked_shards_config": SHADOW,
            "store": {"load_mem_tries_for_tracked_shards": True},
            "rpc": {"addr": "127.0.0.1:3030"},
            "network": {"addr": "0.0.0.0:24567", "public_addrs": [PEER], "boot_nodes": f"{PEER},{PEER}"},
            "consensus": {"min_num_peers": 3},
            "something_of_a_later_neard": 1,
        }
    )
    assert found == Findings()
    assert of({}) == Findings()


@pytest.mark.parametrize(
    ("overlay", "named"),
    [
        ([], "JSON object"),
        ({"validator_key_file": "x.json"}, "validator_key_file:"),
        ({"node_key_file": "x.json"}, "node_key_file:"),
        ({"genesis_file": "x.json"}, "genesis_file:"),
        ({"rpc": None}, "rpc: must be an object"),
        ({"network": []}, "network: must be an object"),
        ({"tracked_shards_config": "NoShards"}, "tracked_shards_config: a standby"),
        ({"tracked_shards_config": {"ShadowValidator": "other.near"}}, "tracked_shards_config: a standby"),
        ({"tracked_shards_config": "AllShards"}, "neard ends itself on mainnet"),
        ({"tracked_shards": [0]}, "tracked_shards: neard refuses it"),
        ({"rpc": {"addr": "localhost"}}, "rpc.addr:"),
        ({"rpc": {"addr": 3030}}, "rpc.addr:"),
        ({"rpc": {"addr": "127.0.0.1:0"}}, "rpc.addr:"),
        ({"network": {"addr": "::1:24567"}}, "network.addr:"),
        ({"network": {"public_addrs": "x"}}, "network.public_addrs: must be"),
        ({"network": {"public_addrs": ["192.0.2.1:24567"]}}, "network.public_addrs: must be"),
        ({"network": {"public_addrs": [PEER] * 11}}, "at most 10"),
        ({"network": {"boot_nodes": [PEER]}}, "network.boot_nodes:"),
        ({"network": {"boot_nodes": "nobody"}}, "network.boot_nodes:"),
        (
            {
                "consensus": {
                    "min_block_production_delay": {"secs": 3, "nanos": 0},
                    "max_block_production_delay": {"secs": 2, "nanos": 0},
                    "max_block_wait_delay": {"secs": 6, "nanos": 0},
                }
            },
            "must rise",
        ),
        ({"consensus": {"min_block_production_delay": 1}}, "consensus.min_block_production_delay"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(overlay: Any, named: str) -> None:
    (error,) = of(overlay).errors
    assert named in error


def test_all_shards_are_fatal_with_restarts_too_but_not_on_a_private_chain() -> None:
    assert of({"tracked_shards_config": "AllShards"}, hot=False).errors
    assert not of({"tracked_shards_config": "AllShards"}, "mine", hot=False).errors
    assert not of({"tracked_shards_config": "NoShards"}, hot=False).errors


@pytest.mark.parametrize(
    ("overlay", "named"),
    [
        ({"rpc": {"addr": "0.0.0.0:3030"}}, "rpc.addr:"),
        ({"store": {"load_mem_tries_for_tracked_shards": False}}, "load_mem_tries"),
        ({"archive": True}, "archive:"),
        ({"expected_shutdown": 100}, "expected_shutdown:"),
    ],
)
def test_what_is_unwise_is_warned_of(overlay: Any, named: str) -> None:
    found = of(overlay)
    assert not found.errors
    (warning,) = found.warnings
    assert named in warning


def test_boot_nodes_may_have_names_and_public_addresses_may_not() -> None:
    by_name = PEER.replace("192.0.2.1", "boot.example")
    assert not of({"network": {"boot_nodes": by_name}}).errors
    assert of({"network": {"public_addrs": [by_name]}}).errors


@given(JSON)
def test_nothing_that_json_can_say_breaks_it(anything: Any) -> None:
    keys = ("rpc", "network", "consensus", "store", "tracked_shards_config", "archive")
    for overlay in (anything, dict.fromkeys(keys, anything), {"network": {"public_addrs": anything}}):
        json.dumps(of(overlay).errors)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("127.0.0.1:1", True),
        ("[::1]:65535", True),
        ("::1:80", False),
        ("127.0.0.1:65536", False),
        ("127.0.0.1", False),
        ("host:80", False),
        ("127.0.0.1:٣", False),
    ],
)
def test_endpoints(text: str, good: bool) -> None:
    assert is_endpoint(text) is good
