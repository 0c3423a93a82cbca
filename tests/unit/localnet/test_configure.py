"""What a localnet changes in neard's files."""

import copy
from typing import Any

import pytest

from hafailover.localnet import LocalnetError, configure

CONFIG: dict[str, Any] = {
    "rpc": {"addr": "[::1]:21000", "enable_debug_rpc": True},
    "network": {"addr": "[::1]:20000", "boot_nodes": "", "max_num_peers": 40},
    "consensus": {
        "min_num_peers": 3,
        "min_block_production_delay": {"secs": 0, "nanos": 600_000_000},
        "max_block_production_delay": {"secs": 2, "nanos": 0},
        "max_block_wait_delay": {"secs": 6, "nanos": 0},
        "sync_height_threshold": 1,
    },
    "tracked_shards_config": "AllShards",
    "store": {"path": None},
}


def configured(**changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "rpc_addr": "127.0.0.1:3030",
        "network_addr": "127.0.0.1:24567",
        "node_key": "ed25519:own",
        "boot_peers": [("ed25519:a", "127.0.0.1:1"), ("ed25519:b", "127.0.0.1:2")],
        "min_peers": 1,
        "block_time_s": 1.0,
    }
    return configure.configure_node(CONFIG, **{**options, **changes})


def test_addresses_and_peers_are_fixed_on_loopback() -> None:
    before = copy.deepcopy(CONFIG)
    config = configured()
    assert before == CONFIG
    assert config["rpc"] == {"addr": "127.0.0.1:3030", "enable_debug_rpc": True}
    assert config["network"] == {
        "addr": "127.0.0.1:24567",
        "public_addrs": ["ed25519:own@127.0.0.1:24567"],
        "allow_private_ip_in_public_addrs": True,
        "boot_nodes": "ed25519:a@127.0.0.1:1,ed25519:b@127.0.0.1:2",
        "skip_sync_wait": False,
        "max_num_peers": 40,
    }
    assert config["tracked_shards_config"] == "AllShards"


@pytest.mark.parametrize(
    ("block_time_s", "shortest", "longest", "wait"),
    [
        (1.0, {"secs": 1, "nanos": 0}, {"secs": 2, "nanos": 0}, {"secs": 6, "nanos": 0}),
        (0.6, {"secs": 0, "nanos": 600_000_000}, {"secs": 1, "nanos": 600_000_000}, {"secs": 6, "nanos": 0}),
        (
            7.5,
            {"secs": 7, "nanos": 500_000_000},
            {"secs": 8, "nanos": 500_000_000},
            {"secs": 9, "nanos": 500_000_000},
        ),
    ],
)
def test_the_block_time_keeps_the_delays_in_order(
    block_time_s: float, shortest: dict[str, int], longest: dict[str, int], wait: dict[str, int]
) -> None:
    consensus = configured(block_time_s=block_time_s)["consensus"]
    assert consensus == {
        "min_num_peers": 1,
        "min_block_production_delay": shortest,
        "max_block_production_delay": longest,
        "max_block_wait_delay": wait,
        "sync_height_threshold": 1,
    }


def test_a_node_without_peers_does_not_wait_for_any() -> None:
    config = configured(min_peers=0, boot_peers=[])
    assert config["network"]["skip_sync_wait"] is True
    assert config["network"]["boot_nodes"] == ""
    assert config["consensus"]["min_num_peers"] == 0


def test_a_host_shadows_the_pool() -> None:
    deprecated = {"tracked_shards": [0], "tracked_accounts": [], "tracked_shadow_validator": "x"}
    config = configure.configure_host({**CONFIG, **deprecated, "tracked_shard_schedule": []}, "pool.near")
    assert config["tracked_shards_config"] == {"ShadowValidator": "pool.near"}
    assert config["store"] == {"path": None, "load_mem_tries_for_tracked_shards": True}
    assert not {
        "tracked_shards",
        "tracked_accounts",
        "tracked_shadow_validator",
        "tracked_shard_schedule",
    } & set(config)
    assert set(configure.configure_host({}, "pool.near")) == {"tracked_shards_config", "store", "network"}


def test_a_host_is_routed_to_as_the_product_would_have_it() -> None:
    host = configure.configure_host(configured(), "pool.near")
    assert host["network"]["public_addrs"] == []
    assert host["network"]["tier1"] == {"enable_inbound": False, "enable_outbound": False}
    assert host["network"]["addr"] == "127.0.0.1:24567"
    direct = configure.configure_host(configured(), "pool.near", "direct")
    assert direct["network"] == configured()["network"]


def test_the_genesis_forgives_a_failover() -> None:
    before = {"epoch_length": 60, "chain_id": "c", "block_producer_kickout_threshold": 90, "records": []}
    assert configure.configure_genesis(before, epoch_length=1000) == {
        "chain_id": "c",
        "records": [],
        "epoch_length": 1000,
        "block_producer_kickout_threshold": 10,
        "chunk_producer_kickout_threshold": 10,
        "chunk_validator_only_kickout_threshold": 10,
    }


def genesis() -> dict[str, Any]:
    def account(name: str, amount: int, locked: int) -> dict[str, Any]:
        return {"Account": {"account_id": name, "account": {"amount": str(amount), "locked": str(locked)}}}

    return {
        "total_supply": str(10**33 + 5),
        "validators": [{"account_id": "pool", "public_key": "ed25519:p", "amount": "3"}],
        "records": [account("pool", 2, 3), account("near", 10**33, 0), {"AccessKey": {"account_id": "pool"}}],
    }


def test_a_good_genesis_passes() -> None:
    configure.check_genesis(genesis(), "pool", "ed25519:p")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"total_supply": "7"},
            "total_supply is 7, but the balances sum to 1000000000000000000000000000000005",
        ),
        ({"validators": []}, "validators are not the accounts with a locked stake"),
        ({"validators": [{"account_id": "pool", "public_key": "ed25519:p", "amount": "4"}]}, "locked stake"),
        (
            {"validators": [{"account_id": "pool", "public_key": "ed25519:q", "amount": "3"}]},
            "pool with key ed25519:p",
        ),
    ],
)
def test_a_bad_genesis_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(LocalnetError, match=message):
        configure.check_genesis({**genesis(), **change}, "pool", "ed25519:p")


def test_a_pool_that_is_no_validator_is_refused() -> None:
    with pytest.raises(LocalnetError, match="other with key ed25519:p is not among the validators"):
        configure.check_genesis(genesis(), "other", "ed25519:p")


@pytest.mark.parametrize("value", [0.0, 0.1, 0.6, 1.0, 2.25, 86400.0])
def test_durations_go_there_and_back(value: float) -> None:
    assert configure.seconds(configure.duration(value)) == pytest.approx(value, abs=1e-9)
