"""A test double of the lease in Consul: in memory, in one process, held to the same contract as the real one.

Nothing of the product uses it. It does what Consul does as far as the contract goes: one order of writes, a
ModifyIndex that only grows, sessions with Behavior ``release`` and no lock-delay, transactions that take
effect as a whole or not at all, and blocking looks. Calls can be made to fail, or to take effect and lose
their answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.core.views import LockView
from hafailover.core.words import Claim
from hafailover.lock.base import Acquisition, stored_beat
from hafailover.lock.errors import CallError, Kind

LOCK, HEARTBEAT, DROPPED, HISTORY = "lock", "heartbeat", "dropped", "history"


@dataclass(slots=True)
class _Trouble:
    """What is to go wrong with the next calls of one node."""

    failures: list[Kind] = field(default_factory=list)
    lost_replies: int = 0


class MemoryConsul:
    """What several :class:`MemoryLease` and :class:`MemoryWatch` share. Thread-safe."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.sessions: dict[str, str] = {}
        """The live sessions' ids, and the node of each."""
        self.lock: LockView | None = None
        self.heartbeat: tuple[bytes, int] | None = None
        self.dropped: frozenset[Claim] = frozenset()
        self.history = ""
        self.touched = {LOCK: 1, HEARTBEAT: 1, DROPPED: 1, HISTORY: 1}
        """The index at which each part last changed."""
        self._index = 10
        self._opened = 0
        self._troubles: dict[str, _Trouble] = {}

    def lease(self, node: str) -> MemoryLease:
        """A store of ``node``."""
        return MemoryLease(self, node)

    def watch(self, node: str = "") -> MemoryWatch:
        """A watch of ``node``, whose troubles are those of the node."""
        return MemoryWatch(self, node)

    # --- what tests do to it

    def fail(self, node: str, kind: Kind, calls: int = 1) -> None:
        """The next ``calls`` calls of ``node`` raise :class:`CallError` and change nothing."""
        with self.changed:
            self._trouble(node).failures += [kind] * calls

    def lose_replies(self, node: str, calls: int = 1) -> None:
        """The next ``calls`` calls of ``node`` take effect, and their answers get lost."""
        with self.changed:
            self._trouble(node).lost_replies += calls

    def expire(self, session: str) -> None:
        """Ends a session as Consul does: its TTL ran out, its check failed, or its host is gone."""
        with self.changed:
            if self.sessions.pop(session, None) is not None and self.holder == session:
                self.set_lock(None)

    def free_lock(self) -> None:
        """Takes the lock from its holder by hand; the session lives on."""
        with self.changed:
            if self.holder is not None:
                self.set_lock(None)

    def delete_lock(self) -> None:
        """Deletes the lock's key by hand; the session lives on."""
        with self.changed:
            self.lock = None
            self.touch(LOCK)

    def put_heartbeat(self, raw: bytes | None) -> None:
        """Writes anything under ``heartbeat`` by hand; ``None`` deletes it."""
        with self.changed:
            index = self.touch(HEARTBEAT)
            self.heartbeat = (raw, index) if raw is not None else None

    def lose_history(self) -> None:
        """Deletes the id of the history."""
        with self.changed:
            self.history = ""
            self.touch(HISTORY)

    # --- what stores and watches do with it, always within ``call``

    @contextmanager
    def call(self, node: str) -> Iterator[None]:
        """One call of ``node``: it takes effect as a whole, or fails as the test has asked."""
        with self.changed:
            trouble = self._trouble(node)
            if trouble.failures:
                kind = trouble.failures.pop(0)
                raise CallError(kind, f"a failure that the test has asked for: {kind}")
            yield
            if trouble.lost_replies:
                trouble.lost_replies -= 1
                raise CallError(Kind.UNREACHABLE, "an answer that the test has lost")

    @property
    def holder(self) -> str | None:
        """The session that holds the lock."""
        return self.lock.session if self.lock is not None else None

    def add_session(self, node: str) -> str:
        self._opened += 1
        session = f"session-{self._opened}-of-{node}"
        self.sessions[session] = node
        return session

    def must_know(self, session: str) -> None:
        if session not in self.sessions:
            raise CallError(Kind.SESSION_GONE, "Consul does not know the session")

    def set_lock(self, session: str | None) -> None:
        """Gives the lock to ``session``; ``None`` frees it and keeps the last holder's name."""
        before = self.lock.node if self.lock is not None else None
        node = self.sessions[session] if session is not None else before
        self.lock = LockView(session, node, self.touch(LOCK))

    def touch(self, part: str) -> int:
        """A new ModifyIndex for ``part``; wakes whoever looks at it."""
        self._index += 1
        self.touched[part] = self._index
        self.changed.notify_all()
        return self._index

    def known_history(self) -> str:
        """The history's id, made if there is none."""
        if not self.history:
            self.make_history()
        return self.history

    def make_history(self) -> None:
        self.history = f"{self.touch(HISTORY):032x}"

    def _trouble(self, node: str) -> _Trouble:
        return self._troubles.setdefault(node, _Trouble())


class MemoryLease:
    """A :class:`~hafailover.lock.base.LeaseStore` of one node."""

    def __init__(self, consul: MemoryConsul, node: str) -> None:
        self._consul = consul
        self._node = node

    def open_session(self) -> str:
        with self._consul.call(self._node):
            return self._consul.add_session(self._node)

    def resume(self, session: str) -> None:
        self.renew(session)

    def sweep(self) -> None:
        """Nothing is registered here."""

    def renew(self, session: str) -> None:
        with self._consul.call(self._node):
            self._consul.must_know(session)

    def feed(self) -> None:
        with self._consul.call(self._node):
            pass

    def destroy(self, session: str) -> None:
        with self._consul.call(self._node):
            self._consul.expire(session)

    def acquire(self, session: str) -> Acquisition:
        consul = self._consul
        with consul.call(self._node):
            consul.must_know(session)
            if consul.holder not in (None, session):
                raise CallError(Kind.REFUSED, "acquiring the lock: another session holds it")
            if consul.holder is None:
                consul.set_lock(session)
            assert consul.lock is not None
            return Acquisition(
                consul.lock.index, _stored(consul), _dropped_by(consul), consul.known_history()
            )

    def beat(self, session: str, beat: Beat) -> None:
        with self._consul.call(self._node):
            self._write(session, beat)

    def release(self, session: str, beat: Beat) -> None:
        with self._consul.call(self._node):
            self._write(session, beat)
            self._consul.set_lock(None)

    def record_dropped(self, claim: Claim) -> None:
        with self._consul.call(self._node):
            others = {one for one in self._consul.dropped if one.term != claim.term}
            self._consul.dropped = frozenset({*others, replace(claim, handover_to=None)})
            self._consul.touch(DROPPED)

    def history_id(self) -> str:
        with self._consul.call(self._node):
            return self._consul.known_history()

    def renew_history(self, history: str) -> None:
        with self._consul.call(self._node):
            if self._consul.known_history() == history:
                self._consul.make_history()

    def forget_dropped(self, before_term: int) -> None:
        with self._consul.call(self._node):
            kept = (one for one in self._consul.dropped if one.term >= before_term)
            self._consul.dropped = frozenset(kept)
            self._consul.touch(DROPPED)

    def _write(self, session: str, beat: Beat) -> None:
        lock = self._consul.lock
        if lock is None or lock.session != session or lock.index != beat.term:
            raise CallError(Kind.REFUSED, "the lock is not held by this session in this term")
        raw, before = beat.to_json().encode(), self._consul.heartbeat
        # Consul takes a write of what stands there already for none: no new index, and nobody wakes.
        if before is not None and before[0] == raw:
            raise CallError(Kind.GARBAGE, "the beat: an earlier one's answer does not confirm it")
        self._consul.heartbeat = (raw, self._consul.touch(HEARTBEAT))


class MemoryWatch:
    """A :class:`~hafailover.lock.base.LeaseWatch`, never stale."""

    def __init__(self, consul: MemoryConsul, node: str) -> None:
        self._consul = consul
        self._node = node

    def lock(self, index: int | None, wait_s: float, fast: bool = False) -> tuple[int, LockView]:
        at = self._await(LOCK, index, wait_s)
        with self._consul.call(self._node):
            view = self._consul.lock or LockView(None, None, 0)
        return at, view

    def heartbeat(
        self, index: int | None, wait_s: float, fast: bool = False
    ) -> tuple[int, StoredBeat | None]:
        at = self._await(HEARTBEAT, index, wait_s)
        with self._consul.call(self._node):
            stored = _stored(self._consul)
        return at, stored

    def dropped(self, index: int | None, wait_s: float) -> tuple[int, frozenset[Claim]]:
        at = self._await(DROPPED, index, wait_s)
        with self._consul.call(self._node):
            claims = self._consul.dropped
        return at, claims

    def history(self, index: int | None, wait_s: float) -> tuple[int, str]:
        at = self._await(HISTORY, index, wait_s)
        with self._consul.call(self._node):
            history = self._consul.history
        return at, history

    def _await(self, part: str, index: int | None, wait_s: float) -> int:
        consul = self._consul
        with consul.changed:
            if index is not None:
                consul.changed.wait_for(lambda: consul.touched[part] > index, timeout=max(wait_s, 0.0))
            return consul.touched[part]


def _dropped_by(consul: MemoryConsul) -> frozenset[Claim]:
    """The records that the wait for the predecessor could end by."""
    stored = _stored(consul)
    beats = (stored.beat, stored.beat.inherits) if stored is not None else ()
    terms = {beat.term for beat in beats if beat is not None and beat.phase is not Phase.RELEASED}
    return frozenset(claim for claim in consul.dropped if claim.term in terms)


def _stored(consul: MemoryConsul) -> StoredBeat | None:
    if consul.heartbeat is None:
        return None
    raw, index = consul.heartbeat
    return stored_beat(raw, index)
