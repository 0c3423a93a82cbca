"""The agent: one queue of events, one thread that decides, and threads that do."""

from __future__ import annotations

import logging
import os
import queue
import re
import signal
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hafailover import __version__
from hafailover.agent.advice import warn_of_consul
from hafailover.agent.budget_watch import BudgetWatch
from hafailover.agent.chores import Chores
from hafailover.agent.commits import CommitWatch
from hafailover.agent.cost_watch import CostWatch
from hafailover.agent.disk import DiskWatch
from hafailover.agent.first_term import FirstTermDesk
from hafailover.agent.hand import Hand
from hafailover.agent.identity import SessionNote
from hafailover.agent.keeper import SessionKeeper
from hafailover.agent.lease_worker import LeaseWorker
from hafailover.agent.neard_watch import NeardWatch
from hafailover.agent.news import News
from hafailover.agent.production_news import ProductionNews
from hafailover.agent.reload import Reloader, done, reconfigured
from hafailover.agent.state_watch import StateWatch
from hafailover.agent.status_line import StatusLine
from hafailover.agent.takeover import TakeoverDesk
from hafailover.agent.watchers import WAIT_S, LeaseEyes
from hafailover.agent.work_watch import WorkWatch
from hafailover.clock import boottime
from hafailover.config.settings import Settings
from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core import foreign, gates
from hafailover.core.decide import decide, initial, next_wake
from hafailover.core.state import Config, Stage, State
from hafailover.core.views import Orders
from hafailover.guard.protocol import GuardReport, order_of
from hafailover.local import start as local
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulLease, ConsulWatch
from hafailover.lock.roster import RequestWatch, Roster, whom_to_stop_in
from hafailover.log import fields, remember
from hafailover.log_writer import flush
from hafailover.near import routing
from hafailover.near.rpc import NeardRpc
from hafailover.notify.notice import Notice
from hafailover.observe import production
from hafailover.observe.budget import scarce_text
from hafailover.observe.cost import Cost, due, plain
from hafailover.observe.health import Answer, healthz, is_ready, readyz
from hafailover.observe.metrics import Metrics
from hafailover.observe.records import NodeRecord, TermRecord
from hafailover.orders.clock import PauseClock
from hafailover.orders.desk import OrdersWatch
from hafailover.orders.documents import OrderBook
from hafailover.orders.planner import Planner, Standing
from hafailover.sdnotify import announce, notify, watchdog_interval_s
from hafailover.takeover.documents import Files
from hafailover.takeover.first_term import FirstTermFile
from hafailover.takeover.silence import Probe
from hafailover.web.site import Sources
from hafailover.web.start import serve

log = logging.getLogger("hafailover.agent")

ROSTER_DEADLINE_S = 1.0
MOST_TOLD = 500
"""Characters of a guard's text in the host's record."""
EXIT_NAME_TAKEN = 3
LAST_LINES_S = 0.2
"""How long a drill that kills this process waits for its last lines, and for its last command."""
RESTART_ARM_S = 180.0
"""With promotion = restart: from neard's stop until it answers with the key."""


class Agent:
    """Wires the core to the world.

    :param open_rpc: connects with this host's neard.
    :param open_patient_rpc: the same for threads that nothing waits for, which ask for its largest answers.
    :param read_settings: reads the settings again; raises ``ConfigError``.
    """

    def __init__(
        self,
        settings: Settings,
        address: Address,
        state: SessionNote,
        open_rpc: Callable[[], NeardRpc],
        open_patient_rpc: Callable[[], NeardRpc],
        read_settings: Callable[[], Settings],
    ) -> None:
        self._settings = settings
        self._address = address
        # Signal handlers put into it, too, so it must be one whose put() may interrupt its get().
        self._queue: queue.SimpleQueue[ev.Event | None] = queue.SimpleQueue()
        self._exit_code = 0
        self._agent_id = uuid.uuid4().hex
        node, account, profile = settings.node_name, settings.account_id, settings.profile
        self._state = initial(_core_config(settings), boottime())
        self._without_session_since = boottime()
        self.metrics = Metrics(account, node)
        self._news = News(settings, self.metrics, self._record_production)
        self._hand = Hand(settings.guard_socket, self.emit, self._guard_reported)
        self._neard = NeardWatch(open_rpc, account, self.emit)
        self._work_watch = WorkWatch(open_patient_rpc, account, self.emit)
        self._lease = LeaseWorker(ConsulLease(address, account, node, profile), self.emit, self._beat_took)
        self._keeper = SessionKeeper(
            ConsulLease(address, account, node, profile),
            Roster(address, account, ROSTER_DEADLINE_S),
            state,
            node,
            self._agent_id,
            profile,
            self.emit,
            self._fatal,
        )
        self._chores = Chores(
            ConsulLease(address, account, node, profile),
            Roster(address, account, ROSTER_DEADLINE_S),
            node,
            self.record,
            self.emit,
        )
        self._eyes = LeaseEyes(
            lambda: ConsulWatch(address, account, WAIT_S),
            lambda: RequestWatch(address, account, WAIT_S),
            lambda: OrdersWatch(address, account, WAIT_S),
            self._see_orders,
            self.emit,
        )
        self._pause_clock = PauseClock()
        self._cost = CostWatch(open_patient_rpc, account, self._cost_measured)
        self._budget = BudgetWatch(open_patient_rpc, account, self.emit)
        self._disk = DiskWatch(settings.neard.home)
        self._state_dir = StateWatch(settings.state_dir, f"{account}-{node}")
        self._planner = Planner(address, account, open_rpc, self._standing, node, self._perform_drill)
        self._reloader = Reloader(settings, read_settings, self.emit, address.token)
        self._takeover = TakeoverDesk(
            Files(settings.state_dir, account, node), lambda: Probe(address, account, node), self.emit
        )
        self._commits = CommitWatch(
            lambda: Probe(address, account, node, profile.call_deadline_s),
            lambda: whom_to_stop_in(address, account),
            self.emit,
        )
        self._first_term = FirstTermDesk(FirstTermFile(settings.state_dir, account, node), self.emit)
        self._said = ""
        self._status_line = StatusLine()
        self._production_news = ProductionNews(settings.node_name, settings.neard.validator_routing)
        self._last_beat: tuple[float, float] | None = None
        self._looked_at_consul = False

    def emit(self, event: ev.Event) -> None:
        """Takes an event from any thread."""
        self._queue.put(event)

    def run(self) -> int:
        """Works until SIGTERM or SIGINT; the exit code. What the guard was granted stays as it is."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._queue.put(None))
        signal.signal(signal.SIGHUP, lambda *_: self._reloader.ask())
        server = serve(self._settings, self._address, self._sources())
        log.info(
            "agent %s %s for %s, timing %s, status page and metrics on %s",
            self._settings.node_name,
            __version__,
            self._settings.account_id,
            self._settings.timing.profile,
            server.url,
        )
        local.serve(self._settings, self._address, self._newest_beat, self.record)
        parts = (self._hand, self._neard, self._lease, self._keeper, self._chores, self._planner, self._eyes)
        others = (self._cost, self._disk, self._reloader, self._news, self._takeover, self._commits)
        for part in (*parts, *others, self._work_watch, self._first_term):
            part.start()
        self._budget.start()
        self._state_dir.start()
        announce("READY=1")
        self._work()
        notify("STOPPING=1")
        self._news.stop()
        server.stop()
        return self._exit_code

    def _work(self) -> None:
        interval = watchdog_interval_s()
        patted_at = 0.0
        while True:
            now = boottime()
            if interval is not None and now - patted_at >= interval:
                notify("WATCHDOG=1")
                patted_at = now
            try:
                event = self._queue.get(timeout=max(0.001, next_wake(self._state, now) - now))
            except queue.Empty:
                event = ev.Tick()
            if event is None:
                log.info("stopping; the guard keeps what it was granted")
                return
            self._take(event)

    def _take(self, event: ev.Event) -> None:
        before = self._state
        decision = decide(before, event, boottime())
        self._state = decision.state
        remember(role=str(self._state.role), term=self._state.hold.term if self._state.hold else None)
        for effect in decision.effects:
            self._perform(effect)
        self.metrics.changed(before, self._state)
        self._news.step(before, self._state, decision.effects)
        if before.session != self._state.session:
            self._without_session_since = boottime()
            self._session_changed(before.session, self._state.session)
        self._say(before)
        self._tell(before)
        if isinstance(event, ev.Reconfigured):
            self._chores.touch()
            done()

    def _session_changed(self, before: str | None, after: str | None) -> None:
        self._chores.use_session(after)
        if after is not None:
            if before is None:
                self._chores.touch()
                if not self._looked_at_consul:
                    self._looked_at_consul = True
                    self._chores.once(
                        "looking at Consul", lambda: warn_of_consul(self._address, self._settings.profile)
                    )
        elif before is not None:
            self._keeper.lost(before)

    def _perform(self, effect: ef.Effect) -> None:
        match effect:
            case ef.Acquire() | ef.SendBeat() | ef.Release() | ef.RenewHistory():
                self._lease.do(effect)
            case ef.AbandonSession(session, reason):
                log.warning("giving up the session: %s", reason, extra=fields(event="session", reason=reason))
                self._keeper.abandon(session)
            case ef.RecordDropped(claim):
                self._chores.record_dropped(claim)
            case ef.ArmGuard() | ef.DropGuard() | ef.Vouch() | ef.CheckWord():
                self._hand.send(order_of(effect))
            case ef.GrantGuard(term, deadline):
                self._hand.send({"op": "grant", "term": term, "deadline": deadline})
            case ef.RestartNeard(reason):
                self._hand.send({"op": "restart", "reason": reason})
            case ef.KillHand(reason):
                log.error(
                    "killing the guard and neard: %s", reason, extra=fields(event="kill", reason=reason)
                )
                self._hand.kill()
            case ef.WatchClosely(on):
                self._neard.closely(on)
                self._work_watch.closely(on)
            case ef.LookAtMembers():
                self._chores.look_at_members()
            case ef.ExpectHandover():
                self._eyes.expect_handover()
                self._chores.touch()
                self._cost.expect()
            case ef.RecordTerm():
                self._chores.record_term(self._term_record(effect))
                if effect.began:
                    self._cost.began(effect.term)
                    self._work_watch.began()
            case ef.AnswerRequest(request_id, accepted, reason):
                log.info("switchover: %s", reason, extra=fields(event="switchover", reason=reason))
                self._chores.answer(request_id, accepted, reason)
            case ef.AnswerTakeover(order, signs, text):
                self._takeover.answer(order, signs, text)
            case ef.EndFirstTermOrder(order, by, term):
                self._first_term.used(order, by, term)

    def _say(self, before: State) -> None:
        """One line for each decision: when the role changes, or the reason in more than its figures."""
        state = self._state
        if self._said and (before.role, before.reason) == (state.role, state.reason):
            return
        text = f"{state.role}: {state.reason}"
        plain = re.sub(r"\d+", "0", text)
        if plain == self._said:
            return
        self._said = plain
        event = "reason" if before.role is state.role else "role"
        log.info("%s", text, extra=fields(event=event, reason=state.reason))
        self._status_line.show(state, is_new_role=before.role is not state.role)
        if before.role is not state.role or before.reason != state.reason:
            self._chores.touch()

    def _tell(self, before: State) -> None:
        """What the chain shows. Nothing comes back from it, not even a defect: the lease goes on."""
        tells: tuple[Callable[[], None], ...] = (
            partial(self._tell_of_foreign_work, before),
            self._tell_of_production,
            self._tell_systemd_of_production,
        )
        for tell in tells:
            try:
                tell()
            except Exception:
                log.exception("a defect in what is told of the chain; the log lacks this step")

    def _tell_of_foreign_work(self, before: State) -> None:
        was, now_is = foreign.is_alarm(before), foreign.is_alarm(self._state)
        if was is now_is:
            return
        text = (
            foreign.text(self._state, boottime()) or "nobody else signs any more, as far as the chain shows"
        )
        log.log(
            logging.CRITICAL if now_is else logging.INFO,
            "%s",
            text,
            extra=fields(event="foreign", reason=text),
        )
        self._chores.touch()

    def _tell_of_production(self) -> None:
        """Logs that what this host signs does not arrive, or does again; its record has it at once."""
        now = boottime()
        changed, lines = self._production_news.step(foreign.production(self._state, now), now)
        if changed:
            self._chores.touch()
        for line in lines:
            log.log(line.level, "%s", line.text, extra=fields(event="production", reason=line.text))

    def _tell_systemd_of_production(self) -> None:
        now = boottime()
        self._status_line.show_production(foreign.production(self._state, now), now)

    def _see_orders(self, book: OrderBook) -> None:
        paused_until = self._pause_clock.ends_at(book.pause)
        self._planner.see(book, paused_until)
        self._news.see(book, self._state)
        if book.last_drill is not None:
            self.metrics.drill_succeeded(book.last_drill.succeeded_at)
        self.emit(ev.OrdersSeen(Orders(paused_until, frozenset(drain.node for drain in book.drains))))

    def _perform_drill(self, kind: str) -> None:
        if kind != "agent":
            self._hand.send({"op": "drill", "whole": kind == "host"})
            self._hand.flush(LAST_LINES_S)
        if kind != "neard":
            flush(LAST_LINES_S)
            os.kill(os.getpid(), signal.SIGKILL)

    def _standing(self) -> Standing:
        """For the planner, from its own thread: the state is replaced as a whole."""
        state = self._state
        hold = state.hold
        signs = hold is not None and hold.stage is Stage.ARMED
        ready = gates.ready_standbys(state)
        return Standing(
            term=hold.term if hold and signs else None,
            head=gates.head_height(state),
            standbys=tuple(member.node for member in ready),
            steady=tuple(member.node for member in ready if member.steady),
            scarce=scarce_text(self._budget.last()),
        )

    def _guard_reported(self, report: GuardReport) -> None:
        self.metrics.guard_report(report)
        if report.event:
            # The guard's own log has it, in the same journal.
            log.debug("guard: %s", report.event, extra=fields(event="guard", reason=report.event))

    def record(self) -> NodeRecord:
        """This host's record of itself, as others and ``hafailover status`` read it."""
        state, now = self._state, boottime()
        neard, hold = state.neard, state.hold
        left, disk = self._lease_left(state, now), self._disk.last()
        budget_unknown_s, budget_unknown = self._budget.unknown()
        began = datetime.now(UTC).timestamp() - (now - state.role_since)
        return NodeRecord(
            node=state.config.node,
            agent=self._agent_id,
            role=str(state.role),
            reason="; ".join(filter(None, (state.reason, self._commits.trouble))),
            role_since=datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
            ready=is_ready(state, now),
            priority=state.config.priority,
            height=neard.height if neard else 0,
            lag=gates.lag(state),
            syncing=neard.syncing if neard else None,
            peers=neard.peers if neard else None,
            neard_version=neard.version if neard else "",
            agent_version=__version__,
            profile=self._settings.timing.profile,
            timing=self._settings.timing.changes,
            public_key=state.guard.public_key if state.guard else "",
            term=hold.term if hold else 0,
            lease_left_s=round(left, 2) if left is not None else None,
            gates=gates.checklist(state, now),
            disk_free_bytes=disk.free_bytes,
            disk_free_ratio=disk.free_ratio,
            clock_ahead_s=self._neard.clock_ahead_s,
            foreign=foreign.text(state, now),
            **_duties(state, now),
            production=production.record_of(
                foreign.production(state, now), now, self._settings.neard.validator_routing
            ),
            state_dir=self._state_dir.problem(),
            prepared_for=state.expected_request,
            steady=gates.is_steady(state),
            blocks_lacking=neard.blocks_lacking if neard else 0,
            guard_problem=state.guard.problem[:MOST_TOLD] if state.guard else "",
            alarm=state.guard.alarm[:MOST_TOLD] if state.guard else "",
            routing_problem=routing.contradiction(
                self._settings.neard.validator_routing, tier1=state.guard is not None and state.guard.tier1
            ),
            node_key=neard.node_key if neard else "",
            budget=self._budget.last(),
            budget_unknown_s=budget_unknown_s,
            budget_unknown=budget_unknown,
        )

    def _sources(self) -> Sources:
        return Sources(
            self._settings.account_id,
            self.metrics.registry,
            self.refresh,
            self._health,
            self._ready,
            self.record,
            lambda: self._last_beat,
            self._newest_beat,
        )

    def _newest_beat(self) -> tuple[int, float] | None:
        """The ModifyIndex of the newest beat that the watch has shown, and when first; from any thread."""
        seen = self._state.sightings.seen
        return (seen[-1].index, seen[-1].first_seen) if seen else None

    def _beat_took(self, seconds: float) -> None:
        self.metrics.beat.observe(seconds)
        self._last_beat = (boottime() - seconds, seconds)

    def refresh(self) -> None:
        """Sets the gauges before a scrape."""
        state, now = self._state, boottime()
        self.metrics.consul_stuck.set(bool(self._commits.trouble))
        self.metrics.show(state, gates.lag(state), is_ready(state, now), self._lease_left(state, now))
        self.metrics.state_dir.set(not self._state_dir.problem())
        self.metrics.show_budget(self._budget.last())
        self.metrics.budget_known.set(self._budget.unknown()[0] == 0.0)

    def _lease_left(self, state: State, now: float) -> float | None:
        hold = state.hold
        if hold is None or hold.proven_at is None or hold.stage is not Stage.ARMED:
            return None
        return hold.proven_at + state.config.profile.fence_after_s - now

    def _term_record(self, effect: ef.RecordTerm) -> TermRecord:
        guard = self._state.guard
        return TermRecord(
            event="began" if effect.began else "ended",
            term=effect.term,
            node=self._settings.node_name,
            cause=effect.cause,
            from_node=effect.from_node,
            height=effect.height,
            waited_s=round(effect.waited_s, 3),
            silent_s=round(effect.silent_s, 3) if effect.silent_s is not None else None,
            public_key=guard.public_key if guard else "",
            # For people; nothing is decided by it.
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )

    def _cost_measured(self, term: int, cost: Cost | None) -> None:
        if cost is None:
            return
        record = TermRecord(
            event="measured",
            term=term,
            node=self._settings.node_name,
            **plain(cost),
            **due(cost),
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        # The term may have ended meanwhile.
        log.info("term %d: missed: %s", term, cost, extra=fields(event="cost", term=term, **plain(cost)))
        self._chores.record_term(record)

    def _record_production(self, notice: Notice) -> None:
        if not notice.term:
            # Signs without a lease, since Consul is dead.
            return
        record = TermRecord(
            event=str(notice.what),
            term=notice.term,
            node=self._settings.node_name,
            cause=notice.cause,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        self._chores.record_production(record)

    def _health(self) -> Answer:
        now = boottime()
        return healthz(self._state, now, now - self._without_session_since)

    def _ready(self) -> Answer:
        return readyz(self._state, boottime())

    def _fatal(self, message: str) -> None:
        log.error("%s", message)
        self._exit_code = EXIT_NAME_TAKEN
        self._queue.put(None)


def _duties(state: State, now: float) -> dict[str, Any]:
    """What the record says of the duties of a host that signs."""
    undone, base = foreign.undone(state, now), state.chain.duties.base
    if undone is None or base is None:
        return {}
    since = datetime.fromtimestamp(datetime.now(UTC).timestamp() - (now - base.looked_at), UTC)
    return {
        # What neard counts is not to be believed beyond reason: a record holds 63 bits.
        "duties_due": min(undone[0].total, 1 << 62),
        "duties_due_s": round(max(0.0, undone[1]), 1),
        "no_duty_since": since.strftime("%H:%M:%S UTC"),
    }


def _core_config(settings: Settings) -> Config:
    config = Config(
        node=settings.node_name,
        account_id=settings.account_id,
        profile=settings.profile,
        **asdict(reconfigured(settings)),
    )
    if settings.promotion == "hot":
        return config
    return replace(config, hot_swap=False, arm_timeout_s=settings.neard.stop_s + RESTART_ARM_S)
