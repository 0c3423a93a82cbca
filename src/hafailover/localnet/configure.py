"""What a localnet changes in the files that `neard localnet` writes: pure functions on their JSON."""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

from hafailover.localnet.errors import LocalnetError
from hafailover.near.overlay import OLD_SHARD_KEYS, merge
from hafailover.near.routing import DEFAULT, ValidatorRouting, wishes

Json = dict[str, Any]

KICKOUT_THRESHOLD_PERCENT = 10
"""Share of expected blocks, chunks and endorsements below which a validator loses its seat.

neard's localnet has 90, at which a failover of ten seconds in a short epoch costs the seat; its own tests use
10.
"""

EPOCH_LENGTH_BLOCKS = 1000
"""Long enough that no epoch ends during a test: 17 minutes at blocks of 1 s."""

_SLACK_S = 1.0


def duration(seconds: float) -> Json:
    """Return a duration as neard writes it."""
    whole = math.floor(seconds)
    return {"secs": whole, "nanos": round((seconds - whole) * 1e9)}


def seconds(value: Mapping[str, int]) -> float:
    """Return the seconds of a duration as neard writes it."""
    return value["secs"] + value["nanos"] / 1e9


def boot_nodes(peers: Iterable[tuple[str, str]]) -> str:
    """Return a list of boot nodes from (node key, address) pairs."""
    return ",".join(f"{key}@{address}" for key, address in peers)


def configure_node(
    config: Json,
    *,
    rpc_addr: str,
    network_addr: str,
    node_key: str,
    boot_peers: list[tuple[str, str]],
    min_peers: int,
    block_time_s: float,
) -> Json:
    """Return a node's config.json with fixed addresses on loopback, its peers, and the block time.

    `min_peers` is the number of peers without which it would not sync.
    """
    config = copy.deepcopy(config)
    config["rpc"]["addr"] = rpc_addr
    network = config["network"]
    network["addr"] = network_addr
    network["public_addrs"] = [f"{node_key}@{network_addr}"]
    network["allow_private_ip_in_public_addrs"] = True
    network["boot_nodes"] = boot_nodes(boot_peers)
    network["skip_sync_wait"] = min_peers == 0
    consensus = config["consensus"]
    consensus["min_num_peers"] = min_peers
    longest = block_time_s + _SLACK_S
    consensus["min_block_production_delay"] = duration(block_time_s)
    consensus["max_block_production_delay"] = duration(longest)
    wait = seconds(consensus.get("max_block_wait_delay", duration(6.0)))
    # neard refuses a maximum that is longer than this.
    consensus["max_block_wait_delay"] = duration(max(wait, longest + _SLACK_S))
    return config


def configure_host(config: Json, pool: str, routing: ValidatorRouting = DEFAULT) -> Json:
    """Return a failover host's config.json: it follows the pool's shards whether it holds the key or not.

    `routing` is the setting neard.validator_routing, of which the product writes the same.
    """
    config = {key: value for key, value in config.items() if key not in OLD_SHARD_KEYS}
    config["tracked_shards_config"] = {"ShadowValidator": pool}
    config["store"] = {**config.get("store", {}), "load_mem_tries_for_tracked_shards": True}
    return merge(config, wishes(routing))


def configure_genesis(genesis: Json, *, epoch_length: int, chain_id: str | None = None) -> Json:
    """Return the genesis with epochs and thresholds under which a failover test keeps its seat."""
    return {
        **genesis,
        "chain_id": chain_id or genesis["chain_id"],
        "epoch_length": epoch_length,
        "block_producer_kickout_threshold": KICKOUT_THRESHOLD_PERCENT,
        "chunk_producer_kickout_threshold": KICKOUT_THRESHOLD_PERCENT,
        "chunk_validator_only_kickout_threshold": KICKOUT_THRESHOLD_PERCENT,
    }


def check_genesis(genesis: Json, pool: str, pool_key: str) -> None:
    """Check what neard checks when it loads a genesis, and that the pool is a validator in it.

    Raises LocalnetError: total_supply is not the sum of all balances, the validators are not the accounts
    that have locked a stake, or the pool or its key is not among them.
    """
    supply = 0
    locked: dict[str, int] = {}
    for record in genesis["records"]:
        if "Account" in record:
            account = record["Account"]["account"]
            supply += int(account["amount"]) + int(account["locked"])
            if int(account["locked"]):
                locked[record["Account"]["account_id"]] = int(account["locked"])
    if supply != int(genesis["total_supply"]):
        total = genesis["total_supply"]
        raise LocalnetError(f"genesis.json: total_supply is {total}, but the balances sum to {supply}")
    validators = {one["account_id"]: one for one in genesis["validators"]}
    if {name: int(one["amount"]) for name, one in validators.items()} != locked:
        raise LocalnetError("genesis.json: validators are not the accounts with a locked stake")
    if validators.get(pool, {}).get("public_key") != pool_key:
        raise LocalnetError(f"genesis.json: {pool} with key {pool_key} is not among the validators")
