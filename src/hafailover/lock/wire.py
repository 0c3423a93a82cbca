"""One connection with Consul's HTTP API, kept open from call to call.

By the standard library alone: an idle host makes four calls a second, and for each urllib3 takes half as long
again, and requests twice as long.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hafailover.deadline import TlsSocket, open_socket

Headers = Mapping[str, str]


class Wire:
    """For one thread, and for calls within :func:`hafailover.deadline.deadline`.

    :param base_uri: scheme, host and port.
    :param verify: file or folder with the authorities that are believed, or ``True``: those of requests.
    :param cert: files of this host's certificate and its key.
    :param timeout_s: of each step of a call: connecting, sending, and waiting for what comes next.
    :param look_at: looks at each new connection without TLS before the first byte is sent, and raises what is
        to end the call.
    """

    def __init__(
        self,
        base_uri: str,
        verify: str | bool,
        cert: tuple[str, str | None] | None,
        timeout_s: float,
        look_at: Callable[[socket.socket], object],
    ) -> None:
        parts = urlsplit(base_uri)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._tls = (verify, cert) if parts.scheme == "https" else None
        self._timeout_s = timeout_s
        self._look_at = look_at
        self._connection: http.client.HTTPConnection | None = None

    def call(
        self, method: str, target: str, body: bytes | None, headers: Headers, read: Callable[[Any], bytes]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One exchange.

        :param read: reads the whole body, or raises what is to end the call.
        :raises OSError, http.client.HTTPException: no connection, or it broke; a file for TLS is not there.
        """
        connection = self._open()
        try:
            connection.request(method, target, body, dict(headers))
            with connection.getresponse() as response:
                taken = read(response)
                if response.length:
                    raise http.client.IncompleteRead(b"", response.length)
                return response, taken
        except BaseException:
            # What was not read to its end would be taken for the answer to the next call.
            connection.close()
            raise

    def _open(self) -> http.client.HTTPConnection:
        """The connection of before, if the other side has not ended it, or a new one."""
        if self._connection is None:
            self._connection = self._made()
        sock = self._connection.sock
        if sock is not None and _has_news(sock):
            self._connection.close()
        elif sock is not None:
            # Each read has left its own.
            sock.settimeout(self._timeout_s)
        return self._connection

    def _made(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return _Plain(self._host, self._port, self._timeout_s, self._look_at)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout_s, context=_context(*self._tls)
        )


class _Plain(http.client.HTTPConnection):
    def __init__(
        self, host: str, port: int, timeout_s: float, look_at: Callable[[socket.socket], object]
    ) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._look_at = look_at

    def connect(self) -> None:
        made = open_socket(self.host, self.port, self.timeout)
        try:
            self._look_at(made)
        except BaseException:
            made.close()
            raise
        self.sock = made


def _has_news(sock: socket.socket) -> bool:
    """Between two calls there is nothing to read but the end."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _context(verify: str | bool, cert: tuple[str, str | None] | None) -> ssl.SSLContext:
    if isinstance(verify, str):
        folder = Path(verify).is_dir()
        context = ssl.create_default_context(
            cafile=None if folder else verify, capath=verify if folder else None
        )
    else:
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if cert is not None:
        context.load_cert_chain(*cert)
    context.sslsocket_class = TlsSocket
    return context
