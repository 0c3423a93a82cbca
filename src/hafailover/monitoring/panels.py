"""What the dashboard shows: sections of panels, each with its queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# A host's series belong to the chosen pool if its agent says so; `instance` is the same in all jobs.
POOL = 'on (instance) group_left () hafailover_info{account_id="$account"}'
OWN = '{account_id="$account"}'
FIRING = 'ALERTS{alertname=~"Hafailover.*", alertstate="firing"}'
DISKS = '{fstype!~"tmpfs|ramfs|squashfs|overlay|vfat"}'
ROLE_COLOURS = {
    "active": "green",
    "standby": "blue",
    "drained": "purple",
    "promoting": "yellow",
    "demoting": "yellow",
    "syncing": "orange",
    "starting": "orange",
    "fenced": "red",
    "forced": "dark-red",
}


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and the text of its legend."""

    expression: str
    legend: str = "{{instance}}"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. Sizes in Grafana's grid: 24 columns; a row is 30 pixels high."""

    title: str
    queries: Sequence[Query]
    description: str = ""
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 7
    minimum: float | None = 0
    steps: Sequence[tuple[float | None, str]] = ((None, "green"),)
    """From which value on which colour is shown; the first one counts from minus infinity."""
    mappings: Sequence[dict[str, Any]] = field(default_factory=tuple)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """A headline and the panels below it."""

    title: str
    panels: Sequence[Panel]


def _value_names(names: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Grafana's mapping of values to a text and a colour."""
    options = {
        value: {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(names.items())
    }
    return [{"type": "value", "options": options}]


STAT = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "none"}
NAMED = {**STAT, "textMode": "name"}

SECTIONS = (
    Section(
        "The pool",
        (
            Panel(
                "Active hosts",
                [Query(f'sum(hafailover_state{{hafailover_state="active"}} * {POOL})', "active")],
                "Of the hosts scraped here. One is right; two for one scrape are a switchover.",
                kind="stat",
                width=4,
                height=5,
                steps=((None, "red"), (1, "green"), (2, "red")),
                options=STAT,
            ),
            Panel(
                "Active",
                [Query(f'(hafailover_state{{hafailover_state="active"}} * {POOL}) == 1')],
                kind="stat",
                width=4,
                height=5,
                options=NAMED,
            ),
            Panel(
                "Ready hosts",
                [Query(f"sum(hafailover_ready * {POOL})", "ready")],
                "The active counts, so below two nothing would take over.",
                kind="stat",
                width=4,
                height=5,
                steps=((None, "red"), (1, "orange"), (2, "green")),
                options=STAT,
            ),
            Panel(
                "Firing alerts",
                [
                    Query(
                        'count(ALERTS{alertname=~"Hafailover.*", alertstate="firing"}) or vector(0)', "alerts"
                    )
                ],
                "Of all pools in this Prometheus.",
                kind="stat",
                width=4,
                height=5,
                steps=((None, "green"), (1, "red")),
                options=STAT,
            ),
            Panel(
                "Alerts",
                [Query(FIRING, "{{severity}}: {{alertname}} {{instance}}")],
                kind="stat",
                height=5,
                steps=((None, "red"),),
                options={**NAMED, "orientation": "horizontal"},
            ),
            Panel(
                "Roles",
                [
                    Query(
                        f'(hafailover_state{{hafailover_state="{role}"}} * {POOL}) == 1',
                        f"{{{{instance}}}} {role}",
                    )
                    for role in ROLE_COLOURS
                ],
                kind="state-timeline",
                width=24,
                height=8,
                options={"mergeValues": True, "showValue": "never", "rowHeight": 0.8},
            ),
        ),
    ),
    Section(
        "The lease",
        (
            Panel(
                "Left of the lease",
                [Query(f"hafailover_lease_seconds_left * {POOL}")],
                "Until the active drops its key unless another beat succeeds.",
                unit="s",
            ),
            Panel(
                "Length of a beat",
                [
                    Query(
                        f"histogram_quantile({quantile}, sum by (instance, le) "
                        f"(rate(hafailover_renew_seconds_bucket[$__rate_interval]) * {POOL}))",
                        f"{{{{instance}}}} {name}",
                    )
                    for quantile, name in ((0.5, "median"), (0.99, "99 %"))
                ],
                "Each one goes through Consul's consensus.",
                unit="s",
            ),
            Panel(
                "Promotions, demotions and fences",
                [
                    Query(f"increase(hafailover_promotions_total[5m]) * {POOL}", "{{instance}} promoted"),
                    Query(f"increase(hafailover_demotions_total[5m]) * {POOL}", "{{instance}} demoted"),
                    Query(f"increase(hafailover_fences_total[5m]) * {POOL}", "{{instance}} {{cause}}"),
                ],
                "Within 5 minutes.",
            ),
            Panel(
                "Notifications",
                [
                    Query(
                        "sum by (instance, channel, outcome) (increase(hafailover_notifications_total[1h]))",
                        "{{instance}} {{channel}} {{outcome}}",
                    )
                ],
                "Within an hour: sent, failed after all tries, or dropped since too many waited.",
            ),
            Panel(
                "Loading and dropping the key",
                [
                    Query(
                        "sum by (instance, direction) (increase(hafailover_hot_swap_seconds_sum[1h])) / "
                        "sum by (instance, direction) (increase(hafailover_hot_swap_seconds_count[1h])) "
                        f"* {POOL}",
                        "{{instance}} {{direction}}",
                    )
                ],
                "From the signal to the confirmed effect; mean of the last hour.",
                unit="s",
            ),
            Panel(
                "Guard, session and state folder",
                [
                    Query(f"hafailover_guard_connected * {POOL}", "{{instance}} guard"),
                    Query(f"hafailover_session * {POOL}", "{{instance}} session"),
                    Query(f"1 - hafailover_consul_stuck * {POOL}", "{{instance}} Consul commits"),
                    Query(f"hafailover_state_dir_writable * {POOL}", "{{instance}} state folder"),
                    Query(f"1 - hafailover_guard_alarm * {POOL}", "{{instance}} no alarm of the guard"),
                ],
                kind="state-timeline",
                mappings=_value_names({"1": ("yes", "green"), "0": ("no", "red")}),
                options={"mergeValues": True, "showValue": "never"},
            ),
            Panel(
                "Orders in force",
                [
                    Query(f"hafailover_paused * {POOL}", "{{instance}} paused"),
                    Query(f"hafailover_forced * {POOL}", "{{instance}} signs without a lease"),
                    Query(f"hafailover_drained * {POOL}", "{{instance}} drained"),
                ],
                "Given by an operator: automatic failover paused, host drained.",
                kind="state-timeline",
                mappings=_value_names({"1": ("yes", "orange"), "0": ("no", "green")}),
                options={"mergeValues": True, "showValue": "never"},
            ),
            Panel(
                "Somebody else signs",
                [Query(f"hafailover_foreign_signer * {POOL}")],
                "The chain shows work of the account that no host of the pool did.",
                kind="state-timeline",
                mappings=_value_names({"1": ("yes", "red"), "0": ("no", "green")}),
                options={"mergeValues": True, "showValue": "never"},
            ),
            Panel(
                "Duties due and not done",
                [Query(f"hafailover_duties_due_seconds * {POOL}")],
                "For how long the active has done none of its duties, by the chain's counts.",
                unit="s",
            ),
            Panel(
                "Holds the key and does not produce",
                [Query(f"hafailover_not_producing * {POOL}")],
                "Little or none of what the active signs gets into the chain.",
                kind="state-timeline",
                mappings=_value_names({"1": ("yes", "red"), "0": ("no", "green")}),
                options={"mergeValues": True, "showValue": "never"},
            ),
            Panel(
                "Whether it produces is known",
                [Query(f"hafailover_production_known * {POOL}")],
                "No, where the active's neard does not tell what comes of what it signs.",
                kind="state-timeline",
                mappings=_value_names({"1": ("yes", "green"), "0": ("no", "orange")}),
                options={"mergeValues": True, "showValue": "never"},
            ),
            Panel(
                "Duties done since the change of signer",
                [
                    Query(
                        f"hafailover_duties_produced / (hafailover_duties_expected > 0) * {POOL}",
                        "{{instance}} {{kind}}",
                    )
                ],
                "Of the blocks, chunks and endorsements that were due since the active got the key.",
                unit="percentunit",
            ),
            Panel(
                "Duties done in this epoch",
                [
                    Query(
                        f"hafailover_epoch_duties_produced / (hafailover_epoch_duties_expected > 0) * {POOL}",
                        "{{kind}}",
                    )
                ],
                "Of the account's blocks, chunks and endorsements, by the active's neard.",
                unit="percentunit",
            ),
            Panel(
                "Left of what may be missed",
                [
                    Query(
                        f"min by (rule, duty, shard) (hafailover_budget_ratio * {POOL})",
                        "{{rule}} {{duty}} {{shard}}",
                    )
                ],
                "In this epoch: early_kickout takes the chunks of a shard, seat the validator's seat.",
                unit="percentunit",
                steps=((None, "red"), (0.5, "green")),
            ),
            Panel(
                "Duties that may still be missed",
                [
                    Query(
                        f"min by (rule, duty, shard) (hafailover_missable_duties * {POOL})",
                        "{{rule}} {{duty}} {{shard}}",
                    )
                ],
                "In a row, in this epoch; EarlyKickout is in force from protocol 87 on.",
            ),
            Panel(
                "What may still be missed is known",
                [Query(f"hafailover_budget_known * {POOL}")],
                "No, where the host's neard does not tell it, or the protocol that EarlyKickout goes by.",
                kind="state-timeline",
                mappings=_value_names({"1": ("yes", "green"), "0": ("no", "orange")}),
                options={"mergeValues": True, "showValue": "never"},
            ),
            Panel(
                "Since the last drill",
                [
                    Query(
                        f"time() - max((hafailover_last_successful_drill_timestamp_seconds > 0) * {POOL})",
                        "drill",
                    )
                ],
                "Since one succeeded; empty if none ever did.",
                kind="stat",
                unit="s",
                steps=((None, "green"), (35 * 86400, "orange")),
                options=STAT,
            ),
            Panel(
                "Term",
                [Query(f"hafailover_term * {POOL}")],
                "The term that a host holds; 0 for none. It only ever grows.",
            ),
        ),
    ),
    Section(
        "The chain",
        (
            Panel(
                "Missed in this epoch",
                [
                    Query(
                        f"max(near_validators_{unit}_expected{OWN} - near_validators_{unit}_produced{OWN})",
                        unit,
                    )
                    for unit in ("blocks", "chunks")
                ],
                "As the chain counts it.",
            ),
            Panel(
                "Endorsements in this epoch",
                [
                    Query(
                        "max("
                        f"sum by (instance) (near_validators_chunk_endorsements_produced_by_shard{OWN})"
                        f" / sum by (instance) (near_validators_chunk_endorsements_expected_by_shard{OWN})"
                        ")",
                        "endorsed",
                    )
                ],
                "Below 70 % of an epoch a validator of chunks alone is removed.",
                unit="percentunit",
            ),
            Panel(
                "Validating",
                [Query(f"near_is_validator * {POOL}")],
                "Which neard has a key of this epoch loaded, by its own word.",
                kind="state-timeline",
                mappings=_value_names({"1": ("yes", "green"), "0": ("no", "blue")}),
                options={"mergeValues": True, "showValue": "never"},
            ),
            Panel("Height", [Query(f"hafailover_block_height * {POOL}")], minimum=None),
            Panel("Behind the others", [Query(f"hafailover_lag_blocks * {POOL}")], "In blocks."),
            Panel("Peers", [Query(f"hafailover_peers * {POOL}")]),
            Panel(
                "Blocks a minute",
                [Query(f"60 * deriv(near_block_height_head[1m]) * {POOL}")],
                "How fast neard's head moves.",
            ),
            Panel("Starts of neard after the first", [Query(f"hafailover_neard_restarts * {POOL}")]),
            Panel(
                "Versions",
                [
                    Query(f"hafailover_info{OWN}", "{{instance}} hafailover {{version}}"),
                    Query(f"near_build_info * {POOL}", "{{instance}} neard {{release}}"),
                ],
                kind="stat",
                options={**NAMED, "orientation": "horizontal"},
            ),
            Panel("Memory of neard", [Query(f"near_memory_usage_bytes * {POOL}")], unit="bytes"),
        ),
    ),
    Section(
        "Consul and the machines",
        (
            Panel(
                "Candidacies of Consul's servers",
                [Query("increase(consul_raft_state_candidate[1m])")],
                "Within a minute. One or two are an election, more say that there is no majority.",
            ),
            Panel(
                "Consul's commit",
                [Query('consul_raft_commitTime{quantile="0.99"}')],
                "How long the leader needs for an entry, 99 %.",
                unit="ms",
            ),
            Panel(
                "Servers that Consul can lose",
                [Query("max(consul_autopilot_failure_tolerance)", "servers")],
                kind="stat",
                steps=((None, "orange"), (1, "green")),
                options=STAT,
            ),
            Panel(
                "CPU",
                [
                    Query(
                        '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))'
                    )
                ],
                unit="percentunit",
            ),
            Panel(
                "Memory",
                [Query("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes")],
                unit="percentunit",
            ),
            Panel(
                "Disk",
                [
                    Query(
                        f"1 - node_filesystem_avail_bytes{DISKS} / node_filesystem_size_bytes{DISKS}",
                        "{{instance}} {{mountpoint}}",
                    )
                ],
                unit="percentunit",
            ),
        ),
    ),
)
