"""Keeps a session with Consul alive, and this host's name its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from hafailover.agent.identity import SessionNote
from hafailover.agent.persist import Complaints, persist
from hafailover.clock import boottime, until_next
from hafailover.core import events as ev
from hafailover.lock.base import LeaseStore
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.roster import Roster
from hafailover.timing import Profile

log = logging.getLogger(__name__)

NAME_POLL_S = 0.5
LIFE_S = 2.5
"""Signs of life that are so far apart are no late writes of an agent that has gone, but a living one's."""


class NameTakenError(Exception):
    """Another agent with this host's name is alive."""


class SessionKeeper:
    """Opens the session, feeds the agent's check and renews the session, in a thread of its own.

    :param agent_id: this process's own, in its record, by which it knows what it has written itself.
    :param on_fatal: told when the agent must not run: another one has its name.
    """

    def __init__(
        self,
        store: LeaseStore,
        roster: Roster,
        state: SessionNote,
        node: str,
        agent_id: str,
        profile: Profile,
        emit: Callable[[ev.Event], None],
        on_fatal: Callable[[str], None],
    ) -> None:
        self._store = store
        self._roster = roster
        self._state = state
        self._node = node
        self._agent_id = agent_id
        self._profile = profile
        self._emit = emit
        self._on_fatal = on_fatal
        self._stop = threading.Event()
        self._complaints = Complaints("Consul")
        self._session: str | None = None
        self._abandoned: str | None = None
        self._wake = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="session", daemon=True).start()

    def lost(self, session: str) -> None:
        """Consul does not know the session any more: open another one."""
        if session == self._session:
            self._session = None
            self._wake.set()

    def abandon(self, session: str) -> None:
        """Destroys the session and opens another one."""
        self._abandoned = session
        self._wake.set()

    def _run(self) -> None:
        while True:
            try:
                if self._abandoned is not None:
                    self._destroy(self._abandoned)
                if self._session is None:
                    self._open()
                self._keep()
            except NameTakenError as error:
                self._on_fatal(str(error))
                return
            self._wake.wait(until_next(self._feed_every_s))
            self._wake.clear()

    @property
    def _feed_every_s(self) -> float:
        return min(self._profile.check_ttl_s / 3, 1.5)

    def _open(self) -> None:
        session = persist(self._old_session, self._stop, self._complaints)
        if session is None:
            persist(self._await_name, self._stop, self._complaints)
            session = persist(self._store.open_session, self._stop, self._complaints)
            self._state.note(session)
            log.info("a session with Consul is open")
        self._session = session
        # The name is claimed before the core may use the session, so that two agents never both stand.
        claimed = persist(self._claim, self._stop, self._complaints)
        if claimed is None:
            # A leader that was cut off renews sessions that have ended: only a write tells.
            log.warning("the session from before has ended after all")
            self._session = None
            self._state.forget()
            self._wake.set()
            return
        if not claimed:
            self._session = None
            self._destroy(session)
            raise NameTakenError(self._taken())
        # Before the session is used: terms mean nothing without the history that they belong to.
        history = persist(self._store.history_id, self._stop, self._complaints)
        self._emit(ev.HistorySeen(history, certain=True))
        self._emit(ev.SessionReady(session))
        try:
            self._store.sweep()
        except CallError as error:
            # They pass no check any more, and hold nothing: what is left of them is in nobody's way.
            log.info("%s", error)

    def _old_session(self) -> str | None:
        """The session of this host's agent before its restart, if Consul still knows it."""
        noted = self._state.session()
        if noted is None:
            return None
        try:
            self._store.resume(noted)
        except CallError as error:
            if error.kind is not Kind.SESSION_GONE:
                raise
            self._state.forget()
            return None
        log.info("going on with the session from before the restart")
        return noted

    def _claim(self) -> bool | None:
        """Whether the name is this session's; ``None`` if Consul does not know the session."""
        assert self._session is not None
        try:
            return self._roster.publish(self._node, self._session, self._first_record())
        except CallError as error:
            if error.kind is not Kind.SESSION_GONE:
                raise
            return None

    def _await_name(self) -> None:
        """Waits until no other session holds this host's name; one that shows life is another agent.

        :raises NameTakenError: it goes on changing its record, so it runs.
        """
        entry = self._roster.entry(self._node)
        if entry is None or entry.session is None:
            return
        log.info("an agent named %s has a session still; waiting for its end or a sign of life", self._node)
        seen, first_sign = entry.index, None
        pause = threading.Event()
        while entry is not None and entry.session is not None:
            # A write of this agent's own may take effect late, when a leader that hung is well again.
            if entry.index != seen and entry.data.get("agent") != self._agent_id:
                first_sign = boottime() if first_sign is None else first_sign
                if boottime() - first_sign >= LIFE_S:
                    raise NameTakenError(self._taken())
            seen = entry.index
            pause.wait(NAME_POLL_S)
            entry = self._roster.entry(self._node)

    def _first_record(self) -> dict[str, Any]:
        return {"v": 1, "node": self._node, "agent": self._agent_id, "role": "starting"}

    def _taken(self) -> str:
        return (
            f"node_name: another agent named {self._node} is alive in this pool; "
            "give each host a name of its own, or stop the other agent"
        )

    def _keep(self) -> None:
        session = self._session
        if session is None:
            return
        trouble = self._feed()
        # Whatever became of the check: that the session has ended must be learned, and soon.
        try:
            self._store.renew(session)
        except CallError as error:
            if error.kind is Kind.SESSION_GONE:
                log.warning("Consul has ended the session")
                self._session = None
                self._emit(ev.SessionGone(session))
                self._wake.set()
                return
            trouble = error
        if trouble is None:
            self._complaints.fine()
        else:
            self._complaints.trouble(str(trouble))

    def _feed(self) -> CallError | None:
        """Passes the check; what went wrong."""
        try:
            self._store.feed()
        except CallError as error:
            return error
        return None

    def _destroy(self, session: str) -> None:
        """Ends a session for certain: until Consul has confirmed it, its lock keeps everybody waiting."""
        persist(lambda: self._store.destroy(session), self._stop, self._complaints)
        self._abandoned = None
        self._state.forget()
        if session == self._session:
            self._session = None
