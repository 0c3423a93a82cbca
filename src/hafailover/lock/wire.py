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
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hafailover.deadline import TlsSocket, open_socket

Headers = Mapping[str, str]
Prepare = Callable[[socket.socket], socket.socket]


class Wire:
    """For one thread, and for calls within :func:`hafailover.deadline.deadline`.

    :param base_uri: scheme, host and port.
    :param verify: file or folder with the authorities that are believed, or ``True``: those of requests.
    :param cert: files of this host's certificate and its key. All files are read for each new connection.
    :param look_at: looks at each new connection without TLS before the first byte is sent, and raises what is
        to end the call.
    """

    def __init__(
        self,
        base_uri: str,
        verify: str | bool,
        cert: tuple[str, str | None] | None,
        look_at: Callable[[socket.socket], object],
    ) -> None:
        parts = urlsplit(base_uri)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._prepare: Prepare = _looked_at(look_at)
        if parts.scheme == "https":
            self._prepare = _over_tls(self._host, verify, cert)
        self._connection: _Connection | None = None

    def call(
        self, method: str, target: str, body: bytes | None, headers: Headers, read: Callable[[Any], bytes]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One exchange.

        :param read: reads the whole body, or raises what is to end the call.
        :raises OSError, http.client.HTTPException: no connection, or it broke; a file for TLS is not there.
        """
        connection = self._open()
        try:
            with _answer(connection, method, target, body, headers) as response:
                _check_length(response.headers)
                taken = read(response)
                if response.length:
                    raise http.client.IncompleteRead(b"", response.length)
        except BaseException:
            # What was not read to its end would be taken for the answer to the next call.
            self._end(connection)
            raise
        if response.status < HTTPStatus.OK or response.status in WITHOUT_BODY:
            # The answer proper, or a body that should not be there, may come yet.
            self._end(connection)
        return response, taken

    def _open(self) -> _Connection:
        """The connection of before, if the other side has not ended it, or a new one."""
        before = self._connection
        if before is not None and before.sock is not None and _has_news(before.sock):
            self._end(before)
        if self._connection is None:
            self._connection = _Connection(self._host, self._port, self._prepare)
        return self._connection

    def _end(self, connection: _Connection) -> None:
        """Nor is it used again: it keeps what it has not sent of a request that could not be made."""
        self._connection = None
        connection.close()


WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class _Connection(http.client.HTTPConnection):
    """:param prepare: makes a socket ready for the first request, or raises what is to end the call."""

    def __init__(self, host: str, port: int, prepare: Prepare) -> None:
        super().__init__(host, port)
        self._prepare = prepare

    def connect(self) -> None:
        made = open_socket(self.host, self.port)
        try:
            self.sock = self._prepare(made)
        except BaseException:
            made.close()
            raise


def _answer(
    connection: _Connection, method: str, target: str, body: bytes | None, headers: Headers
) -> http.client.HTTPResponse:
    try:
        connection.request(method, target, body, dict(headers))
    except (BrokenPipeError, ConnectionResetError) as error:
        # Consul over its limit says so, and hangs up, before it has the whole request.
        try:
            response = connection.getresponse()
        except (OSError, http.client.HTTPException):
            raise error from None
        if response.status < HTTPStatus.BAD_REQUEST:
            response.close()
            raise
        return response
    return connection.getresponse()


def _check_length(headers: http.client.HTTPMessage) -> None:
    """:raises HTTPException: it is open where the body ends, of which http.client picks one."""
    told = headers.get_all("Content-Length", [])
    codings = headers.get_all("Transfer-Encoding", [])
    clear = not told or (told[0].isascii() and told[0].isdigit())
    known = not codings or codings[0].lower() == "chunked"
    if len(told) + len(codings) > 1 or not clear or not known:
        raise http.client.HTTPException("an answer whose length is not clear")


def _has_news(sock: socket.socket) -> bool:
    """Between two calls there is nothing to read but the end."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _looked_at(look_at: Callable[[socket.socket], object]) -> Prepare:
    def prepare(made: socket.socket) -> socket.socket:
        look_at(made)
        return made

    return prepare


def _over_tls(host: str, verify: str | bool, cert: tuple[str, str | None] | None) -> Prepare:
    def prepare(made: socket.socket) -> socket.socket:
        try:
            context = _context(verify, cert)
        except OSError as error:
            raise ssl.SSLError(f"a file for TLS cannot be read: {error}") from None
        return context.wrap_socket(made, server_hostname=host)

    return prepare


def _context(verify: str | bool, cert: tuple[str, str | None] | None) -> ssl.SSLContext:
    if isinstance(verify, str):
        folder = Path(verify).is_dir()
        context = ssl.create_default_context(
            cafile=None if folder else verify, capath=verify if folder else None
        )
    else:
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    # The subject is a text for people.
    context.hostname_checks_common_name = False
    if cert is not None:
        context.load_cert_chain(*cert, password=_no_passphrase)
    context.sslsocket_class = TlsSocket
    return context


def _no_passphrase() -> str:
    """Without this, OpenSSL asks the terminal or its input, and waits."""
    raise ssl.SSLError("the key of the certificate has a passphrase")
