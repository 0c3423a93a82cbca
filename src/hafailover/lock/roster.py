"""What the hosts of a pool tell each other beside the lease: who is there, wishes, answers, the history."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from hafailover.core.views import Request
from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.consul import WATCH_SLACK_S
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.fields import index_of, key_of, object_of, session_of, watch_index
from hafailover.lock.keys import PoolKeys
from hafailover.lock.servers import whom_to_stop
from hafailover.text import is_node_name, is_text

BLAME_S = 0.5
"""Of each call that finds out whom to stop: nobody waits for it long."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A host's record as stored. ``session`` is that of its agent; ``None`` when the agent is gone."""

    node: str
    session: str | None
    index: int
    data: dict[str, Any]


def is_entry(item: dict[str, Any], prefix: str) -> bool:
    """Whether the key's name is one that a host can have; what else is there was written by no agent."""
    return is_node_name(key_of(item).removeprefix(prefix))


def entry_of(item: dict[str, Any], prefix: str) -> Entry:
    """A host's record out of Consul's answer; ``prefix`` stands before its name in the key."""
    return Entry(
        node=key_of(item).removeprefix(prefix),
        session=session_of(item),
        index=index_of(item),
        data=object_of(item.get("Value")) or {},
    )


class Roster:
    """Records below the pool's prefix. For one thread; every call ends within ``deadline_s`` seconds."""

    def __init__(self, address: Address, account_id: str, deadline_s: float) -> None:
        self._consul = connect(address, deadline_s)
        self._keys = PoolKeys(account_id)

    def publish(self, node: str, session: str, data: dict[str, Any]) -> bool:
        """Writes this host's record under its session; ``False`` if another session holds the name."""
        key = self._keys.nodes + node
        done = self._call(
            "publishing this host's record",
            lambda: self._consul.kv.put(key, json.dumps(data, separators=(",", ":")), acquire=session),
        )
        return done is True

    def entry(self, node: str) -> Entry | None:
        """One host's record."""

        def read() -> Entry | None:
            _, data = self._consul.kv.get(self._keys.nodes + node, consistency="consistent")
            return entry_of(data, self._keys.nodes) if data is not None else None

        return call("reading a host's record", self._keys.rule, read)

    def entries(self, stale: bool = True) -> list[Entry]:
        """All hosts' records, by name."""

        def read() -> list[Entry]:
            _, data = self._consul.kv.get(
                self._keys.nodes, recurse=True, consistency="stale" if stale else "default"
            )
            nodes = self._keys.nodes
            entries = [entry_of(item, nodes) for item in data or [] if is_entry(item, nodes)]
            return sorted(entries, key=lambda entry: entry.node)

        return call("reading the hosts' records", self._keys.rule, read)

    def pool_public_key(self) -> str | None:
        """The public key on record for the pool."""
        data = self._get_json(self._keys.pool)
        key = data.get("public_key") if data else None
        return key if isinstance(key, str) else None

    def record_public_key(self, public_key: str) -> None:
        """Puts the pool's public key on record, once; a key that is on record stays."""
        value = json.dumps({"public_key": public_key})
        self._call(
            "recording the pool's public key", lambda: self._consul.kv.put(self._keys.pool, value, cas=0)
        )

    def append_history(self, name: str, data: dict[str, Any]) -> None:
        """Adds an entry that is never changed again."""
        key = self._keys.history + name
        self._call("writing the history", lambda: self._consul.kv.put(key, json.dumps(data), cas=0))

    def history(self) -> list[dict[str, Any]]:
        """The whole history, oldest first."""

        def read() -> list[tuple[int, dict[str, Any] | None]]:
            _, data = self._consul.kv.get(self._keys.history, recurse=True)
            return [(index_of(item, "CreateIndex"), object_of(item.get("Value"))) for item in data or []]

        entries = call("reading the history", self._keys.read_rule, read)
        return [value for _, value in sorted(entries, key=lambda entry: entry[0]) if value]

    def lay_out(self) -> None:
        """Makes sure that what is watched exists: a watch on an absent key wakes at every write to Consul."""
        for key in (self._keys.request, self._keys.dropped + ".keep", self._keys.orders + ".keep"):
            self._call("preparing the pool's keys", lambda key=key: self._consul.kv.put(key, "{}", cas=0))

    def ask(self, session: str, request: Request) -> bool:
        """Puts an operator's wish; ``False`` if another one is under way."""
        value = json.dumps(asdict(request))
        done = self._call(
            "asking for a switchover",
            lambda: self._consul.kv.put(self._keys.request, value, acquire=session),
            rule=self._keys.request_rule,
        )
        return done is True

    def answer(self, request_id: str, accepted: bool, reason: str) -> None:
        value = json.dumps({"id": request_id, "accepted": accepted, "reason": reason})
        self._call("answering a wish", lambda: self._consul.kv.put(self._keys.answer, value))

    def answer_to(self, request_id: str) -> tuple[bool, str] | None:
        """What the active made of a wish; ``None`` as long as it has not answered."""
        data = self._get_json(self._keys.answer)
        if not data or data.get("id") != request_id:
            return None
        return data.get("accepted") is True, str(data.get("reason", ""))

    @contextmanager
    def wish(self, request: Request, complain: Callable[[str], None]) -> Iterator[str | None]:
        """Puts a wish for as long as the block lasts. Yields its session; ``None`` if another wish stands.

        :param complain: told if the wish could not be taken back at the end.
        """
        session = self.open_wish_session()
        try:
            yield session if self.ask(session, request) else None
        finally:
            try:
                self.close_session(session)
            except CallError as error:
                complain(f"the wish could not be taken back, and lapses by itself within 20 s: {error}")

    def open_wish_session(self) -> str:
        """A session whose end voids the wish: one that nobody waits for must not be acted on."""
        session = self._call(
            "creating a session",
            lambda: self._consul.session.create(
                name="hafailover/command", ttl=10, lock_delay=0, behavior="release"
            ),
            rule='session "NODE" { policy = "write" }',
        )
        if not is_text(session) or not session:
            raise CallError(Kind.GARBAGE, "creating a session: Consul returned no session id")
        return session

    def renew_session(self, session: str) -> None:
        """:raises CallError: also where the session has ended."""
        self._call(
            "renewing a session",
            lambda: self._consul.session.renew(session),
            rule='session "NODE" { policy = "write" }',
        )

    def close_session(self, session: str) -> None:
        self._call(
            "ending a session",
            lambda: self._consul.session.destroy(session),
            rule='session "NODE" { policy = "write" }',
        )

    def _call(self, what: str, function: Any, rule: str | None = None) -> Any:
        return call(what, rule or self._keys.rule, function)

    def _get_json(self, key: str) -> dict[str, Any] | None:
        _, data = self._call(f"reading {key}", lambda: self._consul.kv.get(key), rule=self._keys.read_rule)
        return object_of(data.get("Value")) if data else None


def whom_to_stop_in(address: Address, account_id: str) -> str:
    """Which server to stop where Consul does not commit, by the name of its host in the pool, in a sentence.

    :raises CallError: the hosts' records cannot be read.
    """
    entries = Roster(address, account_id, BLAME_S).entries()
    return whom_to_stop(connect(address, BLAME_S), {e.node: e.session for e in entries if e.session})


class RequestWatch:
    """A blocking look at the operators' wishes."""

    def __init__(self, address: Address, account_id: str, wait_s: float) -> None:
        self._consul = connect(address, wait_s * 17 / 16 + WATCH_SLACK_S)
        self._keys = PoolKeys(account_id)

    def request(self, index: int | None, wait_s: float) -> tuple[int, Request | None]:
        def get() -> tuple[int, Request | None]:
            at, data = self._consul.kv.get(
                self._keys.request, index=index, wait=f"{wait_s:g}s", consistency="stale"
            )
            # A wish without a session is one that its asker has left behind.
            value = object_of(data.get("Value")) if data and session_of(data) else None
            return watch_index(at), _request(value)

        return call("watching for wishes", self._keys.rule, get)


def _request(value: dict[str, Any] | None) -> Request | None:
    if value is None:
        return None
    request_id, to, term = value.get("id"), value.get("to"), value.get("term")
    first, last = value.get("from_height", 0), value.get("to_height", 0)
    if not isinstance(request_id, str) or not isinstance(to, str):
        return None
    if not (_is_whole(term) and _is_whole(first) and _is_whole(last)):
        return None
    # Not in the wish of an older version; whoever meant it can say so again.
    return Request(request_id, to, term, first, last, value.get("despite_budget") is True)


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
