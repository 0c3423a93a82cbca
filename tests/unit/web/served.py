"""The agent's HTTP without an agent: its answers are what a test puts in."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from prometheus_client import CollectorRegistry, Gauge

from hafailover.config.settings import HttpSettings, Settings
from hafailover.lock.client import Address
from hafailover.observe.health import Answer
from hafailover.observe.look import Look
from hafailover.observe.records import NodeRecord
from hafailover.web.access import Doorkeeper, names_of
from hafailover.web.pool_watch import PoolWatch
from hafailover.web.server import WebServer
from hafailover.web.site import Site, Sources

from ..observe.tiny_consul import ACCOUNT

NOWHERE = Address(port=1)


class Served:
    """Serves within its ``with`` block."""

    def __init__(
        self,
        consul: Address = NOWHERE,
        token: str | None = None,
        tls: Any = None,
        names: tuple[str, ...] = (),
    ) -> None:
        self.healthy = Answer(True, "active: it beats")
        self.ready = Answer(True, "active: it beats")
        self.record = NodeRecord(node="a", role="active", reason="it beats", ready=True, height=100, term=20)
        self.beat: tuple[float, float] | None = None
        registry = CollectorRegistry()
        gauge = Gauge("hafailover_term", "The term", registry=registry)
        self.refreshed = 0

        def refresh() -> None:
            self.refreshed += 1
            gauge.set(self.refreshed)

        self.sources = Sources(
            ACCOUNT,
            registry,
            refresh,
            lambda: self.healthy,
            lambda: self.ready,
            lambda: self.record,
            lambda: self.beat,
        )
        self.looks = 0

        class Counted(Look):
            def take_with_history(look) -> Any:
                self.looks += 1
                return super().take_with_history()

        self.pool = PoolWatch(lambda: Counted(consul, ACCOUNT))
        self.site = Site(self.sources, self.pool, Doorkeeper(token, names_of(self.settings(token, names))))
        self.server = WebServer(("127.0.0.1", 0), self.site.respond, tls)

    def settings(self, token: str | None, names: tuple[str, ...]) -> Settings:
        token_file = None if token is None else Path("/a/token")
        return Settings(
            account_id=ACCOUNT, node_name="Host1", http=HttpSettings(names=names, token_file=token_file)
        )

    def __enter__(self) -> Self:
        self.pool.start()
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()

    def get(self, path: str, method: str = "GET", **more: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.server.url.rstrip("/") + path, timeout=5, **more)


def dial(server: WebServer) -> socket.socket:
    """A connection on which nothing has been said."""
    return socket.create_connection(server.address, timeout=5)


def everything(sock: socket.socket) -> bytes:
    """What comes until the other side ends the connection."""
    found = b""
    while chunk := sock.recv(65536):
        found += chunk
    return found
