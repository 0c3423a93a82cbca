"""The agent in the simulator: the real core's decisions, and adapters as the product's, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core import foreign, gates
from hafailover.core.decide import decide, initial, next_wake
from hafailover.core.state import Config, Stage
from hafailover.core.views import Member
from hafailover.core.words import Claim
from hafailover.guard import model as m
from hafailover.lock.base import Acquisition
from hafailover.timing import Profile

from .consul import LostError, NoSessionError, NotHeldError
from .desk import Desk
from .eyes import Eyes
from .neard import ACCOUNT
from .wire import SENT_S, Wire

if TYPE_CHECKING:
    from .host import Host
    from .servers import Past
    from .world import World

PUBLISH_S = 2.0
LATE_S = 0.3
RESTART_ARM_S = 30.0
AGENT_WATCHDOG_LATE_S = 0.25


class Agent:
    """One agent process."""

    WAITS_FOR_ITS_NOTE = False
    """``True``: the thread that keeps the session waits for the state folder. Only a mutant's does."""
    A_FAILED_FEED_IS_ALL = False
    """``True``: a check that Consul does not know any more keeps that thread from renewing its session, so
    that it never learns of its end, and never registers again. Only a mutant's does."""

    def __init__(self, world: World, host: Host, profile: Profile) -> None:
        self.world, self.host, self.profile = world, host, profile
        self.alive = True
        self.stopped = False
        """SIGSTOP."""
        self._stops = 0
        self._backlog: list[Callable[[], None]] = []
        config = Config(host.name, ACCOUNT, profile)
        if not world.shape.hot_swap:
            config = replace(config, hot_swap=False, arm_timeout_s=RESTART_ARM_S)
        self.state = initial(config, host.clock())
        self._wire = Wire(world, host, self)
        self._jobs: list[ef.Effect] = []
        self._working = False
        self._wake_at = 0.0
        self._session: str | None = None
        self._noted = host.memo if not host.state.hangs else None
        """The session of the agent before, or its own; where the state folder hangs nothing is read."""
        self._keeper_waits = False
        """The thread that keeps the session stands still."""
        self.on_sent: Callable[[], None] | None = None
        """Called once, when the next beat has left this process."""
        self.eyes = Eyes(world, host, self)
        self.desk = Desk(world, host, self)
        host.at(0.0, self.own(self._keep_session))
        host.at(0.2, self.own(self._publish))
        self.take(ev.Tick())

    @property
    def frozen(self) -> bool:
        return self.stopped or self.host.frozen

    def run(self, work: Callable[[], object]) -> None:
        """Does something as this process does it: not when it is dead, and later when it stands still."""
        if not self.alive:
            return
        if self.stopped or self.host.frozen:
            self._backlog.append(lambda: self.run(work))
            return
        work()

    def own(self, chore: Callable[[], object]) -> Callable[[], None]:
        return lambda: self.run(chore)

    def emit(self, event: ev.Event) -> None:
        self.run(lambda: self.take(event))

    def stop(self) -> bool:
        """SIGSTOP. Returns whether it ran."""
        if not self.alive or self.stopped:
            return False
        self.stopped = True
        self._stops += 1
        if self.world.shape.agent_watchdog:
            stops, late = self._stops, AGENT_WATCHDOG_LATE_S * self.world.rng.random()

            def overdue() -> None:
                if self.alive and self.stopped and stops == self._stops:
                    self.world.did["agents ended by systemd's watchdog"] += 1
                    self.host.kill_agent()
                    self.world.at(0.2, self.host.start_agent)

            limit = self.profile.agent_watchdog_s + late
            self.host.at(limit, lambda: self.host.when_running(overdue))
        return True

    def cont(self) -> None:
        """SIGCONT."""
        self.stopped = False
        self.go_on()

    def go_on(self) -> None:
        """Nothing happens while something else still stops it."""
        if self.stopped or self.host.frozen or not self.alive:
            return
        backlog, self._backlog = self._backlog, []
        for work in backlog:
            self.run(work)

    def take(self, event: ev.Event, *, timer: bool = True) -> None:
        """:param timer: ``False`` for what sets no time: so it draws no lot, and moves nothing else."""
        before, world = self.state, self.world
        decision = decide(before, event, self.now())
        self.state = state = decision.state
        if before.role is not state.role or before.reason != state.reason:
            world.note(f"agent {self.host.name}: {state.role}: {state.reason}")
        if before.role is not state.role:
            # A role that has changed is published at once.
            self.host.at(0.02, self.own(self._publish_once))
        if foreign.is_alarm(state) and not foreign.is_alarm(before):
            world.note(f"agent {self.host.name}: {foreign.text(state, self.now())}")
            world.referee.foreign_work_told(self.host)
        if decision.effects:
            for effect in decision.effects:
                self._perform(effect)
        if state.hold is not before.hold and state.hold is not None:
            self._tell_world(before.hold is None)
        if before.session is not None and state.session is None and self._session == before.session:
            self._session = None
        if timer:
            self._set_timer()

    def now(self) -> float:
        return self.host.clock()

    def _tell_world(self, begun: bool) -> None:
        hold = self.state.hold
        if begun and hold is not None and hold.stage is Stage.WAITING:
            wait = hold.wait.not_before - self.now()
            self.world.did["waits for a predecessor"] += wait > 0.5
            self.world.aims.happened("wait over", self.host, max(wait, 0.0))

    def _set_timer(self) -> None:
        now = self.now()
        # On a busy machine a wake comes late; that also spares the simulator most of the idle ticks.
        wake_at = next_wake(self.state, now) + LATE_S * self.world.rng.random()
        if self._wake_at <= now or wake_at < self._wake_at:
            self._wake_at = wake_at
            self.host.at(wake_at - now, lambda: self.run(lambda: self._wake(wake_at)))

    def _wake(self, wake_at: float) -> None:
        if wake_at == self._wake_at:
            self._wake_at = 0.0
            self.take(ev.Tick())

    # --- effects

    def _perform(self, effect: ef.Effect) -> None:
        match effect:
            case ef.Acquire() | ef.SendBeat() | ef.Release() | ef.RenewHistory():
                self._jobs.append(effect)
                self._next_job()
            case ef.AbandonSession(session):
                self.world.did["sessions given up"] += 1
                self._session = None
                self._note(None)
                self._call(lambda: self.world.consul.destroy(session), lambda *_: None)
            case ef.RecordDropped(claim):
                self._record_dropped(claim)
            case ef.ArmGuard(term, deadline, history, claims):
                self._told_deadline(deadline)
                if self.state.forced is not None:
                    self.host.forced_term = term
                self.host.tell_guard(m.ArmAsked(term, deadline, history, claims))
                self.world.did["loads asked for by a word"] += bool(claims)
            case ef.Vouch(term, history, height, to):
                self.host.tell_guard(m.VouchAsked(term, history, height, to))
            case ef.CheckWord(claim):
                self.host.tell_guard(m.CheckAsked(claim))
            case ef.GrantGuard(term, deadline):
                self._told_deadline(deadline)
                self.host.tell_guard(m.GrantGiven(term, deadline))
            case ef.DropGuard(term, urgent, reason, history):
                self.host.tell_guard(m.DropAsked(term, urgent, reason, history))
            case ef.RestartNeard(reason):
                self.host.tell_guard(m.RestartAsked(reason))
            case ef.KillHand():
                self.host.kill_hand()
            case ef.WatchClosely(on):
                self.eyes.closely(on)
            case ef.ExpectHandover():
                self.host.at(0.01, self.own(self._publish_once))
            case ef.LookAtMembers():
                self.host.at(0.05, self.own(self.eyes.tell_members))
            case ef.AnswerRequest(_, accepted):
                self.world.did["switchovers accepted" if accepted else "switchovers declined"] += 1
            case ef.AnswerTakeover(_, signs, text):
                self.desk.answered(signs, text)
            case ef.RecordTerm(term, began=True):
                self._call(lambda: self.world.consul.forget_dropped(term), lambda *_: None)

    def _told_deadline(self, deadline: float) -> None:
        self.world.aims.happened("deadline", self.host, max(deadline - self.host.clock(), 0.0))
        if self.state.forced is not None:
            # No beat says so, but this is what the others' wait goes by.
            gone_at = deadline + gates.promise_s(self.state) - self.profile.fence_after_s
            self.host.promised_until = max(self.host.promised_until, gone_at)

    def _call(self, apply: Callable[[], object], done: Callable[[ev.Outcome, object, bool], None]) -> None:
        self._wire.call(self.profile.call_deadline_s, apply, done)

    def _record_dropped(self, claim: Claim) -> None:
        def done(outcome: ev.Outcome, _: object, __: bool) -> None:
            if outcome is not ev.Outcome.OK:
                self.host.at(0.5, self.own(lambda: self._record_dropped(claim)))

        self._call(lambda: self.world.consul.record_dropped(claim), done)

    # --- the lease, one call after the other

    def _next_job(self) -> None:
        if self._working or not self._jobs:
            return
        self._working = True
        job, sent_at, consul = self._jobs.pop(0), self.now(), self.world.consul
        match job:
            case ef.Acquire(session):

                def acquired(outcome: ev.Outcome, got: object, gone: bool) -> None:
                    event = ev.AcquireAnswered(sent_at, outcome)
                    if isinstance(got, Acquisition):
                        event = replace(
                            event,
                            term=got.term,
                            predecessor=got.predecessor,
                            dropped=got.dropped,
                            history=got.history,
                        )
                    self._done(event, session, gone)

                self._call(lambda: consul.acquire(session), acquired)
            case ef.SendBeat():
                self._send_beat(job, sent_at)
            case ef.RenewHistory(history):

                def renewed(_: ev.Outcome, got: object, __: bool) -> None:
                    self._working = False
                    if isinstance(got, str):
                        self.take(ev.HistorySeen(got, certain=True))
                    self._next_job()

                self._call(lambda: consul.renew_history(history), renewed)
            case ef.Release(session, beat):

                def released(outcome: ev.Outcome, _: object, gone: bool) -> None:
                    self._done(ev.ReleaseAnswered(beat.term, outcome), session, gone)

                def release() -> None:
                    consul.release(session, beat)
                    self.world.did[f"releases: {beat.phase}"] += 1
                    self.world.aims.happened("released", self.host)

                self._call(self._perhaps_late(release), released)

    def _perhaps_late(self, release: Callable[[], None]) -> Callable[[], None]:
        """The release as a fault may have it: carried out long after, with nobody there to hear of it."""
        late, self.host.late_release_s = self.host.late_release_s, None
        if late is None:
            return release
        self.world.struck("release carried out late")

        def land() -> None:
            self.world.note("the late release arrives")
            with suppress(NotHeldError):
                release()

        def lose() -> None:
            self.world.at(late, land)
            raise LostError

        return lose

    def _send_beat(self, job: ef.SendBeat, sent_at: float) -> None:
        session, beat, host, boots = job.session, job.beat, self.host, self.host.boots
        # What it waits for as a successor is published, too, but its own key is gone sooner.
        gone_at = host.clock() + min(beat.gone_within_s, gates.promise_s(self.state))

        def apply() -> None:
            self.world.consul.beat(session, beat)
            if host.boots == boots:
                host.promised_until = max(host.promised_until, gone_at)

        def beaten(outcome: ev.Outcome, _: object, gone: bool) -> None:
            answered = ev.BeatAnswered(beat.term, beat.sequence, sent_at, outcome)
            if outcome is ev.Outcome.OK:
                self.renew(session, renewed)
                self.take(answered)
            elif outcome is ev.Outcome.NO_PROOF:
                self._no_proof(answered, session)
            else:
                self._done(answered, session, gone)

        def renewed(_: ev.Outcome, __: object, gone: bool) -> None:
            self._done(None, session, gone)

        self._call(apply, beaten)
        self.world.aims.happened("beat sent", host, SENT_S)
        if self.on_sent is not None:
            self.world.at(SENT_S, self.on_sent)
            self.on_sent = None

    def _no_proof(self, answered: ev.BeatAnswered, session: str) -> None:
        self._done(answered, session, False)

    def _done(self, event: ev.Event | None, session: str, gone: bool) -> None:
        self._working = False
        if event is not None:
            self.take(event)
        if gone:
            self.take(ev.SessionGone(session))
        self._next_job()

    # --- the session

    def renew(self, session: str, done: Callable[[ev.Outcome, object, bool], None]) -> None:
        """A renewal is answered by whichever server takes itself for the leader."""

        def by_past(past: Past) -> object:
            if session not in past.sessions:
                raise NoSessionError
            return None

        consul = self.world.consul
        self._wire.call(self.profile.call_deadline_s, lambda: consul.renew(session), done, by_past)

    def reads_own_lock(self, session: str, done: Callable[[bool], None]) -> None:
        """What a read with default consistency says of the lock; the product proves nothing by it."""

        def present() -> object:
            return self.world.consul.lock.session == session

        def by_past(past: Past) -> object:
            return past.lock.session == session

        self._wire.call(
            self.profile.call_deadline_s, present, lambda outcome, ours, _: done(ours is True), by_past
        )

    def asks_consul(self, deadline_s: float, done: Callable[[bool], None]) -> None:
        """Whether there is a leader that answers; one from the past does, too."""
        self._wire.call(
            deadline_s,
            lambda: self.world.consul.index,
            lambda outcome, _, __: done(outcome is ev.Outcome.OK),
            lambda past: past.lock.index,
        )

    def _keep_session(self) -> None:
        consul, profile, session = self.world.consul, self.profile, self._session
        if self._keeper_waits:
            pass
        elif session is not None:
            # The check is fed at the local Consul agent, which needs no leader and no network for it.
            fed = self.host.server.answers and consul.feed(self.host)
            if fed or not self.A_FAILED_FEED_IS_ALL:
                self.renew(session, lambda outcome, _, gone: self._renewed(outcome, session, gone))
        elif self._noted is not None:
            self._go_on_with(self._noted)
        elif self.host.may_open_session():
            self._call(
                lambda: consul.open_session(self.host, profile.check_ttl_s, profile.session_ttl_s),
                self._opened,
            )
        self.host.at(min(profile.check_ttl_s / 3, 1.5), self.own(self._keep_session))

    def _renewed(self, outcome: ev.Outcome, session: str, gone: bool) -> None:
        if outcome is ev.Outcome.OK:
            self.take(ev.ConsulAnswered())
        if gone and session == self._session:
            self._session = None
            self._note(None)
            self.take(ev.SessionGone(session))

    def _go_on_with(self, memo: str) -> None:
        def renewed(outcome: ev.Outcome, _: object, gone: bool) -> None:
            if outcome is ev.Outcome.OK and self._session is None and self._noted == memo:
                self._opened(outcome, memo, gone)
            elif gone and self._noted == memo:
                self._note(None)

        self.renew(memo, renewed)

    def _opened(self, outcome: ev.Outcome, session: object, _: bool) -> None:
        if isinstance(session, str) and self._session is None:
            self._session = session
            if not (self.WAITS_FOR_ITS_NOTE and self.host.state.hangs):
                self._note(session)
                self._learn_history(session)
                return
            self._keeper_waits = True

            def noted() -> None:
                self._keeper_waits = False
                self._note(session)
                self._learn_history(session)

            self.host.state.do(self.own(noted))

    def _learn_history(self, session: str) -> None:
        """Before the session is used; tried until Consul says it."""

        def read(outcome: ev.Outcome, got: object, _: bool) -> None:
            if self._session != session:
                return
            if outcome is ev.Outcome.OK and isinstance(got, str):
                self.take(ev.HistorySeen(got, certain=True))
                self.take(ev.SessionReady(session))
            else:
                self.host.at(0.2, self.own(lambda: self._learn_history(session)))

        self._call(self.world.consul.history_id, read)

    def _note(self, session: str | None) -> None:
        """Known at once; on the disk when that takes it, while nothing waits for it."""
        self._noted = session

        def written() -> None:
            # A full disk takes no note; it forgets one.
            if self.alive and (session is None or not self.host.disk_full):
                self.host.memo = session

        self.host.state.do(written)

    # --- its record

    def _publish(self) -> None:
        self._publish_once()
        self.host.at(PUBLISH_S, self.own(self._publish))

    def _publish_once(self) -> None:
        state = self.state
        if self._session is not None and self.host.server.well and self.world.servers.commits:
            ready = state.hold is None and not gates.standby_problems(state, self.now())
            self.world.consul.records[self.host.name] = Member(
                self.host.name,
                True,
                ready,
                0,
                state.neard.height if state.neard else 0,
                gates.lag(state),
                str(state.role),
                state.reason,
                prepared_for=state.expected_request,
                steady=gates.is_steady(state),
            )
