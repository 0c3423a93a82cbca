"""The agent's metrics: every name is defined here and nowhere else."""

from __future__ import annotations

import contextlib

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info

from hafailover import __version__
from hafailover.core import foreign, gates
from hafailover.core.production import Tally
from hafailover.core.state import Stage, State
from hafailover.core.views import Role
from hafailover.core.work import Counts
from hafailover.guard.protocol import GuardReport
from hafailover.observe.records import Budget

FAST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
SWAP_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 120.0)


class Metrics:
    """What an agent exports. Durations in seconds, heights in blocks."""

    def __init__(self, account_id: str, node: str) -> None:
        self.registry = registry = CollectorRegistry()
        info = Info("hafailover", "The agent's version and whom it serves", registry=registry)
        info.info({"version": __version__, "account_id": account_id, "node": node})
        self.state = Enum(
            "hafailover_state",
            "The host's role in its pool",
            states=[str(role) for role in Role],
            registry=registry,
        )
        self.term = Gauge("hafailover_term", "The term that this host holds; 0 for none", registry=registry)
        self.lease_left = Gauge(
            "hafailover_lease_seconds_left",
            "Until the key is dropped unless another beat succeeds; 0 without a lease",
            registry=registry,
        )
        self.ready = Gauge(
            "hafailover_ready", "1 if this host signs or could take over now", registry=registry
        )
        self.forced = Gauge(
            "hafailover_forced", "1 while this host signs without a lease, by order", registry=registry
        )
        self.foreign_signer = Gauge(
            "hafailover_foreign_signer",
            "1 while the chain shows work of the account that no host of the pool did",
            registry=registry,
        )
        self.duties_due_s = Gauge(
            "hafailover_duties_due_seconds",
            "For how long duties of this host have been due without any being done; 0 if it does not sign",
            registry=registry,
        )
        self.not_producing = Gauge(
            "hafailover_not_producing",
            "1 while this host holds the key and what it signs does not arrive, or no block does, for 15 s",
            registry=registry,
        )
        self.production_known = Gauge(
            "hafailover_production_known",
            "0 while this host signs and its neard has not told for 10 s what comes of it, "
            "or its guard is away; else 1",
            registry=registry,
        )
        self.duties_produced = _by_kind("hafailover_duties_produced", "done since this host signs", registry)
        self.duties_expected = _by_kind("hafailover_duties_expected", "due since this host signs", registry)
        self.epoch_produced = _by_kind(
            "hafailover_epoch_duties_produced", "of the account done in this epoch; 0 if not active", registry
        )
        self.epoch_expected = _by_kind(
            "hafailover_epoch_duties_expected", "of the account due in this epoch; 0 if not active", registry
        )
        self.consul_stuck = Gauge(
            "hafailover_consul_stuck",
            "1 while this host's Consul answers and carries no write out",
            registry=registry,
        )
        self.missable = Gauge(
            "hafailover_missable_duties",
            "Duties that may still be missed in this epoch, by the rule that strikes then; shard: of chunks",
            ["rule", "duty", "shard"],
            registry=registry,
        )
        self.budget_ratio = Gauge(
            "hafailover_budget_ratio",
            "Of what may be missed in this epoch, the part that is left, 0 to 1; only of rules in force",
            ["rule", "duty", "shard"],
            registry=registry,
        )
        self.budget_known = Gauge(
            "hafailover_budget_known",
            "0 while this host's neard does not tell what may still be missed in this epoch, or the protocol "
            "that EarlyKickout goes by; else 1, also without a seat",
            registry=registry,
        )
        self._budget_rows: set[tuple[str, str, str]] = set()
        self.promotions = Counter("hafailover_promotions", "Times this host became active", registry=registry)
        self.demotions = Counter(
            "hafailover_demotions", "Times this host ceased to be active", registry=registry
        )
        self.fences = Counter(
            "hafailover_fences",
            "Times the key was dropped without being asked for, by cause",
            ["cause"],
            registry=registry,
        )
        self.hot_swap = Histogram(
            "hafailover_hot_swap_seconds",
            "From the signal to the confirmed effect, by direction",
            ["direction"],
            buckets=SWAP_BUCKETS,
            registry=registry,
        )
        self.beat = Histogram(
            "hafailover_renew_seconds",
            "How long the beats that prove the lease took",
            buckets=FAST_BUCKETS,
            registry=registry,
        )
        self.neard_restarts = Gauge(
            "hafailover_neard_restarts", "Starts of neard after the guard's first", registry=registry
        )
        self.height = Gauge("hafailover_block_height", "neard's head height", registry=registry)
        self.lag = Gauge("hafailover_lag_blocks", "Blocks behind the pool's other hosts", registry=registry)
        self.peers = Gauge("hafailover_peers", "Peers of neard", registry=registry)
        self.guard_connected = Gauge(
            "hafailover_guard_connected", "1 if the guard is connected", registry=registry
        )
        self.guard_alarm = Gauge(
            "hafailover_guard_alarm",
            "1 once the guard has seen a neard with a key that it had not given to it, until it starts anew",
            registry=registry,
        )
        self.session = Gauge("hafailover_session", "1 with a session with Consul", registry=registry)
        self.state_dir = Gauge(
            "hafailover_state_dir_writable", "1 if the agent can write into its state_dir", registry=registry
        )
        self.paused = Gauge(
            "hafailover_paused", "1 while automatic failover is paused by an operator", registry=registry
        )
        self.drained = Gauge(
            "hafailover_drained", "1 while this host is drained by an operator", registry=registry
        )
        self.last_drill = Gauge(
            "hafailover_last_successful_drill_timestamp_seconds",
            "When the pool's last successful drill ended, in unix time; 0 for never",
            registry=registry,
        )
        self.notifications = Counter(
            "hafailover_notifications",
            "Notifications of this host, by channel and what became of them",
            ["channel", "outcome"],
            registry=registry,
        )
        for cause in ("no proof", "lost"):
            self.fences.labels(cause)
        for direction in ("load", "drop"):
            self.hot_swap.labels(direction)
        self._last_guard: tuple[float | None, float | None] = (None, None)

    def show(self, state: State, lag: int, ready: bool, lease_left_s: float | None) -> None:
        """Sets the gauges from the core's state."""
        self.state.state(str(state.role))
        self.term.set(state.hold.term if state.hold else 0)
        self.lease_left.set(max(0.0, lease_left_s or 0.0))
        self.ready.set(ready)
        self.forced.set(state.forced is not None)
        self.foreign_signer.set(foreign.is_alarm(state))
        undone = foreign.undone(state, state.last_now)
        self.duties_due_s.set(undone[1] if undone is not None else 0.0)
        self._show_production(foreign.production(state, state.last_now) or Tally())
        self.height.set(state.neard.height if state.neard else 0)
        self.lag.set(lag)
        self.peers.set(state.neard.peers or 0 if state.neard else 0)
        self.guard_connected.set(state.guard is not None)
        # A guard that is away takes no alarm back.
        if state.guard is not None:
            self.guard_alarm.set(bool(state.guard.alarm))
        self.session.set(state.session is not None)
        self.paused.set(gates.is_paused(state, state.last_now))
        self.drained.set(gates.is_drained(state))

    def _show_production(self, tally: Tally) -> None:
        # What neard does not tell any more is no cure.
        self.not_producing.set(tally.deaf_since is not None)
        self.production_known.set(tally.unknown_since is None)
        kinds = {"blocks": tally.blocks, "chunks": tally.chunks, "endorsements": tally.endorsements}
        produced, expected = (
            (tally.work.produced, tally.work.expected) if tally.work is not None else (Counts(), Counts())
        )
        for name, kind in kinds.items():
            self.duties_produced.labels(name).set(kind.whole.produced)
            self.duties_expected.labels(name).set(kind.whole.expected)
            self.epoch_produced.labels(name).set(getattr(produced, name))
            self.epoch_expected.labels(name).set(getattr(expected, name))

    def show_budget(self, budget: Budget | None) -> None:
        """Takes what may still be missed; what is not known any more is not shown."""
        rows = budget.rows if budget is not None else []
        shown = {(row.rule, row.duty, "" if row.shard is None else str(row.shard)): row for row in rows}
        in_force = {labels for labels, row in shown.items() if row.in_force}
        for gauge, now in ((self.missable, set(shown)), (self.budget_ratio, in_force)):
            for gone in self._budget_rows - now:
                with contextlib.suppress(KeyError):
                    gauge.remove(*gone)
        self._budget_rows = set(shown)
        for labels, row in shown.items():
            self.missable.labels(*labels).set(row.missable)
            if row.in_force:
                self.budget_ratio.labels(*labels).set(row.ratio)

    def changed(self, before: State, after: State) -> None:
        """Counts what a step of the core has changed."""
        was = before.hold.stage if before.hold else None
        now = after.hold.stage if after.hold else None
        if now is was:
            return
        if now is Stage.ARMED:
            self.promotions.inc()
        if was is Stage.ARMED:
            self.demotions.inc()
        if now is Stage.FENCED:
            self.fences.labels("no proof").inc()
        if now is Stage.LOST and was in (Stage.ARMED, Stage.ARMING):
            self.fences.labels("lost").inc()

    def drill_succeeded(self, at: float) -> None:
        """Takes the end of a drill that succeeded.

        :param at: unix time, in seconds.
        """
        self.last_drill.set(at)

    def expect_notifications(self, channel: str) -> None:
        """Has a channel's counts begin at 0, so that the first failure shows."""
        for outcome in ("sent", "failed", "dropped"):
            self.notifications.labels(channel, outcome)

    def notified(self, channel: str, outcome: str) -> None:
        """Counts what became of a notification: sent, failed, or dropped since too many waited."""
        self.notifications.labels(channel, outcome).inc()

    def guard_report(self, report: GuardReport) -> None:
        """Takes the guard's figures; a duration counts once."""
        self.neard_restarts.set(report.restarts)
        load, drop = self._last_guard
        if report.load_s is not None and report.load_s != load:
            self.hot_swap.labels("load").observe(report.load_s)
        if report.drop_s is not None and report.drop_s != drop:
            self.hot_swap.labels("drop").observe(report.drop_s)
        self._last_guard = (report.load_s, report.drop_s)


def _by_kind(name: str, what: str, registry: CollectorRegistry) -> Gauge:
    """A gauge for blocks, chunks and endorsements, which begin at 0."""
    gauge = Gauge(name, f"Blocks, chunks and endorsements {what}", ["kind"], registry=registry)
    for kind in ("blocks", "chunks", "endorsements"):
        gauge.labels(kind)
    return gauge
