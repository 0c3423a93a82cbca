"""Consul as the simulator knows it: sessions and the lease's keys, in one order of writes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hafailover.core.beat import Beat, StoredBeat
from hafailover.core.views import LockView, Member
from hafailover.core.words import Claim, claim_of
from hafailover.lock.base import Acquisition, stored_beat

if TYPE_CHECKING:
    from .host import Host
    from .world import World

BACKUP_EVERY_S = 7.0
BACKUPS_KEPT = 12
WORDS_KEPT = 100


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


@dataclass(frozen=True, slots=True)
class Backup:
    """What ``consul snapshot save`` keeps."""

    at: float
    sessions: dict[str, Session]
    lock: LockView
    heartbeat: StoredBeat | None
    dropped: frozenset[Claim]
    history: str
    records: dict[str, Member]


class Consul:
    """What the servers have agreed on; every write takes effect at one moment of true time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.index = 100
        self.sessions: dict[str, Session] = {}
        self.checks: set[Host] = set()
        """Hosts whose agent's check is registered with the Consul beside it."""
        self.lost: list[float] = []
        """When all servers lost what they knew."""
        self.given: deque[Beat] = deque(maxlen=WORDS_KEPT)
        """The beats that carried a guard's word: what a forger may have read."""
        self.released: set[tuple[str, int]] = set()
        """Histories and terms whose own holders have freed the lock."""
        self.beaten_at = 0.0
        self.began: dict[tuple[int, str], float] = {}
        """When each term began, by its number and its host: a Consul that lost everything counts anew."""
        self.restored_at = -1e9
        self.lock = LockView(None, None, 0)
        self.heartbeat: StoredBeat | None = None
        self.dropped: frozenset[Claim] = frozenset()
        self.history = ""
        self._histories = 0
        self.records: dict[str, Member] = {}
        self.backups: deque[Backup] = deque(maxlen=BACKUPS_KEPT)
        world.at(BACKUP_EVERY_S, self._back_up)

    # --- what the agents write, each one transaction

    def open_session(self, host: Host, check_ttl_s: float, ttl_s: float) -> str:
        name = f"s{self._next()}.{len(self.lost)}" if self.lost else f"s{self._next()}"
        now = self.world.now
        self.checks.add(host)
        self.sessions[name] = Session(host, now, check_ttl_s, now, ttl_s)
        return name

    def renew(self, session: str) -> None:
        self._session(session).renewed_at = self.world.now

    def feed(self, host: Host) -> bool:
        """The host's check passes: every session of the host is bound to it. ``False``: there is no check."""
        if host not in self.checks:
            return False
        for session in self.sessions.values():
            if session.host is host:
                session.fed_at = self.world.now
        return True

    def destroy(self, session: str) -> None:
        if self.sessions.pop(session, None) is not None and self.lock.session == session:
            self._set_lock(None)

    def acquire(self, session: str) -> Acquisition:
        host = self._session(session).host
        if self.lock.session not in (None, session):
            raise NotHeldError
        if self.lock.session is None:
            self._set_lock(session)
            self.world.aims.happened("acquired", host)
        return Acquisition(self.lock.index, self.stored_beat(), self.dropped, self.history_id())

    def beat(self, session: str, beat: Beat) -> None:
        if self.lock.session != session or self.lock.index != beat.term:
            raise NotHeldError
        # As it is written and read back.
        stored = stored_beat(beat.to_json().encode(), self._next())
        assert stored is not None, beat
        self.heartbeat = stored
        self.beaten_at = self.world.now
        self._keep_words(stored.beat)
        self.world.changed("heartbeat")

    def release(self, session: str, beat: Beat) -> None:
        self.beat(session, beat)
        self.released.add((beat.history, beat.term))
        self._set_lock(None)

    def history_id(self) -> str:
        """The id of the history, made if there is none."""
        if not self.history:
            self._histories += 1
            self.history = f"{self._histories:032x}"
            self.world.changed("history")
        return self.history

    def renew_history(self, history: str) -> str:
        if self.history == history:
            self.history = ""
            self.world.did["histories renewed"] += 1
        return self.history_id()

    def record_dropped(self, claim: Claim) -> None:
        self.dropped = frozenset({*(one for one in self.dropped if one.term != claim.term), claim})
        self.world.changed("dropped")

    def forget_dropped(self, before: int) -> None:
        self.dropped = frozenset(claim for claim in self.dropped if claim.term >= before)
        self.world.changed("dropped")

    # --- what others do to it

    def free_by_hand(self) -> bool:
        """An operator ends the holder's session. Returns whether there was one."""
        if self.lock.session is None:
            return False
        self.destroy(self.lock.session)
        return True

    def restore(self, backup: Backup) -> None:
        """All is as it was then, except that the index goes on: Raft's own never goes back."""
        now = self.restored_at = self.world.now
        self.sessions = {
            name: Session(one.host, now, one.check_ttl_s, now, one.ttl_s)
            for name, one in backup.sessions.items()
        }
        self.lock, self.heartbeat = backup.lock, backup.heartbeat
        self.dropped, self.records = backup.dropped, dict(backup.records)
        self.history = backup.history
        self._next()
        self.world.note(f"Consul: restored as it was {now - backup.at:.1f} s ago")
        for what in ("lock", "heartbeat", "dropped", "history"):
            self.world.changed(what)

    def lose_everything(self, keep: Backup | None = None) -> None:
        """All servers come back without their data, or a new cluster gets an old one's keys: a low index.

        :param keep: what is imported into the new cluster; sessions, and so the lock's holder, never are.
        """
        self.lost.append(self.world.now)
        self.restored_at = self.world.now
        self.index = 10 + self.world.rng.randrange(60)
        self.sessions = {}
        self.backups.clear()
        self.lock, self.heartbeat, self.dropped = LockView(None, None, 0), None, frozenset()
        self.history, self.records = "", {}
        if keep is not None:
            self.history, self.records = keep.history, dict(keep.records)
            self.lock = LockView(None, keep.lock.node, self._next())
            if keep.heartbeat is not None:
                beat = keep.heartbeat.beat
                self.heartbeat = stored_beat(beat.to_json().encode(), self._next())
        self.world.request = None
        kept = ", but for an old state" if keep else ""
        self.world.note(f"Consul: lost everything{kept}, goes on at index {self.index}")
        for what in ("lock", "heartbeat", "dropped", "history", "request"):
            self.world.changed(what)

    def deregister(self, host: Host) -> None:
        """Its service and check are gone from Consul, and so is the session that is bound to the check."""
        self.checks.discard(host)
        for name in [name for name, session in self.sessions.items() if session.host is host]:
            self.destroy(name)

    def forge(self, beat: Beat) -> None:
        """A heartbeat that somebody writes who may write the key, and holds nothing.

        It is read as the product reads it: what is no beat, or cannot be one, is none.
        """
        self.heartbeat = stored_beat(beat.to_json().encode(), self._next())
        said = f"term {beat.term} {beat.phase} of {beat.node}, gone within {beat.gone_within_s:g} s"
        self.world.note(f"Consul: forged: {said}")
        self.world.changed("heartbeat")

    def blot_heartbeat(self) -> None:
        """The key is written over with what is no beat, or removed."""
        self.heartbeat = None
        self._next()
        self.world.note("Consul: forged: the heartbeat is no beat")
        self.world.changed("heartbeat")

    def unlock(self) -> None:
        """Frees the lock and leaves the session: the key is written under another session and given back."""
        if self.lock.session is not None:
            self._set_lock(None)

    def stored_beat(self) -> StoredBeat | None:
        return self.heartbeat

    def expire(self, now: float) -> None:
        """Ends the sessions whose host, check or TTL is gone."""
        if not self.world.servers.commits or now < self.world.servers.ends_sessions_from:
            return
        for name, session in list(self.sessions.items()):
            host = session.host
            unfed = now - session.fed_at > session.check_ttl_s and host.server.well
            expired = now - session.renewed_at > 2 * session.ttl_s
            if unfed or expired or host.given_up:
                why = "its check failed" if unfed else "its TTL ended" if expired else "its host is gone"
                self.world.note(f"Consul: session {name} of {host.name} ends: {why}")
                self.world.did[f"sessions ended since {why}"] += 1
                self.destroy(name)

    def _keep_words(self, beat: Beat) -> None:
        for one in (beat, beat.inherits):
            if one is not None and claim_of(one) is not None and one not in self.given:
                self.given.append(one)

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
        if session is not None and node is not None:
            self.began[self.lock.index, node] = self.world.now
        self.world.did["terms"] += session is not None
        self.world.note(f"Consul: lock {'of ' + str(node) if session else 'free'} at index {self.lock.index}")
        self.world.changed("lock")

    def _back_up(self) -> None:
        backup = Backup(
            self.world.now,
            dict(self.sessions),
            self.lock,
            self.heartbeat,
            self.dropped,
            self.history,
            dict(self.records),
        )
        self.backups.append(backup)
        self.world.at(BACKUP_EVERY_S, self._back_up)
