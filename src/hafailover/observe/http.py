"""The agent's HTTP: ``/metrics``, ``/healthz``, ``/readyz``. In threads of its own, away from the lease."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from hafailover.observe.health import Answer

REQUEST_DEADLINE_S = 10.0


class ListenError(Exception):
    """The address cannot be listened on; the text names the setting."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(WSGIRequestHandler):
    # A client that sends its request drop by drop is cut off.
    timeout = REQUEST_DEADLINE_S

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no news."""


def serve(
    address: tuple[str, int],
    registry: CollectorRegistry,
    refresh: Callable[[], None],
    health: Callable[[], Answer],
    ready: Callable[[], Answer],
) -> WSGIServer:
    """Starts serving and returns the server.

    :param refresh: called before each scrape, to set the gauges.
    :raises ListenError: the address is taken or not this machine's.
    """
    metrics = make_wsgi_app(registry)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                refresh()
                body: Iterable[bytes] = metrics(environ, start_response)
                return body
            case "/healthz":
                return _answer(health(), start_response)
            case "/readyz":
                return _answer(ready(), start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"there is /metrics, /healthz and /readyz\n"]

    try:
        server = make_server(*address, app, server_class=_Server, handler_class=_Handler)
    except OSError as error:
        raise ListenError(
            f"listen: {address[0]}:{address[1]}: {error.strerror}; choose another one"
        ) from None
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server


def _answer(answer: Answer, start_response: Any) -> Iterable[bytes]:
    status = "200 OK" if answer.good else "503 Service Unavailable"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [answer.text.encode() + b"\n"]
