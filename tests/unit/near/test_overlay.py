"""What an operator wants of config.json: merged without loss, refused where neard or a failover breaks."""

import json
from typing import Any

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafailover.near.overlay import (
    Findings,
    check,
    effective_shards,
    explain_old_shards,
    is_endpoint,
    merge,
)

POOL = "pool.poolv1.near"
SHADOW = {"ShadowValidator": POOL}
PEER = "ed25519:7PGseFbWxvYVgZ89K1uTJKYoKetWs7BJtbyXDzfbAcqX@192.0.2.1:24567"
OTHER = "ed25519:6DSjZ8mvsRZDvFqFxo8tCKePG96omXW7eVYVSySmDk8e@192.0.2.2:24567"
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
        ({"tracked_shadow_validator": POOL}, f'and set that to {{"ShadowValidator": "{POOL}"}}'),
        ({"rpc": {"addr": "localhost"}}, "rpc.addr:"),
        ({"rpc": {"addr": 3030}}, "rpc.addr:"),
        ({"rpc": {"addr": "127.0.0.1:0"}}, "rpc.addr:"),
        ({"network": {"addr": "::1:24567"}}, "network.addr:"),
        ({"network": {"public_addrs": "x"}}, "network.public_addrs: must be"),
        ({"network": {"public_addrs": ["192.0.2.1:24567"]}}, "network.public_addrs: must be"),
        ({"network": {"public_addrs": [PEER.replace("7PGseFbWx", "7PG")]}}, "network.public_addrs: must be"),
        ({"network": {"public_addrs": [PEER.replace("ed25519", "rsa")]}}, "network.public_addrs: must be"),
        ({"network": {"public_addrs": [PEER, PEER.replace("2.1:", "2.3:")]}}, "two entries with one key"),
        ({"network": {"boot_nodes": [PEER]}}, "network.boot_nodes:"),
        ({"network": {"boot_nodes": "nobody"}}, "network.boot_nodes:"),
        ({"network": {"boot_nodes": f"{PEER}, {OTHER}"}}, "network.boot_nodes:"),
        ({"network": {"boot_nodes": f"{PEER},"}}, "network.boot_nodes:"),
        ({"consensus": {"min_block_production_delay": 1}}, "consensus.min_block_production_delay: must be"),
        ({"consensus": {"max_block_wait_delay": "6s"}}, "consensus.max_block_wait_delay: must be"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(overlay: Any, named: str) -> None:
    (error,) = of(overlay).errors
    assert named in error


def delays(shortest: float, **others: float) -> dict[str, Any]:
    names = {"min_block_production_delay": shortest, **others}
    return {"consensus": {name: {"secs": int(s), "nanos": int(s % 1 * 1e9)} for name, s in names.items()}}


def test_each_delay_is_held_against_the_shortest() -> None:
    assert not of(delays(0.6, max_block_production_delay=0.6, max_block_wait_delay=6)).errors
    for name in ("max_block_production_delay", "max_block_wait_delay"):
        (error,) = of(delays(2.5, **{name: 2})).errors
        assert error == f"consensus.min_block_production_delay: is longer than {name}; make it shorter"
    assert len(of(delays(9, max_block_production_delay=2, max_block_wait_delay=6)).errors) == 2


def test_what_neard_allows_of_the_delays_is_allowed() -> None:
    assert not of(delays(0.6, max_block_production_delay=9, max_block_wait_delay=6)).errors
    assert not of(delays(100)).errors


def test_at_most_ten_public_addresses() -> None:
    keys = ["ed25519:" + base58.b58encode(bytes([number]) * 32).decode() for number in range(1, 12)]
    addrs = [f"{key}@192.0.2.1:24567" for key in keys]
    assert not of({"network": {"public_addrs": addrs[:10]}}).errors
    (error,) = of({"network": {"public_addrs": addrs}}).errors
    assert "has 11 entries, and neard takes at most 10" in error


@pytest.mark.parametrize("ip", ["10.1.2.3", "172.31.0.1", "192.168.1.1", "127.0.0.1", "[::1]"])
def test_private_addresses_are_published_only_where_allowed(ip: str) -> None:
    network: dict[str, Any] = {"public_addrs": [PEER.replace("192.0.2.1", ip)]}
    (error,) = of({"network": network}).errors
    assert error.startswith(f"network.public_addrs: {ip}:24567 is not public; ")
    network["allow_private_ip_in_public_addrs"] = True
    assert not of({"network": network}).errors
    network["public_addrs"] = [PEER.replace("192.0.2.1", "0.0.0.0")]
    (error,) = of({"network": network}).errors
    assert "no address that others can reach" in error


@pytest.mark.parametrize("ip", ["172.32.0.1", "100.64.0.1", "[fd00::1]"])
def test_what_neard_takes_for_public(ip: str) -> None:
    assert not of({"network": {"public_addrs": [PEER.replace("192.0.2.1", ip)]}}).errors


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


def test_a_boot_node_may_name_its_account_and_leave_out_the_kind_of_key() -> None:
    assert not of({"network": {"boot_nodes": f"{PEER}@some.near,{OTHER.removeprefix('ed25519:')}"}}).errors
    assert of({"network": {"boot_nodes": f"{PEER}@Not An Account"}}).errors
    assert of({"network": {"public_addrs": [f"{PEER}@some.near"]}}).errors


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
        ("[127.0.0.1]:80", False),
        ("127.0.0.1:65536", False),
        ("127.0.0.1", False),
        ("host:80", False),
        ("127.0.0.1:٣", False),
    ],
)
def test_endpoints(text: str, good: bool) -> None:
    assert is_endpoint(text) is good


@pytest.mark.parametrize("end", ["", " ", "\n", "\u2003"])
def test_keys_of_peers_are_read_as_neard_reads_them(end: str) -> None:
    key, _, address = PEER.partition("@")
    assert bool(of({"network": {"boot_nodes": f"{key}{end}@{address}"}}).errors) == bool(end)
    assert bool(of({"network": {"public_addrs": [f"{key}{end}@{address}"]}}).errors) == bool(end)
    assert of({"network": {"boot_nodes": f":{key.partition(':')[2]}@{address}"}}).errors


BUCKET = {"state_sync": {"sync": {"ExternalStorage": {"location": {"GCS": {"bucket": "b"}}}}}}


@pytest.mark.parametrize("neard", ["2.13.0", "2.13.1", "2.14.0-rc.1", "3.0.0", "10.1"])
def test_state_from_a_bucket_is_refused_as_neard_refuses_it(neard: str) -> None:
    (error,) = check(BUCKET, POOL, "mainnet", hot=True, neard=neard).errors
    assert f"neard {neard} refuses ExternalStorage" in error
    assert 'set state_sync.sync to "Peers"' in error


@pytest.mark.parametrize("neard", ["", "2.12.9", "2.2.13", "1.40.0", "trunk", "localneard-0.1.0"])
def test_state_from_a_bucket_is_warned_of_elsewhere(neard: str) -> None:
    found = check(BUCKET, POOL, "mainnet", hot=True, neard=neard)
    assert found.errors == []
    assert "ExternalStorage is of older guides" in found.warnings[0]
    others: list[Any] = [None, {"sync": "Peers"}, {}, []]
    for state_sync in others:
        assert check({"state_sync": state_sync}, POOL, "mainnet", hot=True, neard="2.14.0") == Findings()


@pytest.mark.parametrize(
    ("config", "shards"),
    [
        ({}, None),
        ({"tracked_shards": []}, None),
        ({"tracked_shards": [], "tracked_shadow_validator": POOL}, SHADOW),
        ({"tracked_shards": [0], "tracked_shadow_validator": POOL}, "AllShards"),
        ({"tracked_shard_schedule": [[0]], "tracked_accounts": ["a.near"]}, {"Schedule": [[0]]}),
        ({"tracked_accounts": ["a.near"], "tracked_shards_config": None}, {"Accounts": ["a.near"]}),
        ({"tracked_shards_config": "NoShards"}, "NoShards"),
    ],
)
def test_the_shards_of_older_guides(config: dict[str, Any], shards: Any) -> None:
    assert effective_shards(config) == shards
    told = list(explain_old_shards(config))
    assert [one.partition(":")[0] for one in told] == [
        name for name in config if name != "tracked_shards_config"
    ]
    assert all(json.dumps(shards or "NoShards") in one for one in told)
