"""config.json as neard writes it, with its defaults (nearcore/src/config.rs and what that refers to)."""

from typing import Any

GIB = 1 << 30


def duration(seconds: float) -> dict[str, int]:
    """Return a duration as neard's configuration writes it."""
    nanos = round(seconds * 1_000_000_000)
    return {"secs": nanos // 1_000_000_000, "nanos": nanos % 1_000_000_000}


def default_config() -> dict[str, Any]:
    """Return a whole config.json with neard's defaults; every key that the stand-in knows is in it."""
    return {
        "genesis_file": "genesis.json",
        "genesis_records_file": None,
        "validator_key_file": "validator_key.json",
        "node_key_file": "node_key.json",
        "rpc": _rpc(),
        "telemetry": {"endpoints": [], "reporting_interval": duration(10)},
        "network": _network(),
        "consensus": _consensus(),
        "tracked_shards_config": "AllShards",
        "archive": False,
        "cloud_archival_writer": None,
        "save_trie_changes": None,
        "save_tx_outcomes": None,
        "save_state_changes": None,
        "save_untracked_partial_chunks_parts": None,
        "log_summary_style": "colored",
        "log_summary_period": duration(10),
        "enable_multiline_logging": True,
        "gc": {
            "gc_blocks_limit": 2,
            "gc_fork_clean_step": 100,
            "gc_num_epochs_to_keep": 5,
            "gc_step_period": duration(0.5),
        },
        "view_client_threads": 4,
        "view_client_throttle_period": duration(30),
        "trie_viewer_state_size_limit": 50000,
        "max_gas_burnt_view": None,
        "store": _store(),
        "cold_store": None,
        "split_storage": None,
        "expected_shutdown": None,
        "state_sync": None,
        "epoch_sync": {
            "disable_epoch_sync_for_bootstrapping": False,
            "epoch_sync_horizon": 216000,
            "timeout_for_epoch_sync": duration(60),
        },
        "state_sync_enabled": True,
        "transaction_pool_size_limit": 100000000,
        "enable_statistics_export": True,
        "resharding_config": {
            "batch_size": 500000,
            "batch_delay": duration(0.1),
            "retry_delay": duration(10),
            "initial_delay": duration(0),
            "max_poll_time": duration(7200),
            "catch_up_blocks": 50,
        },
        "tx_routing_height_horizon": 4,
        "produce_chunk_add_transactions_time_limit": duration(0.2),
        "chunk_distribution_network": None,
        "orphan_state_witness_pool_size": 25,
        "orphan_state_witness_max_size": 40000000,
        "max_loaded_contracts": 768,
        "save_latest_witnesses": False,
        "transaction_request_handler_threads": 4,
        "protocol_version_check": "Next",
    }


# Keys that neard takes and does not write.
KNOWN_BESIDES = {
    "tracked_shards",
    "tracked_shard_schedule",
    "tracked_shadow_validator",
    "tracked_accounts",
    "rosetta_rpc",
    "contract_cache_path",
    "network.experimental",
    "network.snapshot_hosts",
    "store.column_cache_size",
}


def _rpc() -> dict[str, Any]:
    return {
        "addr": "0.0.0.0:3030",
        "prometheus_addr": None,
        "cors_allowed_origins": ["*"],
        "polling_config": {"polling_interval": duration(0.2), "polling_timeout": duration(10)},
        "limits_config": {"json_payload_max_size": 10485760},
        "enable_debug_rpc": False,
        "experimental_debug_pages_src_path": None,
    }


def _network() -> dict[str, Any]:
    return {
        "addr": "0.0.0.0:24567",
        "boot_nodes": "",
        "whitelist_nodes": "",
        "max_num_peers": 40,
        "minimum_outbound_peers": 5,
        "ideal_connections_lo": 30,
        "ideal_connections_hi": 35,
        "peer_recent_time_window": duration(600),
        "safe_set_size": 20,
        "archival_peer_connections_lower_bound": 10,
        "handshake_timeout": duration(20),
        "skip_sync_wait": False,
        "peer_states_cache_size": 1000,
        "snapshot_hosts_cache_size": 1000,
        "ban_window": duration(10800),
        "blacklist": [],
        "ttl_account_id_router": duration(3600),
        "peer_stats_period": duration(5),
        "monitor_peers_max_period": duration(60),
        "received_messages_rate_limits": {},
        "peer_expiration_duration": duration(604800),
        "public_addrs": [],
        "allow_private_ip_in_public_addrs": False,
        "trusted_stun_servers": [
            "stun.l.google.com:19302",
            "stun1.l.google.com:19302",
            "stun2.l.google.com:19302",
            "stun3.l.google.com:19302",
            "stun4.l.google.com:19302",
        ],
        "tier1": {
            "connect_interval": duration(60),
            "new_connections_per_attempt": 50,
            "advertise_proxies_interval": duration(900),
            "enable_inbound": True,
            "enable_outbound": True,
        },
    }


def _consensus() -> dict[str, Any]:
    return {
        "min_num_peers": 3,
        "block_production_tracking_delay": duration(0.01),
        "min_block_production_delay": duration(0.6),
        "max_block_production_delay": duration(2),
        "max_block_wait_delay": duration(6),
        "produce_empty_blocks": True,
        "block_fetch_horizon": 50,
        "block_header_fetch_horizon": 50,
        "catchup_step_period": duration(0.1),
        "chunk_request_retry_period": duration(0.4),
        "header_sync_initial_timeout": duration(10),
        "header_sync_progress_timeout": duration(2),
        "header_sync_stall_ban_timeout": duration(120),
        "header_sync_expected_height_per_second": 10,
        "state_sync_external_timeout": duration(60),
        "state_sync_p2p_timeout": duration(10),
        "state_sync_retry_backoff": duration(1),
        "state_sync_external_backoff": duration(60),
        "sync_check_period": duration(10),
        "sync_step_period": duration(0.01),
        "doomslug_step_period": duration(0.01),
        "sync_height_threshold": 1,
        "sync_max_block_requests": 10,
    }


def _store() -> dict[str, Any]:
    return {
        "path": None,
        "enable_statistics": False,
        "enable_statistics_export": True,
        "max_open_files": 10000,
        "col_state_cache_size": GIB // 2,
        "col_flat_state_cache_size": GIB // 8,
        "block_size": 16384,
        "trie_cache": {},
        "view_trie_cache": {},
        "enable_receipt_prefetching": True,
        "sweat_prefetch_receivers": [],
        "sweat_prefetch_senders": [],
        "load_mem_tries_for_shards": [],
        "load_mem_tries_for_tracked_shards": False,
        "migration_snapshot": True,
        "state_snapshot_config": {"state_snapshot_type": "Enabled"},
    }
