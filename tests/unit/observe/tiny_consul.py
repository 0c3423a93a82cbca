"""As much of Consul's HTTP API as the roster, the looks and the session need, in memory and in this process.

How Consul itself behaves is what the contract tests are for; this one is quick, and can be made
to fail.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from hafailover.core.beat import Beat
from hafailover.lock.client import Address
from hafailover.lock.keys import PoolKeys

ACCOUNT = "pool.poolv1.near"
KEYS = PoolKeys(ACCOUNT)
LONGEST_WAIT_S = 5.0


@dataclass(slots=True)
class Item:
    value: bytes
    session: str | None
    created: int
    modified: int


class TinyConsul:
    """Serves within its ``with`` block."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.sessions: set[str] = set()
        self.feeds = 0
        self.self_answer: Any = {}
        self.down = False
        """Answers every call with an error, as a Consul without a leader does."""
        self.leaderless = False
        """Answers only what any server may answer by itself, as those do whose leader is lost."""
        self.servers: list[str] = ["127.0.0.1:8300"]
        self.lost_servers: set[str] = set()
        self.renews_all = False
        """Renews sessions that have ended, as a leader does that was cut off and comes back."""
        self.beats = False
        """Whoever waits for a beat gets another one, as of a host that is well."""
        self.hangs = threading.Event()
        """Reads are answered and writes are not, as by a leader whose disk hangs."""
        self.members: list[dict[str, Any]] = []
        self.tries = 0
        """Writes that change nothing and were carried out."""
        self.forgot_the_check = False
        """Knows no check until one is registered."""
        self.registers_nothing = False
        """Takes a registration and forgets it at once."""
        self.changed = threading.Condition()
        self._index = 10
        self._opened = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.address = Address(port=self.port)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hangs.clear()
        self._server.shutdown()
        self._server.server_close()

    # --- what tests do to it

    def put(self, key: str, value: Any, session: str | None = None) -> int:
        """Writes a key by hand, JSON unless it is bytes; the index it got."""
        with self.changed:
            if session is not None:
                self.sessions.add(session)
            raw = value if isinstance(value, bytes) else json.dumps(value).encode()
            return self._write(key, raw, session)

    def put_beat(self, beat: Beat) -> int:
        return self.put(KEYS.heartbeat, beat.to_json().encode())

    def publish(self, node: str, session: str | None, **record: Any) -> int:
        """A host's record, as its agent would write it."""
        return self.put(KEYS.nodes + node, {"node": node, **record}, session)

    def get(self, key: str) -> Any:
        """A key's JSON; ``None`` where there is none."""
        with self.changed:
            item = self.items.get(key)
            return json.loads(item.value) if item is not None else None

    def expire(self, session: str) -> None:
        """Ends a session; what it holds is released."""
        with self.changed:
            self.sessions.discard(session)
            for key, item in self.items.items():
                if item.session == session:
                    self._write(key, item.value, None)

    def await_key(self, key: str) -> Any:
        """A key's JSON as soon as it is there."""
        with self.changed:
            assert self.changed.wait_for(lambda: key in self.items, LONGEST_WAIT_S), f"no {key}"
        return self.get(key)

    # --- what it answers, always within ``changed``

    def _write(self, key: str, raw: bytes, session: str | None) -> int:
        self._index += 1
        before = self.items.get(key)
        created = before.created if before is not None else self._index
        self.items[key] = Item(raw, session, created, self._index)
        self.changed.notify_all()
        return self._index

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, int, Any]:
        """Status, index and JSON."""
        if self.down:
            return 500, self._index, "No cluster leader"
        if path.startswith("/v1/kv/"):
            if self.leaderless and "stale" not in query:
                return 500, self._index, "No cluster leader"
            key = path.removeprefix("/v1/kv/")
            if method == "DELETE":
                return self._delete(key, query)
            return self._put(key, query, body) if method == "PUT" else self._get(key, query)
        what, _, rest = path.removeprefix("/v1/").partition("/")
        if what == "session":
            return self._session(*rest.split("/"))
        if what == "status":
            leader = "" if self.leaderless else self.servers[0]
            return 200, self._index, self.servers if rest == "peers" else json.dumps(leader)
        if rest == "members":
            return 200, self._index, self.members
        if rest == "service/consul":
            return 200, self._index, [self._server_entry(one) for one in self.servers]
        if rest == "self":
            return 200, self._index, self.self_answer
        if rest == "services":
            return 200, self._index, {}
        if rest.startswith("check/pass/"):
            if self.forgot_the_check:
                return 500, self._index, "Unknown check"
            self.feeds += 1
        if rest == "service/register" and not self.registers_nothing:
            self.forgot_the_check = False
        return 200, self._index, None

    def _server_entry(self, server: str) -> dict[str, Any]:
        host, _, port = server.rpartition(":")
        status = "critical" if server in self.lost_servers else "passing"
        return {
            "Node": {"Address": host},
            "Service": {"Address": "", "Port": int(port)},
            "Checks": [{"CheckID": "serfHealth", "Status": status}],
        }

    def _get(self, key: str, query: dict[str, str]) -> tuple[int, int, Any]:
        def found() -> dict[str, Item]:
            recurse = "recurse" in query
            return {k: i for k, i in self.items.items() if k == key or (recurse and k.startswith(key))}

        def index() -> int:
            return max((item.modified for item in found().values()), default=1)

        if "index" in query:
            wait_s = min(float(query["wait"].removesuffix("s")), LONGEST_WAIT_S)
            item = self.items.get(key)
            if self.beats and not self.hangs.is_set() and key == KEYS.heartbeat and item is not None:
                self.changed.wait_for(lambda: index() > int(query["index"]) or self.down, 0.02)
                if index() <= int(query["index"]):
                    self._write(key, item.value, item.session)
            self.changed.wait_for(lambda: index() > int(query["index"]) or self.down, wait_s)
        entries = [_entry(k, item) for k, item in sorted(found().items())]
        return (200 if entries else 404), index(), entries

    def _put(self, key: str, query: dict[str, str], body: bytes) -> tuple[int, int, Any]:
        item = self.items.get(key)
        if "cas" in query and int(query["cas"]) != (item.modified if item is not None else 0):
            self.tries += 1
            return 200, self._index, False
        session = query.get("acquire")
        if session is not None:
            if session not in self.sessions:
                return 500, self._index, "invalid session"
            if item is not None and item.session not in (None, session):
                return 200, self._index, False
        self._write(key, body, session or (item.session if item is not None else None))
        return 200, self._index, True

    def _delete(self, key: str, query: dict[str, str]) -> tuple[int, int, Any]:
        item = self.items.get(key)
        if item is not None:
            if "cas" in query and int(query["cas"]) != item.modified:
                return 200, self._index, False
            del self.items[key]
            self._index += 1
            self.changed.notify_all()
        return 200, self._index, True

    def _session(self, verb: str, session: str = "") -> tuple[int, int, Any]:
        if verb == "create":
            self._opened += 1
            session = f"session-{self._opened}"
            self.sessions.add(session)
            return 200, self._index, {"ID": session}
        if verb == "list":
            nodes = {item.session: key for key, item in self.items.items() if key.startswith(KEYS.nodes)}
            listed = [{"ID": one, "Node": nodes[one].replace(KEYS.nodes, "consul-")} for one in nodes if one]
            return 200, self._index, listed
        if verb == "renew":
            known = self.renews_all or session in self.sessions
            return (200 if known else 404), self._index, [{"ID": session}]
        if verb == "info":
            known = session in self.sessions
            return 200, self._index, [{"ID": session, "Checks": ["serfHealth"]}] if known else []
        self.expire(session)
        return 200, self._index, True


def _entry(key: str, item: Item) -> dict[str, Any]:
    entry = {
        "Key": key,
        "Value": base64.b64encode(item.value).decode(),
        "CreateIndex": item.created,
        "ModifyIndex": item.modified,
    }
    return {**entry, "Session": item.session} if item.session is not None else entry


def _handler(consul: TinyConsul) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10.0

        def _serve(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            end = time.monotonic() + LONGEST_WAIT_S
            while consul.hangs.is_set() and self.command == "PUT" and "/kv/" in url.path:
                if time.monotonic() > end:
                    self.close_connection = True
                    return
                threading.Event().wait(0.01)
            with consul.changed:
                status, index, data = consul.answer(self.command, unquote(url.path), query, body)
            raw = data.encode() if isinstance(data, str) else json.dumps(data).encode()
            self.send_response(status)
            self.send_header("X-Consul-Index", str(index))
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are no news."""

    return Handler


@pytest.fixture
def consul() -> Iterator[TinyConsul]:
    with TinyConsul() as one:
        yield one


def until(look: Callable[[], object], what: str, within_s: float = LONGEST_WAIT_S) -> None:
    """Waits until ``look()`` comes true; fails after a deadline."""
    end = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < end, f"{what}: not within {within_s:g} s"
        time.sleep(0.01)
