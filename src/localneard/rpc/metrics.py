"""neard's metrics, by neard's names, made when they are asked for.

Those of the second group are of the last summary, as in neard: they lag by up to `log_summary_period`.
"""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from localneard import BUILD, DB_VERSION, PROTOCOL_VERSION, RELEASE
from localneard.rpc.views import SHARD, tracks_shard

if TYPE_CHECKING:
    from localneard.node import Node

_SHARD_LABEL = str(SHARD)
_SYNC_REQUIREMENTS = ("SyncNeeded", "AlreadyCaughtUp", "NoPeers")


def metrics_text(node: "Node") -> bytes:
    """Return all metrics in Prometheus' text form."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(node))
    return generate_latest(registry)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


class _Collector:
    def __init__(self, node: "Node") -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        yield from self._chain()
        yield from self._epoch()
        yield from self._network()
        yield from self._config()
        yield from self._process()

    def _chain(self) -> Iterator[Metric]:
        node, head = self._node, self._node.chain.head
        yield _gauge("near_block_height_head", "Height of the current head", head.height)
        yield _gauge("near_header_head_height", "Height of the header head", head.height)
        final = node.chain.final
        yield _gauge("near_final_block_height", "Height of the last final block", final.height)
        near_final = node.chain.parent(head)
        yield _gauge("near_final_doomslug_block_height", "Height of the last block", near_final.height)
        yield _gauge("near_tail_height", "Height of the first block kept", node.chain.genesis.height)
        yield _gauge("near_largest_final_height", "Largest final height", final.height)
        yield _gauge("near_sync_status", "Sync state by its number", node.sync.status.value)
        needs = GaugeMetricFamily("near_sync_requirements_current", "What is needed now", labels=["state"])
        for state in _SYNC_REQUIREMENTS:
            needs.add_metric([state], float(state == node.sync.requirement))
        yield needs
        yield _counter("near_block_produced", "Blocks that this process has produced", node.producer.produced)
        yield _counter(
            "near_chunk_produced", "Chunks that this process has produced", node.duties.chunks_made
        )
        tracked = GaugeMetricFamily("near_client_tracked_shards", "Tracked shards", labels=["shard_id"])
        tracked.add_metric([_SHARD_LABEL], float(tracks_shard(node)))
        yield tracked
        doubles = node.double_signs.heights
        yield _counter("localneard_double_signed_heights", "Heights with two blocks by one signer", doubles)

    def _epoch(self) -> Iterator[Metric]:
        figures = self._node.summary.figures
        yield _gauge("near_is_validator", "Whether the node validates", figures.is_validator)
        yield _gauge("near_is_block_producer", "Whether the node produces blocks", figures.is_validator)
        chunks = GaugeMetricFamily("near_is_chunk_producer_for_shard", "Chunk producer", labels=["shard_id"])
        chunks.add_metric([_SHARD_LABEL], figures.is_validator)
        yield chunks
        result = figures.result
        if result is None:
            return
        yield _gauge("near_epoch_height", "Number of the epoch", result.epoch.number)
        yield _gauge("near_final_block_height_in_epoch", "Start of the epoch", result.start)
        for kind in ("block_producers", "chunk_producers", "chunk_validators"):
            yield _gauge(f"near_validator_{kind}_total", "Seats in the epoch", figures.seats)
        for place, (unit, what) in enumerate(
            itertools.product(("blocks", "chunks"), ("produced", "expected"))
        ):
            name = f"near_validators_{unit}_{what}"
            family = GaugeMetricFamily(name, f"{unit} {what} in this epoch", labels=["account_id"])
            for account, count in result.counts.items():
                family.add_metric([account], count[place])
            yield family
        for place, what in ((4, "produced"), (5, "expected")):
            name = f"near_validators_chunk_endorsements_{what}_by_shard"
            text = f"endorsements {what} in this epoch"
            family = GaugeMetricFamily(name, text, labels=["account_id", "shard_id"])
            for account, count in result.counts.items():
                family.add_metric([account, _SHARD_LABEL], count[place])
            yield family

    def _network(self) -> Iterator[Metric]:
        peers = list(self._node.network.peers.values())
        yield _gauge("near_peer_connections_total", "Connected peers", len(peers))
        family = GaugeMetricFamily("near_peer_connections", "Connected peers", labels=["tier", "peer_type"])
        tier1 = self._node.tier1
        for tier, of_tier in (("T1", list(tier1.by_peer.values())), ("T2", peers)):
            outbound = sum(peer.dialed for peer in of_tier)
            family.add_metric([tier, "Outbound"], outbound)
            family.add_metric([tier, "Inbound"], len(of_tier) - outbound)
        yield family
        text = "Second connections for one validator key that were refused"
        yield _counter("near_already_connected_account", text, tier1.refused_accounts)
        lookups = CounterMetricFamily("near_account_to_peer_lookups", "Accounts looked up", labels=["source"])
        lookups.add_metric(["AccountData"], self._node.router.lookups)
        yield lookups
        yield _gauge("near_peer_reachable", "Peers that can be reached", len(peers))

    def _config(self) -> Iterator[Metric]:
        reloader = self._node.reloader
        yield _counter("near_config_reloads", "Times that the configuration was loaded", reloader.reloads)
        text = "When the configuration was loaded last"
        yield _gauge("near_config_reload_timestamp_seconds", text, int(reloader.reload_timestamp))
        yield _gauge("near_config_correct", "Whether it was good when read last", reloader.config_correct)
        family = GaugeMetricFamily(
            "near_config_mutable_field",
            "Fields that can change while the node runs",
            labels=["field_name", "timestamp", "value"],
        )
        now = reloader.current.shown()
        for name, values in reloader.seen.items():
            for value in values:
                family.add_metric([name, str(reloader.started), value], float(value == now[name]))
        yield family

    def _process(self) -> Iterator[Metric]:
        figures = self._node.summary.figures
        build = GaugeMetricFamily("near_build_info", "Build", labels=["release", "build", "rustc_version"])
        build.add_metric([RELEASE, BUILD, "none"], 1)
        yield build
        yield _gauge("near_node_protocol_version", "Protocol version", PROTOCOL_VERSION)
        yield _gauge("near_current_protocol_version", "Protocol version of the epoch", PROTOCOL_VERSION)
        yield _gauge("near_node_db_version", "Database version", DB_VERSION)
        yield _gauge("near_boot_time_seconds", "Start of the process", int(figures.boot_time_s))
        yield _gauge("near_cpu_usage_ratio", "CPU use", figures.cpu_ratio)
        yield _gauge("near_memory_usage_bytes", "Resident memory", figures.memory_bytes)
