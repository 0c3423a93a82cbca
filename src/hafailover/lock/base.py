"""The lease store as the agent uses it. One contract test holds every implementation to this."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from hafailover.core.beat import HISTORY_ID, WORD, Beat, BeatError, StoredBeat, parse_beat
from hafailover.core.views import LockView
from hafailover.core.words import Claim
from hafailover.lock.fields import object_of
from hafailover.text import is_node_name, is_text

MAX_DROPPED_BYTES = 1024
MAX_HISTORY_BYTES = 256
MAX_TERM_DIGITS = 19
"""An index of Consul's is below 2**63."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What stood there when the lock was taken, or right after it.

    That is as good: once the lock is ours, no beat of an earlier term can succeed any more.
    """

    term: int
    """ModifyIndex of the lock: it only ever grows within a history."""
    predecessor: StoredBeat | None
    """The heartbeat as it stood; ``None`` if absent or unreadable."""
    dropped: frozenset[Claim]
    """Records of drops that could end the wait for this predecessor; nobody has checked their words."""
    history: str
    """The id of Consul's history."""


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
        """Writes the heartbeat if the lock is still the session's. Raises REFUSED if it is not.

        No two beats of a term may be equal: the second is no write, and is not confirmed (GARBAGE).
        """
        ...

    def release(self, session: str, beat: Beat) -> None:
        """Writes the last heartbeat and releases the lock in one step. Raises REFUSED if it is not ours."""
        ...

    def record_dropped(self, claim: Claim) -> None:
        """Records that the key of a lost term is confirmed gone, with the guard's word."""
        ...

    def history_id(self) -> str:
        """The id of Consul's history, made if there is none or what stands there is none."""
        ...

    def renew_history(self, history: str) -> None:
        """Gives the history a fresh id, unless it has another one than ``history`` already."""
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

    def dropped(self, index: int | None, wait_s: float) -> tuple[int, frozenset[Claim]]: ...

    def history(self, index: int | None, wait_s: float) -> tuple[int, str]:
        """The id of Consul's history; empty where there is none."""
        ...


def stored_beat(raw: bytes | None, index: int) -> StoredBeat | None:
    """A heartbeat as read; one that cannot be understood, cannot be, or names no host, is as good as none.

    A term is the index of an earlier write, so none is above the index of the heartbeat itself, and none of a
    predecessor is later than its own: whoever makes up one that nobody could ever exceed is not believed.
    """
    try:
        beat = parse_beat(raw)
    except BeatError:
        return None
    if beat is None or beat.term > index or not _names_hosts(beat):
        return None
    if beat.inherits is not None and beat.inherits.term > beat.term:
        return None
    return StoredBeat(beat, index)


def _names_hosts(beat: Beat) -> bool:
    named = [beat.node] if beat.handover_to is None else [beat.node, beat.handover_to]
    return all(map(is_node_name, named)) and (beat.inherits is None or _names_hosts(beat.inherits))


def dropped_record(name: str, raw: bytes | None, index: int) -> Claim | None:
    """A record of a drop as read; ``None`` for what is none.

    :param name: the last part of its key, which is the term.
    :param index: the record's own ModifyIndex.
    """
    term = _term(name)
    if term is None or not 0 < term <= index or raw is None or len(raw) > MAX_DROPPED_BYTES:
        return None
    data = object_of(raw)
    if data is None:
        return None
    node, height, history, word = (data.get(one) for one in ("node", "height", "history", "word"))
    if not is_text(node) or not 0 < len(node) <= 256:
        return None
    if not isinstance(height, int) or isinstance(height, bool) or not 0 <= height < 1 << 63:
        return None
    if not isinstance(word, str) or WORD.fullmatch(word) is None or not is_history_id(history):
        return None
    return Claim(term, history, node, height, None, word)


def dropped_json(claim: Claim) -> str:
    """What is recorded of a drop, under its term's own key."""
    fields = {"node": claim.node, "height": claim.height, "history": claim.history, "word": claim.word}
    return json.dumps(fields, separators=(",", ":"))


def is_history_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and HISTORY_ID.fullmatch(value) is not None


def history_of(raw: bytes | None) -> str:
    """The id of Consul's history as read; empty where there is none."""
    if raw is None or len(raw) > MAX_HISTORY_BYTES:
        return ""
    data = object_of(raw)
    found = data.get("id") if data is not None else None
    return found if is_history_id(found) else ""


def _term(name: str) -> int | None:
    # Python takes minutes for a number of some thousand digits, or refuses it.
    return int(name) if name.isascii() and name.isdigit() and len(name) <= MAX_TERM_DIGITS else None
