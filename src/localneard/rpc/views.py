"""What neard's answers say, made from a node's state (core/primitives/src/views.rs)."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import base58

from localneard import BUILD, PROTOCOL_VERSION, RELEASE
from localneard.block import Block
from localneard.chain import EpochResult
from localneard.clock import boottime, rfc3339, wall_ns
from localneard.schedule import Count, Validator, idle_windows

if TYPE_CHECKING:
    from localneard.node import Node

Json = dict[str, Any]

_NO_HASH = "1" * 32
SHARD = 0


def derived_hash(kind: str, block: Block) -> str:
    """Return a hash that stands for content which the stand-in does not have."""
    return base58.b58encode(hashlib.sha256(f"{kind} {block.hash}".encode()).digest()).decode()


def version() -> Json:
    """Return the version, which says that this is a stand-in."""
    return {"version": RELEASE, "build": BUILD, "commit": "unknown", "rustc_version": "none"}


def status(node: "Node") -> Json:
    """Return the answer to `status`."""
    head, first = node.chain.head, node.chain.genesis_block
    key = node.signer.key
    public_key = None if key is None else key.public_key
    accounts = node.chain.head_epoch.settlement(head.epoch_start, node.chain.genesis.epoch_length)
    view: Json = {
        "version": version(),
        "chain_id": node.chain.genesis.chain_id,
        "protocol_version": node.chain.genesis.protocol_version,
        "latest_protocol_version": max(PROTOCOL_VERSION, node.chain.genesis.protocol_version),
    }
    # As in neard, this is what config.json says, whatever --rpc-addr was given.
    if (rpc := node.files.config_as_read.rpc) is not None:
        view["rpc_addr"] = str(rpc.addr)
    view |= {
        "validators": [{"account_id": account} for account in accounts],
        "sync_info": {
            "latest_block_hash": head.hash,
            "latest_block_height": head.height,
            "latest_state_root": derived_hash("state", head),
            "latest_block_time": rfc3339(head.timestamp),
            "syncing": node.sync.syncing,
            "earliest_block_hash": first.hash,
            "earliest_block_height": first.height,
            "earliest_block_time": rfc3339(first.timestamp),
            "epoch_id": head.epoch_id,
            "epoch_start_height": head.epoch_start,
        },
        "validator_account_id": None if key is None else key.account_id,
        "validator_public_key": public_key,
        "node_public_key": node.files.node_key.public_key,
        "node_key": public_key,
        "uptime_sec": int(boottime() - node.started),
        "genesis_hash": first.hash,
    }
    return view


def health_problem(node: "Node") -> Json | None:
    """Return why the node is not healthy, as the cause of an error; None if it is."""
    if node.sync.syncing:
        return {"name": "NODE_IS_SYNCING", "info": {}}
    age_ns = max(0, wall_ns() - node.chain.head.timestamp)
    if age_ns > 10 * node.config.consensus.max_block_production_delay_s * 1e9:
        elapsed = {"secs": age_ns // 1_000_000_000, "nanos": age_ns % 1_000_000_000}
        return {"name": "NO_NEW_BLOCKS", "info": {"elapsed": elapsed}}
    return None


def block(node: "Node", one: Block) -> Json:
    """Return the answer to `block`."""
    chain = node.chain
    parent = chain.parent(one)
    is_first = one.height == chain.genesis.height
    epoch = chain.need_epoch(one.epoch_id)
    has_chunk = is_first or one.has_chunk
    header: Json = {
        "height": one.height,
        "prev_height": None if is_first else one.prev_height,
        "epoch_id": one.epoch_id,
        "next_epoch_id": one.next_epoch_id,
        "hash": one.hash,
        "prev_hash": one.prev_hash,
        "prev_state_root": derived_hash("state", parent),
        "block_body_hash": derived_hash("body", one),
        "chunk_receipts_root": derived_hash("receipts", one),
        "chunk_headers_root": derived_hash("chunks", one),
        "chunk_tx_root": derived_hash("transactions", one),
        "outcome_root": _NO_HASH,
        "chunks_included": int(has_chunk),
        "challenges_root": _NO_HASH,
        "timestamp": one.timestamp,
        "timestamp_nanosec": str(one.timestamp),
        "random_value": derived_hash("random", one),
        "validator_proposals": [],
        "chunk_mask": [has_chunk],
        "gas_price": chain.genesis.gas_price,
        "block_ordinal": one.ordinal,
        "rent_paid": "0",
        "validator_reward": "0",
        "total_supply": chain.genesis.total_supply,
        "challenges_result": [],
        "last_final_block": _NO_HASH if is_first else chain.parent(parent).hash,
        "last_ds_final_block": _NO_HASH if is_first else parent.hash,
        "next_bp_hash": derived_hash("producers", one),
        "block_merkle_root": derived_hash("merkle", parent),
        "epoch_sync_data_hash": None,
        "approvals": [],
        "signature": one.signature,
        "latest_protocol_version": PROTOCOL_VERSION,
        "chunk_endorsements": [endorsement_bytes(one.endorsements)],
    }
    return {
        "author": one.author or epoch.producer(one.height).account_id,
        "header": header,
        "chunks": [_chunk(node, one)],
    }


def endorsement_bytes(endorsements: str) -> list[int]:
    """Return the bits of a shard's endorsements as neard shows them: bytes, the lowest bit first."""
    bits = [endorsements[start : start + 8] for start in range(0, len(endorsements), 8)]
    return [int(eight[::-1], 2) for eight in bits]


def _chunk(node: "Node", block: Block) -> Json:
    """Return a block's chunk; one that has none shows the last there was, as in neard."""
    one, first = block, node.chain.genesis.height
    while not one.has_chunk and one.height > first:
        one = node.chain.parent(one)
    return {
        "chunk_hash": derived_hash("chunk", one),
        "prev_block_hash": one.prev_hash,
        "outcome_root": _NO_HASH,
        "prev_state_root": derived_hash("state", node.chain.parent(one)),
        "encoded_merkle_root": derived_hash("parts", one),
        "encoded_length": 8,
        "height_created": one.height if one.height == first else one.prev_height + 1,
        "height_included": one.height,
        "shard_id": SHARD,
        "gas_used": 0,
        "gas_limit": node.chain.genesis.gas_limit,
        "rent_paid": "0",
        "validator_reward": "0",
        "balance_burnt": "0",
        "outgoing_receipts_root": _NO_HASH,
        "tx_root": _NO_HASH,
        "validator_proposals": [],
        "signature": one.signature,
        "congestion_info": None,
        "bandwidth_requests": None,
    }


def validators(node: "Node", result: EpochResult) -> Json:
    """Return the answer to `validators` for an epoch, up to the block that `result` is of."""
    following = node.chain.need_epoch(result.next_epoch_id)
    current = [_current(one, result.counts.get(one.account_id, Count())) for one in result.epoch.validators]
    return {
        "current_validators": current,
        "next_validators": [_next(one) for one in following.validators],
        "current_fishermen": [],
        "next_fishermen": [],
        "current_proposals": [],
        "prev_epoch_kickout": [
            {"account_id": account, "reason": reason} for account, reason in sorted(following.kicked.items())
        ],
        "epoch_start_height": result.start,
        "epoch_height": result.epoch.number,
    }


def _current(one: Validator, count: Count) -> Json:
    return {
        "account_id": one.account_id,
        "public_key": one.public_key,
        "is_slashed": False,
        "stake": str(one.stake),
        "shards": [SHARD],
        "num_produced_blocks": count.produced,
        "num_expected_blocks": count.expected,
        "num_produced_chunks": count.chunks,
        "num_expected_chunks": count.chunks_expected,
        "num_produced_chunks_per_shard": [count.chunks],
        "num_expected_chunks_per_shard": [count.chunks_expected],
        "num_produced_endorsements": count.endorsements,
        "num_expected_endorsements": count.endorsements_expected,
        "num_produced_endorsements_per_shard": [count.endorsements],
        "num_expected_endorsements_per_shard": [count.endorsements_expected],
        "shards_endorsed": [SHARD],
    }


def _next(one: Validator) -> Json:
    return {
        "account_id": one.account_id,
        "public_key": one.public_key,
        "stake": str(one.stake),
        "shards": [SHARD],
    }


def stake(one: Validator) -> Json:
    """Return an entry of `EXPERIMENTAL_validators_ordered`."""
    return {
        "validator_stake_struct_version": "V1",
        "account_id": one.account_id,
        "public_key": one.public_key,
        "stake": str(one.stake),
    }


def maintenance_windows(node: "Node", account_id: str) -> list[Json]:
    """Return the heights, from the head to the end of its epoch, at which an account produces nothing."""
    head = node.chain.head
    end = head.epoch_start + node.chain.genesis.epoch_length
    windows = idle_windows(node.chain.head_epoch, account_id, head.height, end)
    return [{"start": start, "end": stop} for start, stop in windows]


def network_info(node: "Node") -> Json:
    """Return the answer to `network_info`."""
    sent, received = node.network.bytes_per_second()
    peers = list(node.network.peers.values())
    return {
        "active_peers": [
            {"id": one.id, "addr": str(one.remote), "account_id": one.account_id} for one in peers
        ],
        "num_active_peers": len(peers),
        "peer_max_count": node.network.max_peers,
        "sent_bytes_per_sec": sent,
        "received_bytes_per_sec": received,
        "known_producers": [
            {"account_id": account, "addr": str(one.remote), "peer_id": one.id}
            for account, one in node.network.known_accounts()
            if node.chain.head_epoch.seat(account) is not None
        ],
    }


def client_config(node: "Node") -> Json:
    """Return the answer to `client_config`: what this process runs with."""
    config, genesis = node.config, node.chain.genesis
    consensus = config.consensus
    raw = config.raw
    updatable = node.reloader.current.values
    return {
        "version": version(),
        "chain_id": genesis.chain_id,
        "rpc_addr": None if config.rpc is None else str(config.rpc.addr),
        **{name: json.dumps(value) for name, value in updatable.items()},
        "block_production_tracking_delay": _pair(0.01),
        "min_block_production_delay": _pair(consensus.min_block_production_delay_s),
        "max_block_production_delay": _pair(consensus.max_block_production_delay_s),
        "max_block_wait_delay": _pair(consensus.max_block_wait_delay_s),
        "skip_sync_wait": config.network.skip_sync_wait,
        "sync_height_threshold": consensus.sync_height_threshold,
        "min_num_peers": consensus.min_num_peers,
        "log_summary_style": raw.get("log_summary_style", "colored"),
        "log_summary_period": _pair(config.log_summary_period_s),
        "produce_empty_blocks": raw.get("consensus", {}).get("produce_empty_blocks", True),
        "epoch_length": genesis.epoch_length,
        "num_block_producer_seats": genesis.config.get("num_block_producer_seats"),
        "ttl_account_id_router": _pair(3600.0),
        "archive": config.archive,
        "save_trie_changes": not config.archive,
        "tracked_shards_config": config.tracked_shards_config,
        "view_client_threads": raw.get("view_client_threads", 4),
        "state_sync_enabled": raw.get("state_sync_enabled", True),
        "tx_routing_height_horizon": raw.get("tx_routing_height_horizon", 4),
        "orphan_state_witness_pool_size": raw.get("orphan_state_witness_pool_size", 25),
    }


def _pair(seconds: float) -> list[int]:
    nanos = round(seconds * 1e9)
    return [nanos // 1_000_000_000, nanos % 1_000_000_000]


def tracks_shard(node: "Node") -> bool:
    """Say whether the node's one shard is tracked: by the settings, or for the key's sake."""
    return node.config.tracked_shards_config != "NoShards" or node.validates
