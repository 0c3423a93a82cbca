"""The metrics that rules and dashboard may use, by the job they are scraped from."""

from hafailover.observe.metrics import Metrics
from hafailover.observe.records import Allowance, Budget

# Of nearcore's metrics.rs files, as of release 2.10; made when first set, so a neard may not show them all.
NEARD = {
    "near_block_height_head",
    "near_build_info",
    "near_config_correct",
    "near_is_validator",
    "near_memory_usage_bytes",
    "near_validators_blocks_expected",
    "near_validators_blocks_produced",
    "near_validators_chunk_endorsements_expected_by_shard",
    "near_validators_chunk_endorsements_produced_by_shard",
    "near_validators_chunks_expected",
    "near_validators_chunks_produced",
}

# Seen at Consul 1.8.7 with prometheus_retention_time and disable_hostname; the last two at the leader alone.
CONSUL = {
    "consul_raft_state_candidate",
    "consul_raft_commitTime",
    "consul_autopilot_failure_tolerance",
    "consul_autopilot_healthy",
}

# Of node_exporter 1.x with the collector systemd.
NODE = {
    "node_cpu_seconds_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_systemd_unit_state",
    "node_timex_sync_status",
}


def agents() -> set[str]:
    """The names of the agent's samples, from the agent's own registry."""
    metrics = Metrics("pool.near", "host1")
    metrics.expect_notifications("webhook")
    row = Allowance(
        rule="early_kickout",
        duty="chunks",
        shard=3,
        missed=60,
        missable=39,
        full=99,
        in_force=True,
        out_of_reach=False,
        lost=False,
        low=True,
    )
    metrics.show_budget(
        Budget(epoch_start=1, height=2, blocks_left=3, protocol=87, source="protocol_config", rows=[row])
    )
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}


def every() -> set[str]:
    """All of them."""
    return agents() | NEARD | CONSUL | NODE
