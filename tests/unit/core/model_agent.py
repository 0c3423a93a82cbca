"""The agent in the model: the real core's decisions, and adapters as the product's, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core import gates
from hafailover.core.decide import decide, initial, next_wake
from hafailover.core.state import Config
from hafailover.core.views import Member, NeardView
from hafailover.guard import model as m
from hafailover.lock.base import Acquisition
from hafailover.timing import Profile

from .model_consul import SENT_S, Wire
from .model_neard import ACCOUNT, POOL_KEY

if TYPE_CHECKING:
    from .model import World
    from .model_host import Host

PUBLISH_S = 2.0
MEMBERS_S = 4.0
GAP_S = 3.0
LATE_S = 0.3


class Agent:
    """One agent process."""

    def __init__(self, world: World, host: Host, profile: Profile) -> None:
        self._world, self.host, self._profile = world, host, profile
        self.alive = True
        self.frozen = False
        self._backlog: list[Callable[[], None]] = []
        self.state = initial(Config(host.name, ACCOUNT, profile), host.clock())
        self._wire = Wire(world, host, self)
        self._jobs: list[ef.Effect] = []
        self._working = False
        self._closely = False
        self._wake_at = 0.0
        self._seen_height: int | None = None
        self._looking: set[str] = set()
        self._looked_at: dict[str, float] = {}
        self._arrive_at = 0.0
        self._session: str | None = None
        self.on_sent: Callable[[], None] | None = None
        """Called once, when the next beat has left this process."""
        for first, chore in (
            (0.0, self._keep_session),
            (0.1, self._look_at_neard),
            (0.2, self._publish),
            (0.3, self._look_at_members),
            (0.01, self._look_at_all),
        ):
            host.at(first, self._own(chore))
        self._take(ev.Tick())

    def run(self, work: Callable[[], object]) -> None:
        """Does something as this process does it: not when it is dead, and later when it is frozen."""
        if not self.alive:
            return
        if self.frozen:
            self._backlog.append(lambda: self.run(work))
            return
        work()

    def _own(self, chore: Callable[[], None]) -> Callable[[], None]:
        return lambda: self.run(chore)

    def emit(self, event: ev.Event) -> None:
        self.run(lambda: self._take(event))

    def thaw(self) -> None:
        self.frozen = False
        backlog, self._backlog = self._backlog, []
        for work in backlog:
            self.run(work)

    def _take(self, event: ev.Event) -> None:
        before = self.state
        decision = decide(before, event, self.host.clock())
        self.state = decision.state
        if (before.role, before.reason) != (self.state.role, self.state.reason):
            self._world.note(f"agent {self.host.name}: {self.state.role}: {self.state.reason}")
        for effect in decision.effects:
            self._perform(effect)
        if before.session is not None and self.state.session is None and self._session == before.session:
            self._session = None
        self._set_timer()

    def _set_timer(self) -> None:
        now = self.host.clock()
        # On a busy machine a wake comes late; that also spares the model most of the idle ticks.
        wake_at = next_wake(self.state, now) + LATE_S * self._world.rng.random()
        if self._wake_at <= now or wake_at < self._wake_at:
            self._wake_at = wake_at
            self.host.at(wake_at - now, self._own(lambda: self._wake(wake_at)))

    def _wake(self, wake_at: float) -> None:
        if wake_at == self._wake_at:
            self._wake_at = 0.0
            self._take(ev.Tick())

    # --- effects

    def _perform(self, effect: ef.Effect) -> None:
        match effect:
            case ef.Acquire() | ef.SendBeat() | ef.Release():
                self._jobs.append(effect)
                self._next_job()
            case ef.AbandonSession(session):
                self._session = None
                self.host.memo = None
                self._call(lambda: self._world.consul.destroy(session), lambda *_: None)
            case ef.RecordDropped(term):
                self._record_dropped(term)
            case ef.ArmGuard(term, deadline):
                self.host.tell_guard(m.ArmAsked(term, deadline))
            case ef.GrantGuard(term, deadline):
                self.host.tell_guard(m.GrantGiven(term, deadline))
            case ef.DropGuard(term, urgent, reason):
                self.host.tell_guard(m.DropAsked(term, urgent, reason))
            case ef.RestartNeard(reason):
                self.host.tell_guard(m.RestartAsked(reason))
            case ef.KillHand():
                self.host.kill_hand()
            case ef.WatchClosely(on):
                self._closely = on
                if on:
                    self.host.at(0.0, self._own(self._look_closely))
            case ef.ExpectHandover():
                self.host.at(0.01, self._own(self._publish_once))
            case ef.LookAtMembers():
                self.host.at(0.05, self._own(self._tell_members))
            case ef.RecordTerm(term, began=True):
                self._call(lambda: self._world.consul.forget_dropped(term), lambda *_: None)

    def _call(self, apply: Callable[[], object], done: Callable[[ev.Outcome, object, bool], None]) -> None:
        self._wire.call(self._profile.call_deadline_s, apply, done)

    def _record_dropped(self, term: int) -> None:
        def done(outcome: ev.Outcome, _: object, __: bool) -> None:
            if outcome is not ev.Outcome.OK:
                self.host.at(0.5, self._own(lambda: self._record_dropped(term)))

        self._call(lambda: self._world.consul.record_dropped(term), done)

    # --- the lease, one call after the other

    def _next_job(self) -> None:
        if self._working or not self._jobs:
            return
        self._working = True
        job, sent_at, consul = self._jobs.pop(0), self.host.clock(), self._world.consul
        match job:
            case ef.Acquire(session):

                def acquired(outcome: ev.Outcome, got: object, gone: bool) -> None:
                    event = ev.AcquireAnswered(sent_at, outcome)
                    if isinstance(got, Acquisition):
                        event = replace(
                            event, term=got.term, predecessor=got.predecessor, dropped_terms=got.dropped_terms
                        )
                    self._done(event, session, gone)

                self._call(lambda: consul.acquire(session), acquired)
            case ef.SendBeat(session, beat):

                def beaten(outcome: ev.Outcome, _: object, gone: bool) -> None:
                    if outcome is ev.Outcome.OK:
                        self._call(lambda: consul.renew(session), renewed)
                        self._take(ev.BeatAnswered(beat.term, beat.sequence, sent_at, outcome))
                    else:
                        event = ev.BeatAnswered(beat.term, beat.sequence, sent_at, outcome)
                        self._done(event, session, gone)

                def renewed(_: ev.Outcome, __: object, gone: bool) -> None:
                    self._done(None, session, gone)

                self._call(lambda: consul.beat(session, beat), beaten)
                if self.on_sent is not None:
                    self._world.at(SENT_S, self.on_sent)
                    self.on_sent = None
            case ef.Release(session, beat):

                def released(outcome: ev.Outcome, _: object, gone: bool) -> None:
                    self._done(ev.ReleaseAnswered(beat.term, outcome), session, gone)

                self._call(lambda: consul.release(session, beat), released)

    def _done(self, event: ev.Event | None, session: str, gone: bool) -> None:
        self._working = False
        if event is not None:
            self._take(event)
        if gone:
            self._take(ev.SessionGone(session))
        self._next_job()

    # --- the session

    def _keep_session(self) -> None:
        consul, profile, session = self._world.consul, self._profile, self._session
        if session is not None:
            # The check is fed at the local Consul agent, which needs no leader and no network for it.
            if not self.host.consul_down:
                consul.feed(session)
            self._call(lambda: consul.renew(session), lambda o, r, gone: self._renewed(session, gone))
        elif self.host.memo is not None:
            self._go_on(self.host.memo)
        elif self.host.may_open_session():
            self._call(
                lambda: consul.open_session(self.host, profile.check_ttl_s, profile.session_ttl_s),
                self._opened,
            )
        self.host.at(min(profile.check_ttl_s / 3, 1.5), self._own(self._keep_session))

    def _renewed(self, session: str, gone: bool) -> None:
        if gone and session == self._session:
            self._session = self.host.memo = None
            self._take(ev.SessionGone(session))

    def _go_on(self, memo: str) -> None:
        def renewed(outcome: ev.Outcome, _: object, gone: bool) -> None:
            if outcome is ev.Outcome.OK and self._session is None and self.host.memo == memo:
                self._opened(outcome, memo, gone)
            elif gone and self.host.memo == memo:
                self.host.memo = None

        self._call(lambda: self._world.consul.renew(memo), renewed)

    def _opened(self, outcome: ev.Outcome, session: object, _: bool) -> None:
        if isinstance(session, str) and self._session is None:
            self._session = self.host.memo = session
            self._take(ev.SessionReady(session))

    # --- watches

    def look(self, what: str) -> None:
        """Something changed: this host's watch answers a while later, with what was there a while before."""
        if what in self._looking or not self.alive:
            return
        self._looking.add(what)
        rng = self._world.rng
        slow = 2.0 * rng.random() if self.host.slow_watch else 0.0
        self._world.at(0.005 + 0.09 * rng.random(), lambda: self._capture(what, slow))

    def _capture(self, what: str, slow: float) -> None:
        consul, now = self._world.consul, self.host.clock()
        if not self.host.reaches_consul:
            self.host.at(0.2, lambda: self._capture(what, slow))
            return
        self._looking.discard(what)
        events: dict[str, ev.Event] = {
            "lock": ev.LockSeen(consul.lock),
            "heartbeat": ev.BeatSeen(consul.stored_beat()),
            "dropped": ev.DroppedSeen(consul.dropped),
            "request": ev.RequestSeen(self._world.request),
        }
        gap = what == "heartbeat" and now - self._looked_at.get(what, now) > GAP_S and self.host.was_cut
        self._looked_at[what] = now

        def arrive() -> None:
            if gap:
                self.emit(ev.WatchGap())
            self.emit(events[what])

        # In order: what was captured earlier also arrives earlier.
        self._arrive_at = max(self._arrive_at, self._world.now + 0.002 + slow)
        self._world.at(self._arrive_at - self._world.now, arrive)

    def _look_at_all(self) -> None:
        for what in ("lock", "heartbeat", "dropped", "request"):
            self.look(what)

    # --- neard and the others

    def _look_at_neard(self) -> None:
        self._ask_neard()
        self.host.at(1.0, self._own(self._look_at_neard))

    def _look_closely(self) -> None:
        if self._closely:
            self._ask_neard()
            self.host.at(0.05, self._own(self._look_closely))

    def _ask_neard(self) -> None:
        neard = self.host.neard
        if neard is None or not neard.up or neard.hung:
            self._seen_height = None
            event: ev.Event = ev.NeardFailed("no answer")
        else:
            height = self.host.height()
            syncing = self._world.now < max(neard.synced_at, self.host.syncing_until)
            event = ev.NeardSeen(NeardView(height, syncing, neard.key, "2.10.0", 5, True))
        if isinstance(event, ev.NeardSeen) and self._closely and not event.neard.syncing:
            first = self._seen_height if self._seen_height is not None else event.neard.height
            self._seen_height = event.neard.height
            for number in range(first + 1, event.neard.height + 1):
                if number in self._world.own_blocks:
                    self.host.at(0.003, self._own(partial(self._take, ev.OwnBlockSeen(number))))
        self.host.at(0.002, self._own(lambda: self._take(event)))

    def _publish(self) -> None:
        self._publish_once()
        self.host.at(PUBLISH_S, self._own(self._publish))

    def _publish_once(self) -> None:
        state, now = self.state, self.host.clock()
        if self._session is not None and self.host.reaches_consul:
            ready = state.hold is None and not gates.standby_problems(state, now)
            height = state.neard.height if state.neard else 0
            self._world.consul.records[self.host.name] = Member(
                self.host.name,
                True,
                ready,
                0,
                height,
                gates.lag(state),
                str(state.role),
                state.reason,
                prepared_for=state.expected_request,
            )

    def _look_at_members(self) -> None:
        self._tell_members()
        self.host.at(MEMBERS_S, self._own(self._look_at_members))

    def _tell_members(self) -> None:
        if self.host.reaches_consul:
            self._take(ev.MembersSeen(self._world.members(), POOL_KEY))
