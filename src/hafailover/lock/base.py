"""The lease store as the agent uses it. One contract test holds every implementation to this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hafailover.core.beat import Beat, BeatError, StoredBeat, parse_beat
from hafailover.core.views import LockView
from hafailover.text import is_node_name


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What the acquiring transaction found, all at one point of Consul's order."""

    term: int
    """ModifyIndex of the lock: it only ever grows."""
    predecessor: StoredBeat | None
    """The heartbeat as it stood; ``None`` if absent or unreadable."""
    dropped_terms: frozenset[int]


class LeaseStore(Protocol):
    """Writes to the lease. Every method ends before its deadline or raises :class:`CallError`.

    Not thread-safe: each thread uses a store of its own.
    """

    def open_session(self) -> str:
        """Registers the agent's check as passing and creates a session bound to it. Returns its id."""
        ...

    def resume(self, session: str) -> None:
        """Goes on with a session of this host's agent from before a restart.

        It is renewed, and its check registered anew, with the present token. Raises SESSION_GONE if Consul
        does not know it.
        """
        ...

    def renew(self, session: str) -> None:
        """Keeps the session's TTL going; proves nothing. Raises SESSION_GONE if Consul does not know it."""
        ...

    def feed(self) -> None:
        """Passes the agent's check; one that Consul has forgotten is registered again."""
        ...

    def sweep(self) -> None:
        """Removes what earlier agents of this host have registered; only for whoever has the host's name."""
        ...

    def destroy(self, session: str) -> None:
        """Ends the session; what it holds is released."""
        ...

    def acquire(self, session: str) -> Acquisition:
        """Takes the lock. Raises REFUSED if another session holds it; does no harm if it is ours already."""
        ...

    def beat(self, session: str, beat: Beat) -> None:
        """Writes the heartbeat if the lock is still the session's. Raises REFUSED if it is not."""
        ...

    def release(self, session: str, beat: Beat) -> None:
        """Writes the last heartbeat and releases the lock in one step. Raises REFUSED if it is not ours."""
        ...

    def record_dropped(self, term: int, node: str) -> None:
        """Records that the key of a lost term is confirmed gone."""
        ...

    def forget_dropped(self, before_term: int) -> None:
        """Removes records of terms before ``before_term``, which no one can wait for any more."""
        ...


class LeaseWatch(Protocol):
    """Blocking looks at the lease. Each returns the index to pass next, and what it saw.

    ``index`` ``None`` answers at once; otherwise a call returns when something changed, or after ``wait_s``.
    ``fast`` asks the leader, which shows a release some 70 ms earlier but can hang as long as there is none.
    """

    def lock(self, index: int | None, wait_s: float, fast: bool = False) -> tuple[int, LockView]: ...

    def heartbeat(
        self, index: int | None, wait_s: float, fast: bool = False
    ) -> tuple[int, StoredBeat | None]: ...

    def dropped(self, index: int | None, wait_s: float) -> tuple[int, frozenset[int]]: ...


def stored_beat(raw: bytes | None, index: int) -> StoredBeat | None:
    """A heartbeat as read; one that cannot be understood, or names no host, is as good as none."""
    try:
        beat = parse_beat(raw)
    except BeatError:
        return None
    return StoredBeat(beat, index) if beat is not None and _names_hosts(beat) else None


def _names_hosts(beat: Beat) -> bool:
    named = [beat.node] if beat.handover_to is None else [beat.node, beat.handover_to]
    return all(map(is_node_name, named)) and (beat.inherits is None or _names_hosts(beat.inherits))
