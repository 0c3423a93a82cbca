"""What the agent writes and reads in Consul besides the lease; nothing here is in a hurry."""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections.abc import Callable
from typing import Any

from hafailover.agent.persist import Complaints
from hafailover.clock import boottime
from hafailover.core import events as ev
from hafailover.core.words import Claim
from hafailover.lock.base import LeaseStore
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.roster import Entry, Roster
from hafailover.observe.records import NodeRecord, TermRecord, member_of

log = logging.getLogger(__name__)

PUBLISH_EVERY_S = 2.0
MEMBERS_EVERY_S = 2.0
"""Two beats: so soon this host learns that Consul has forgotten its record, too."""
KEY_EVERY_S = 10.0
"""The pool's public key hardly ever changes; it is read whenever the records are wanted at once, too."""
LONG_AGO = -60.0
"""On the clock, so that something is due at once."""
MISSING_AGAIN_S = 0.5
"""A look may be a moment behind the record that was written last."""
TRY_FOR_S = 60.0
"""How long a record that failed to be written is tried again."""
RETRY_S = 0.5
MOST_OF_A_TERM = 40
"""Of entries of the history on whether a host's work arrives: one that is ill for weeks must not fill it."""

Chore = Callable[[], None]


class Chores:
    """Publishes this host's record, reads the others', and writes what must be written once.

    :param record: makes the record to publish.
    """

    def __init__(
        self,
        store: LeaseStore,
        roster: Roster,
        node: str,
        record: Callable[[], NodeRecord],
        emit: Callable[[ev.Event], None],
    ) -> None:
        self._store = store
        self._roster = roster
        self._node = node
        self._record = record
        self._emit = emit
        self._session: str | None = None
        self._jobs: queue.Queue[tuple[str, Chore, float]] = queue.Queue()
        self._complaints = Complaints("this host's record in Consul")
        self._delayed = Complaints("what is to be written in Consul")
        self._published: dict[str, Any] = {}
        self._published_at = 0.0
        self._members_at = self._key_at = LONG_AGO
        self._key: str | None = None
        self._told_term, self._told = 0, 0

    def start(self) -> None:
        threading.Thread(target=self._run, name="chores", daemon=True).start()

    def use_session(self, session: str | None) -> None:
        if session is not None and self._session is None:
            self.once("preparing the pool's keys", self._roster.lay_out)
        self._session = session

    def touch(self) -> None:
        """This host's role has changed: publish it now, and look at the others."""
        self._published_at = self._members_at = self._key_at = LONG_AGO
        self._jobs.put(("", lambda: None, boottime()))

    def look_at_members(self) -> None:
        """Reads the others' records now."""
        self._members_at = self._key_at = LONG_AGO
        self._jobs.put(("", lambda: None, boottime()))

    def record_dropped(self, claim: Claim) -> None:
        self.once("recording the drop", lambda: self._store.record_dropped(claim))

    def record_term(self, record: TermRecord) -> None:
        name = f"{record.term:020d}.{record.event}"
        self.once("writing the history", lambda: self._roster.append_history(name, record.model_dump()))
        if record.event == "began":
            self.once("recording the key", lambda: self._roster.record_public_key(record.public_key))
            # Nobody waits any more for terms that ended before ours began.
            self.once("removing old records", lambda: self._store.forget_dropped(record.term))

    def record_production(self, record: TermRecord) -> None:
        """Writes that what this host signs does not arrive, or does again; not without end in one term."""
        if record.term != self._told_term:
            self._told_term, self._told = record.term, 0
        self._told += 1
        if self._told > MOST_OF_A_TERM:
            return
        name = f"{record.term:020d}.{record.event}.{uuid.uuid4().hex[:8]}"
        self.once("writing the history", lambda: self._roster.append_history(name, record.model_dump()))

    def answer(self, request_id: str, accepted: bool, reason: str) -> None:
        self.once("answering a wish", lambda: self._roster.answer(request_id, accepted, reason))

    def once(self, what: str, chore: Chore) -> None:
        """Does something once, or again for a minute while Consul fails."""
        self._jobs.put((what, chore, boottime() + TRY_FOR_S))

    def _run(self) -> None:
        while True:
            self._do_next()
            now = boottime()
            try:
                published, read = self._publish(now), self._read_members(now)
                # Where there was nothing to ask, nothing has been learned of Consul.
                if published or read:
                    self._complaints.fine()
            except CallError as error:
                self._complaints.trouble(str(error))

    def _do_next(self) -> None:
        due = min(self._published_at + PUBLISH_EVERY_S, self._members_at + MEMBERS_EVERY_S) - boottime()
        try:
            what, chore, give_up_at = self._jobs.get(timeout=max(0.05, due))
        except queue.Empty:
            return
        try:
            chore()
            if what:
                self._delayed.fine()
        except CallError as error:
            if boottime() >= give_up_at:
                log.error("%s: given up: %s", what, error)
                return
            self._delayed.trouble(str(error))
            timer = threading.Timer(RETRY_S, lambda: self._jobs.put((what, chore, give_up_at)))
            timer.daemon = True
            timer.start()

    def _publish(self, now: float) -> bool:
        """Publishes what has changed; whether there was anything."""
        if self._session is None or now - self._published_at < PUBLISH_EVERY_S:
            return False
        # Counted from the last whole multiple, so that it wakes up together with others.
        self._published_at = now - now % PUBLISH_EVERY_S
        data = self._record().model_dump()
        if data == self._published:
            return False
        session = self._session
        try:
            done = self._roster.publish(self._node, session, data)
        except CallError as error:
            self._published = {}
            if error.kind is Kind.SESSION_GONE:
                self._emit(ev.SessionGone(session))
            raise
        self._published = data if done else {}
        return True

    def _read_members(self, now: float) -> bool:
        """Reads the others' records if it is time; whether it was."""
        if now - self._members_at < MEMBERS_EVERY_S:
            return False
        self._members_at = now - now % MEMBERS_EVERY_S
        entries = self._roster.entries()
        self._look_for_own(entries, now)
        members = tuple(member_of(entry) for entry in entries)
        if now - self._key_at >= KEY_EVERY_S:
            self._read_key(now)
        self._emit(ev.MembersSeen(members, self._key))
        return True

    def _read_key(self, now: float) -> None:
        # Before the call: who wants it at once meanwhile may be too late for this one.
        self._key_at = now - now % KEY_EVERY_S
        try:
            self._key = self._roster.pool_public_key()
        except CallError:
            self._key_at = LONG_AGO
            raise

    def _look_for_own(self, entries: list[Entry], now: float) -> None:
        """Whoever reads the records finds this host's there, or it is written again."""
        session = self._session
        if session is None or any(one.node == self._node and one.session == session for one in entries):
            return
        self._published, self._published_at = {}, LONG_AGO
        self._members_at = now - MEMBERS_EVERY_S + MISSING_AGAIN_S
