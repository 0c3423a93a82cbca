"""What neard tells in /metrics of the messages between validators, over some time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from hafailover.lab.errors import LabError
from hafailover.lab.netns import NetworkHost, inside

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]

DEADLINE_S = 5.0
APPROVAL_DELAY = "near_block_approval_delay"
"""A block producer's: from the moment that it has all chunks to the one that it has approvals enough, and
may produce by its own delays (nearcore chain/chain/src/doomslug.rs)."""
WITNESS_DELAY = "near_partial_witness_time_to_last_part"
"""From the first part of a state witness to parts enough."""
ENDORSED = "near_block_producer_endorsed_stake_ratio"
"""A block producer's: share of the stake whose endorsements of a chunk it had when it made its block."""
FINE = ((APPROVAL_DELAY, "ms", 1000.0), (WITNESS_DELAY, "ms", 1000.0), (ENDORSED, "%", 100.0))
"""Histograms of which a mean is told, its unit, and by what neard's own is multiplied."""
LATENCY = "near_network_routed_msg_latency"
"""By kind of message and tier that it came over. Its clock counts whole seconds (nearcore
chain/network/src/stats/metrics.rs): a mean over many messages is right, a single one is not."""
HOPS = "near_network_routed_msg_hops"


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of so many observations."""

    value: float
    count: int


def parse(text: str) -> Samples:
    """:raises LabError: it is not Prometheus' text format."""
    try:
        return {
            (sample.name, frozenset(sample.labels.items())): float(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    except ValueError as error:
        raise LabError(f"/metrics is not as Prometheus has it: {error}") from None


def scrape(url: str, network: NetworkHost | None = None) -> Samples:
    """One look at a node's metrics. :param network: the node's, where only that can reach it.

    :raises LabError: it gives no usable answer.
    """

    def read() -> str:
        timeout = urllib3.Timeout(total=DEADLINE_S)
        with urllib3.PoolManager(num_pools=1, retries=False, timeout=timeout) as pool:
            answer = pool.request("GET", f"{url}/metrics")
        if answer.status != 200:
            raise LabError(f"HTTP status {answer.status}")
        return answer.data.decode(errors="replace")

    try:
        text = inside(network, read, 2 * DEADLINE_S)
    except (LabError, OSError, urllib3.exceptions.HTTPError) as error:
        raise LabError(f"{url}/metrics: {error}") from None
    return parse(text)


def mean(before: Samples, after: Samples, name: str, **labels: str) -> Mean | None:
    """Of a histogram's observations between two looks; ``None`` where there was none.

    :param labels: only of series with these.
    """
    total = _difference(before, after, f"{name}_sum", labels)
    count = _difference(before, after, f"{name}_count", labels)
    return Mean(total / count, round(count)) if count > 0 else None


def mean_hops(before: Samples, after: Samples, kind: str) -> Mean | None:
    """Of messages of that kind, nodes between sender and receiver as neard counts them."""
    total = count = 0.0
    for (sample, series), value in after.items():
        given = dict(series)
        if sample.removesuffix("_total") != HOPS or given.get("routed") != kind or "hops" not in given:
            continue
        more = value - before.get((sample, series), 0.0)
        total += more * float(given["hops"])
        count += more
    return Mean(total / count, round(count)) if count > 0 else None


def kinds(after: Samples) -> list[str]:
    """The kinds of routed messages that came, by neard's names."""
    names = {dict(series).get("routed", "") for (sample, series) in after if sample == f"{LATENCY}_count"}
    return sorted(names - {""})


def tiers(before: Samples, after: Samples, kind: str) -> dict[str, int]:
    """How many messages of that kind came over which tier."""
    found: dict[str, int] = {}
    for (sample, series), value in after.items():
        given = dict(series)
        if sample == f"{LATENCY}_count" and given.get("routed") == kind:
            more = round(value - before.get((sample, series), 0.0))
            tier = given.get("tier", "?")
            found[tier] = found.get(tier, 0) + more
    return {tier: count for tier, count in sorted(found.items()) if count}


def _difference(before: Samples, after: Samples, name: str, labels: Mapping[str, str]) -> float:
    wanted = set(labels.items())
    found = [key for key in after if key[0] == name and wanted <= key[1]]
    return sum(after[key] - before.get(key, 0.0) for key in found)
