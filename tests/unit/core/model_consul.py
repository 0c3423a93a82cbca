"""Consul as the model knows it: sessions, the lease's keys, watches that lag, and calls that go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hafailover.core.beat import Beat, StoredBeat, parse_beat
from hafailover.core.events import Outcome
from hafailover.core.views import LockView, Member
from hafailover.lock.base import Acquisition

if TYPE_CHECKING:
    from .model import World
    from .model_agent import Agent
    from .model_host import Host

T = TypeVar("T")

HOLD_S = 8.0
"""How long a Consul server holds a call that it cannot serve yet; it may carry it out that late."""
EXPIRY_STEP_S = 0.1
SENT_S = 0.0005
"""From an adapter's call to the request's leaving the process."""


class NotHeldError(Exception):
    """The transaction was refused: the lock is not the session's."""


class LostError(Exception):
    """The call is lost on its way: nothing is answered."""


class NoSessionError(Exception):
    """Consul does not know the session."""


@dataclass(slots=True)
class Session:
    host: Host
    fed_at: float
    check_ttl_s: float
    renewed_at: float
    ttl_s: float


class Consul:
    """One order of writes; every write takes effect at one moment of the model's true time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.index = 100
        self.sessions: dict[str, Session] = {}
        self.lock = LockView(None, None, 0)
        self.heartbeat: tuple[str, int] | None = None
        self.dropped: frozenset[int] = frozenset()
        self.records: dict[str, Member] = {}
        self.no_leader_until = 0.0
        world.at(EXPIRY_STEP_S, self._expire)

    # --- what the agents write, each one transaction

    def open_session(self, host: Host, check_ttl_s: float, ttl_s: float) -> str:
        name = f"s{self._next()}"
        now = self.world.now
        self.sessions[name] = Session(host, now, check_ttl_s, now, ttl_s)
        return name

    def renew(self, session: str) -> None:
        self._session(session).renewed_at = self.world.now

    def feed(self, session: str) -> None:
        if session in self.sessions:
            self.sessions[session].fed_at = self.world.now

    def destroy(self, session: str) -> None:
        if self.sessions.pop(session, None) is not None and self.lock.session == session:
            self._set_lock(None)

    def acquire(self, session: str) -> Acquisition:
        self._session(session)
        if self.lock.session not in (None, session):
            raise NotHeldError
        if self.lock.session is None:
            self._set_lock(session)
        return Acquisition(self.lock.index, self.stored_beat(), self.dropped)

    def beat(self, session: str, beat: Beat) -> None:
        if self.lock.session != session or self.lock.index != beat.term:
            raise NotHeldError
        self.heartbeat = (beat.to_json(), self._next())
        self.world.changed("heartbeat")

    def release(self, session: str, beat: Beat) -> None:
        self.beat(session, beat)
        self._set_lock(None)

    def record_dropped(self, term: int) -> None:
        self.dropped |= {term}
        self.world.changed("dropped")

    def forget_dropped(self, before: int) -> None:
        self.dropped = frozenset(term for term in self.dropped if term >= before)
        self.world.changed("dropped")

    # --- what others do to it

    def free_by_hand(self) -> None:
        """An operator ends the holder's session, or a Consul that was restored has lost it."""
        if self.lock.session is not None:
            self.destroy(self.lock.session)

    def lose_leader(self, seconds: float) -> None:
        self.no_leader_until = max(self.no_leader_until, self.world.now + seconds)

    def stored_beat(self) -> StoredBeat | None:
        if self.heartbeat is None:
            return None
        beat = parse_beat(self.heartbeat[0])
        return StoredBeat(beat, self.heartbeat[1]) if beat is not None else None

    @property
    def has_leader(self) -> bool:
        return self.world.now >= self.no_leader_until

    def _next(self) -> int:
        self.index += 1
        return self.index

    def _session(self, name: str) -> Session:
        if name not in self.sessions:
            raise NoSessionError
        return self.sessions[name]

    def _set_lock(self, session: str | None) -> None:
        node = self.sessions[session].host.name if session is not None else self.lock.node
        self.lock = LockView(session, node, self._next())
        self.world.terms += session is not None
        self.world.note(f"lock: {session or 'free'} at index {self.lock.index}")
        self.world.changed("lock")

    def _expire(self) -> None:
        now = self.world.now
        # A leader that is new needs a moment before it ends sessions.
        if now >= self.no_leader_until + (1.0 if self.no_leader_until else 0.0):
            for name, session in list(self.sessions.items()):
                unfed = now - session.fed_at > session.check_ttl_s
                expired = now - session.renewed_at > 2 * session.ttl_s
                if unfed or expired or session.host.is_given_up_by_consul():
                    self.world.note(f"session {name} of {session.host.name} ends")
                    self.destroy(name)
        self.world.at(EXPIRY_STEP_S, self._expire)


class Wire:
    """Calls of one agent to Consul: slow, lost, answered too late, or carried out long after."""

    def __init__(self, world: World, host: Host, agent: Agent) -> None:
        self._world = world
        self._host = host
        self._agent = agent

    def call(
        self, deadline_s: float, apply: Callable[[], T], done: Callable[[Outcome, T | None, bool], None]
    ) -> None:
        """Has ``apply`` done at some moment, or never; ``done`` hears (outcome, result, no such session)."""
        world, rng, host, began = self._world, self._world.rng, self._host, self._world.now
        ended = False

        def finish(outcome: Outcome, result: T | None = None, gone: bool = False) -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._agent.run(lambda: done(outcome, result, gone))

        def land() -> None:
            if not host.reaches_consul or not world.consul.has_leader:
                if held and world.now - began < HOLD_S:
                    world.at(0.02 + 0.2 * rng.random(), land)
                return
            outcome, result, gone = Outcome.OK, None, False
            try:
                result = apply()
            except NotHeldError:
                outcome = Outcome.REFUSED
            except NoSessionError:
                outcome, gone = Outcome.REFUSED, True
            except LostError:
                return
            if reply_arrives and host.reaches_consul:
                world.at(_delay(rng.random()), lambda: finish(outcome, result, gone))

        # A server that has no leader, or whose host is cut off, holds some calls and carries them out late.
        held, fate = rng.random() < 0.5, rng.random()
        reply_arrives = not (host.flaky and 0.15 <= fate < 0.3)
        way = 1.0 + 6.0 * rng.random() if host.flaky and 0.3 <= fate < 0.45 else _delay(rng.random())
        if not (host.flaky and fate < 0.15):
            # A frozen agent sends when it thaws; what has left a killed one arrives all the same.
            world.at(SENT_S, lambda: self._agent.run(lambda: world.at(way, land)))
        host.at(deadline_s, lambda: finish(Outcome.NO_PROOF))


def _delay(chance: float) -> float:
    """Mostly a few milliseconds, now and then some hundred."""
    return 0.001 + 0.004 * chance if chance < 0.97 else 10 * (chance - 0.97)
