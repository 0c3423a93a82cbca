"""The lease in Consul, over python-consul2."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from consul import base as consul_base

from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.core.views import LockView
from hafailover.core.words import Claim
from hafailover.lock.base import Acquisition, dropped_json, dropped_record, history_of, stored_beat
from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.fields import index_of, key_of, session_of, watch_index
from hafailover.lock.keys import OLD_SERVICE, PoolKeys, service_name
from hafailover.lock.policy import service_rule, session_rule
from hafailover.text import is_node_name, is_text
from hafailover.timing import Profile

T = TypeVar("T")
log = logging.getLogger(__name__)

HISTORY_TRIES = 3
"""The id is read, made where there is none, and read again: somebody else may have made it meanwhile."""

WATCH_SLACK_S = 2.0
"""A blocking query may take a sixteenth longer than asked, plus the way there and back."""

OLD_SERVICE_RULE = f'service "{OLD_SERVICE}" {{ policy = "write" }}'


class _Forgotten(CallError):
    """Consul did not pass the check, perhaps since it does not know it."""


class ConsulLease:
    """The lease's writes.

    :param node: this host's name in the pool.
    :param consul_node: the Consul node that the session is bound to, for the ACL rule in messages.
    """

    def __init__(
        self, address: Address, account_id: str, node: str, profile: Profile, consul_node: str = "NODE"
    ) -> None:
        self._consul = connect(address, profile.call_deadline_s)
        self._token = address.token
        self._keys = PoolKeys(account_id)
        self._node = node
        self._profile = profile
        self._session_rule = session_rule(consul_node)
        self._service = service_name(account_id, node)
        self._service_rule = service_rule(account_id, node)
        self._old_id = f"{OLD_SERVICE}-{node}-{account_id}"
        self._service_id = self._new_id()
        self._registered: int | None = None
        """With which token the service is registered, by its number."""
        self._confirmed = 0, 0
        """The term and the ModifyIndex of the last beat that Consul has confirmed."""

    def open_session(self) -> str:
        self._service_id, self._registered = self._new_id(), None
        # A Consul agent that was restarted remembers the check as critical, whatever it is registered as.
        self.feed()
        session = call(
            "creating the session",
            self._session_rule,
            lambda: self._consul.session.create(
                name=f"hafailover/{self._keys.account_id}/{self._node}",
                checks=["serfHealth", f"service:{self._service_id}"],
                ttl=self._profile.session_ttl_s,
                # Consul's lock-delay would come on top of detection; the successor's own wait does not.
                lock_delay=0,
                behavior="release",
            ),
        )
        if not is_text(session) or not session:
            raise CallError(Kind.GARBAGE, "creating the session: Consul returned no session id")
        return session

    def resume(self, session: str) -> None:
        self.renew(session)

        def look() -> dict[str, Any]:
            # Not out of the past of a leader that was cut off, which would renew any session, too.
            _, found = self._consul.session.info(session, consistency="consistent")
            if found is None:
                raise CallError(Kind.SESSION_GONE, "looking at the session: Consul does not know it")
            if not isinstance(found, dict):
                raise ValueError("no session")
            return found

        self._service_id = (
            _service_of(call("looking at the session", self._session_rule, look)) or self._old_id
        )
        self._registered = None
        self.feed()

    def renew(self, session: str) -> None:
        answer = call("renewing the session", self._session_rule, lambda: self._consul.session.renew(session))
        if not isinstance(answer, dict) or answer.get("ID") != session:
            raise CallError(Kind.GARBAGE, "renewing the session: Consul returned another one")

    def feed(self) -> None:
        # Consul's agent goes on telling the servers of the check with the token that it was registered with.
        if self._registered == self._token.number:
            with contextlib.suppress(_Forgotten):
                self._pass_check()
                return
        self._register()
        self._pass_check()

    def sweep(self) -> None:
        def sweep() -> None:
            # Consul shows those alone that the token may write, or at least read.
            for id_, one in self._consul.agent.services().items():
                ours = one["Service"] == self._service or id_ == self._old_id
                if ours and id_ != self._service_id and not id_.startswith(f"{self._service}-doctor-"):
                    self._consul.agent.service.deregister(id_)

        call("removing what earlier agents have registered", self._service_rule, sweep)

    def _new_id(self) -> str:
        """One that nobody can guess: who knows it, and may write any service at all, can end the session."""
        return f"{self._service}-{secrets.token_hex(16)}"

    def _register(self) -> None:
        check = {**consul_base.Check.ttl(f"{self._profile.check_ttl_s:g}s"), "Status": "passing"}
        rule = self._service_rule
        if self._service_id == self._old_id:
            # It gets the new name, which takes the right to both.
            rule += " " + OLD_SERVICE_RULE
        number = self._token.number
        call(
            "registering the agent's check",
            rule,
            lambda: self._consul.agent.service.register(
                self._service, service_id=self._service_id, check=check
            ),
        )
        if self._registered not in (None, number):
            log.info("the agent's check is registered with the new token")
        self._registered = number

    def _pass_check(self) -> None:
        try:
            done = call(
                "passing the agent's check",
                self._service_rule,
                lambda: self._consul.agent.check.ttl_pass(f"service:{self._service_id}"),
            )
        except CallError as error:
            # How Consul says that it does not know the check differs from version to version.
            if error.kind in (Kind.UNREACHABLE, Kind.DENIED):
                raise
            raise _Forgotten(error.kind, str(error)) from None
        if done is not True:
            raise _Forgotten(Kind.GARBAGE, "passing the agent's check: Consul did not confirm it")

    def destroy(self, session: str) -> None:
        call("ending the session", self._session_rule, lambda: self._consul.session.destroy(session))

    def acquire(self, session: str) -> Acquisition:
        return self.found(self.take(session))

    def take(self, session: str) -> int:
        """Takes the lock, and nothing more; returns the term."""
        value = json.dumps({"node": self._node})

        def read(results: list[dict[str, Any]]) -> int:
            lock = _entry(results, self._keys.lock)
            if lock is None or lock.get("Session") != session:
                raise CallError(Kind.GARBAGE, "acquiring the lock: Consul did not confirm the holder")
            return index_of(lock)

        operation = {"Verb": "lock", "Key": self._keys.lock, "Value": _b64(value), "Session": session}
        return self._transact("acquiring the lock", read, operation)

    def found(self, term: int) -> Acquisition:
        """What was there when the term began.

        Each is read by its own key: a transaction can only ask for a key that may be absent together with all
        that begins with its name, and there somebody may have put more than can be read in time.
        """
        history = self.history_id()
        beat = self._read("reading the heartbeat", self._keys.heartbeat)
        predecessor = stored_beat(beat.get("Value"), index_of(beat)) if beat is not None else None
        return Acquisition(term, predecessor, self._dropped_by(predecessor), history)

    def _dropped_by(self, predecessor: StoredBeat | None) -> frozenset[Claim]:
        if predecessor is None:
            return frozenset()
        claims = set()
        for beat in (predecessor.beat, predecessor.beat.inherits):
            if beat is None or beat.phase is Phase.RELEASED:
                continue
            name = str(beat.term)
            entry = self._read("reading the record of a drop", self._keys.dropped + name)
            if entry is not None:
                claims.add(dropped_record(name, entry.get("Value"), index_of(entry)))
        return frozenset(claim for claim in claims if claim is not None)

    def history_id(self) -> str:
        for _ in range(HISTORY_TRIES):
            entry = self._read("reading the history's id", self._keys.history_id)
            found = history_of(entry.get("Value")) if entry is not None else ""
            if found:
                return found
            self._make_history(index_of(entry) if entry is not None else 0)
        raise CallError(Kind.GARBAGE, "reading the history's id: Consul does not keep the one it was given")

    def renew_history(self, history: str) -> None:
        entry = self._read("reading the history's id", self._keys.history_id)
        if entry is not None and history_of(entry.get("Value")) == history:
            self._make_history(index_of(entry))

    def _make_history(self, index: int) -> None:
        """Makes a fresh id where nobody has written since ``index``; 0 where there was no key."""
        value = json.dumps({"id": secrets.token_hex(16)})
        call(
            "making the history's id",
            self._keys.rule,
            lambda: self._consul.kv.put(self._keys.history_id, value, cas=index),
        )

    def _read(self, what: str, key: str) -> dict[str, Any] | None:
        """One key, as the leader has it, confirmed by a majority that it is the leader still."""

        def read() -> dict[str, Any] | None:
            _, entry = self._consul.kv.get(key, consistency="consistent")
            if entry is None:
                return None
            if key_of(entry) != key:
                raise ValueError("another key than the one asked for")
            return dict(entry)

        return call(what, self._keys.rule, read)

    def beat(self, session: str, beat: Beat) -> None:
        self._transact(
            "the beat",
            lambda results: self._confirm("the beat", results, session, beat.term),
            *self._still_ours(session, beat.term),
            {"Verb": "set", "Key": self._keys.heartbeat, "Value": _b64(beat.to_json())},
        )

    def release(self, session: str, beat: Beat) -> None:
        value = json.dumps({"node": self._node})
        self._transact(
            "releasing the lock",
            lambda results: self._confirm("releasing the lock", results, session, beat.term),
            *self._still_ours(session, beat.term),
            {"Verb": "set", "Key": self._keys.heartbeat, "Value": _b64(beat.to_json())},
            {"Verb": "unlock", "Key": self._keys.lock, "Value": _b64(value), "Session": session},
        )

    def record_dropped(self, claim: Claim) -> None:
        self._put("recording the drop", f"{self._keys.dropped}{claim.term}", dropped_json(claim))

    def forget_dropped(self, before_term: int) -> None:
        def forget() -> None:
            _, entries = self._consul.kv.get(self._keys.dropped, recurse=True)
            for claim in _records(entries, self._keys.dropped):
                if claim.term < before_term:
                    self._consul.kv.delete(f"{self._keys.dropped}{claim.term}")

        call("removing old records", self._keys.rule, forget)

    def _still_ours(self, session: str, term: int) -> list[dict[str, Any]]:
        """The lock is the session's, and in this very term.

        The session alone would not do: a call that was thought lost can arrive late, when the same session
        has taken the lock anew, and a late release would free it under an armed host.
        """
        return [
            {"Verb": "check-session", "Key": self._keys.lock, "Session": session},
            {"Verb": "check-index", "Key": self._keys.lock, "Index": term},
        ]

    def _put(self, what: str, key: str, value: str) -> None:
        done = call(what, self._keys.rule, lambda: self._consul.kv.put(key, value))
        if done is not True:
            raise CallError(Kind.GARBAGE, f"{what}: Consul did not confirm it")

    def _transact(
        self, what: str, read: Callable[[list[dict[str, Any]]], T], *operations: dict[str, Any]
    ) -> T:
        """One Raft entry: it succeeds as a whole, in one order with everybody's; `read` gets its results."""
        payload = [{"KV": operation} for operation in operations]

        def transact() -> T:
            answer = self._consul.txn.put(payload)
            if answer.get("Errors"):
                raise CallError(
                    Kind.GARBAGE, f"{what}: Consul says both that it was done and that it was not"
                )
            return read([entry["KV"] for entry in answer["Results"]])

        return call(what, self._keys.rule, transact)

    def _confirm(self, what: str, results: list[dict[str, Any]], session: str, term: int) -> None:
        """A success must show the lock as ours in this term and a heartbeat that is newer, or it is no proof.

        Whatever brought it here: the answer to an earlier beat confirms no later one.
        """
        lock, beat = _entry(results, self._keys.lock), _entry(results, self._keys.heartbeat)
        ours = lock is not None and lock.get("Session") == session and index_of(lock) == term
        written = index_of(beat) if beat is not None else 0
        last_term, last = self._confirmed
        if not ours or written <= (last if last_term == term else term):
            raise CallError(Kind.GARBAGE, f"{what}: Consul's answer does not confirm it")
        self._confirmed = term, written


class ConsulWatch:
    """Blocking queries on the lease: stale, so that they outlive Consul's leader, and with a deadline."""

    def __init__(self, address: Address, account_id: str, wait_s: float) -> None:
        self._consul = connect(address, wait_s * 17 / 16 + WATCH_SLACK_S)
        self._keys = PoolKeys(account_id)

    def lock(self, index: int | None, wait_s: float, fast: bool = False) -> tuple[int, LockView]:
        return self._get(
            self._keys.lock, index, wait_s, lock_view, consistency="default" if fast else "stale"
        )

    def heartbeat(
        self, index: int | None, wait_s: float, fast: bool = False
    ) -> tuple[int, StoredBeat | None]:
        def read(entry: Any) -> StoredBeat | None:
            return stored_beat(entry["Value"], index_of(entry)) if entry is not None else None

        return self._get(
            self._keys.heartbeat, index, wait_s, read, consistency="default" if fast else "stale"
        )

    def dropped(self, index: int | None, wait_s: float) -> tuple[int, frozenset[Claim]]:
        def read(entries: Any) -> frozenset[Claim]:
            return _records(entries, self._keys.dropped)

        return self._get(self._keys.dropped, index, wait_s, read, recurse=True)

    def history(self, index: int | None, wait_s: float) -> tuple[int, str]:
        def read(entry: Any) -> str:
            return history_of(entry["Value"]) if entry is not None else ""

        return self._get(self._keys.history_id, index, wait_s, read)

    def _get(
        self,
        key: str,
        index: int | None,
        wait_s: float,
        read: Callable[[Any], T],
        *,
        consistency: str = "stale",
        recurse: bool = False,
    ) -> tuple[int, T]:
        def get() -> tuple[int, T]:
            at, data = self._consul.kv.get(
                key, index=index, wait=f"{wait_s:g}s", consistency=consistency, recurse=recurse
            )
            return watch_index(at), read(data)

        return call(f"watching {key}", self._keys.rule, get)


def _service_of(session: dict[str, Any]) -> str | None:
    """The id of the service whose check a session is bound to."""
    checks = session.get("Checks") or session.get("NodeChecks") or []
    found = [one.removeprefix("service:") for one in checks if is_text(one) and one.startswith("service:")]
    return found[0] if found else None


def _records(entries: Any, prefix: str) -> frozenset[Claim]:
    """What is a record of a drop; anything else below the prefix is left where it is."""
    found = (
        dropped_record(key_of(entry).removeprefix(prefix), entry["Value"], index_of(entry))
        for entry in entries or []
    )
    return frozenset(claim for claim in found if claim is not None)


def lock_view(entry: dict[str, Any] | None) -> LockView:
    """The lock out of Consul's answer; one that was never taken is free."""
    if entry is None:
        return LockView(None, None, 0)
    return LockView(session_of(entry), _node_of(entry), index_of(entry))


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _entry(results: list[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """The first entry for a key: a transaction that checks and then unlocks returns the lock twice."""
    return next((entry for entry in results if entry.get("Key") == key), None)


def _node_of(entry: dict[str, Any]) -> str | None:
    try:
        node = json.loads(entry["Value"] or b"{}").get("node")
    except (ValueError, AttributeError, RecursionError):
        return None
    return node if is_node_name(node) else None
