"""A receiver of webhooks on loopback that keeps what it gets, and answers as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

SECRET_PATH = "/services/T00000000/xoxb-2b7e151628aed2a6"


class Receiver:
    """Serves within its ``with`` block.

    :ivar statuses: the next answers; 204 once they are used up.
    :ivar hold: an answer waits until it is set.
    """

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.hold = threading.Event()
        self.hold.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                receiver.got.append((dict(self.headers), body))
                receiver.hold.wait(30)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}{SECRET_PATH}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in list(self.got)]


Count = Callable[[str, str], None]


class Counts:
    """Counts as the metrics do."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def __call__(self, channel: str, outcome: str) -> None:
        self.all.append((channel, outcome))

    def of(self, outcome: str) -> int:
        return [found for _, found in list(self.all)].count(outcome)
