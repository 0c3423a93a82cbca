"""What is served: which path has which answer, each made anew at most a few times a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from hafailover.clock import boottime
from hafailover.observe.health import Answer as Health
from hafailover.observe.moving import FirstSeen
from hafailover.observe.records import NodeRecord
from hafailover.web import documents
from hafailover.web.access import Doorkeeper
from hafailover.web.messages import JSON, TEXT, Answer, Request, text
from hafailover.web.pool_watch import PoolWatch

KEEP_S = 0.25
"""How old a rendered answer may be."""
MOST_FORMATS = 8
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/timeline.js": ("timeline.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
API = ("/api/status", "/api/history", "/api/schema")
OTHERS = ("/metrics", "/healthz", "/readyz")
NOT_FOUND = text(404, f"there is {', '.join(('/', *OTHERS, *API))}")
READ_ONLY = text(405, "only GET and HEAD: nothing can be changed here", ("Allow", "GET, HEAD"))


@dataclass(frozen=True, slots=True)
class Sources:
    """What the agent knows of itself; each is called from the threads that answer.

    ``refresh`` sets the gauges. ``beat`` is the last one that succeeded: when it was sent (CLOCK_BOOTTIME)
    and how long it took, in seconds. ``newest_beat`` is that of whoever holds the lock, as the watch saw it.
    """

    account_id: str
    registry: CollectorRegistry
    refresh: Callable[[], None]
    health: Callable[[], Health]
    ready: Callable[[], Health]
    record: Callable[[], NodeRecord]
    beat: Callable[[], tuple[float, float] | None]
    newest_beat: FirstSeen = lambda: None


class Site:
    """Answers requests."""

    def __init__(self, sources: Sources, pool: PoolWatch, door: Doorkeeper) -> None:
        self._sources = sources
        self._pool = pool
        self._door = door
        self._formats: dict[str, _Kept] = {}
        self._formats_lock = threading.Lock()
        self._assets = {path: _asset(*where) for path, where in PAGE.items()}
        self._schema = Answer(200, documents.schema_text().encode(), "application/schema+json")
        status, history = _Kept(self._make_status), _Kept(self._make_history)
        self._routes: Mapping[str, Callable[[Request], Answer]] = {
            "/metrics": self._metrics,
            "/healthz": lambda _: _health(sources.health()),
            "/readyz": lambda _: _health(sources.ready()),
            "/api/status": lambda _: self._after_look(status),
            "/api/history": lambda _: self._after_look(history),
            "/api/schema": lambda _: self._schema,
        }

    def respond(self, request: Request) -> Answer:
        refusal = self._door.refusal(request)
        if refusal is not None:
            return refusal
        if request.method not in ("GET", "HEAD"):
            return READ_ONLY
        asset = self._assets.get(request.path)
        if asset is not None:
            return asset
        make = self._routes.get(request.path)
        return make(request) if make is not None else NOT_FOUND

    def _metrics(self, request: Request) -> Answer:
        encode, kind = choose_encoder(request.headers.get("accept", ""))

        def make() -> Answer:
            self._sources.refresh()
            return Answer(200, encode(self._sources.registry), kind)

        with self._formats_lock:
            if kind not in self._formats and len(self._formats) >= MOST_FORMATS:
                # The kind holds words of the request; nobody is to fill the memory with them.
                self._formats.clear()
            kept = self._formats.setdefault(kind, _Kept(make))
        return kept.get()

    def _after_look(self, kept: _Kept) -> Answer:
        self._pool.ask()
        return kept.get()

    def _make_status(self) -> Answer:
        sources = self._sources
        document = documents.status(
            sources.account_id,
            sources.record(),
            sources.health(),
            sources.beat(),
            self._pool.view(),
            boottime(),
        )
        return Answer(200, document.model_dump_json().encode(), JSON)

    def _make_history(self) -> Answer:
        sources = self._sources
        document = documents.history(sources.account_id, sources.record().node, self._pool.view(), boottime())
        return Answer(200, document.model_dump_json().encode(), JSON)


class _Kept:
    """An answer that is made anew when it is older than :data:`KEEP_S`, by one thread while others wait."""

    def __init__(self, make: Callable[[], Answer]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made_at = -1e9
        self._answer = text(500, "")

    def get(self) -> Answer:
        with self._lock:
            if boottime() - self._made_at > KEEP_S:
                self._answer = self._make()
                self._made_at = boottime()
            return self._answer


def _health(answer: Health) -> Answer:
    return Answer(200 if answer.good else 503, f"{answer.text}\n".encode(), TEXT)


def _asset(name: str, kind: str) -> Answer:
    return Answer(200, (resources.files("hafailover.web") / "assets" / name).read_bytes(), kind)
