"""HTTP servers on loopback that behave as no Consul should: slow, dripping, cut off, or talking nonsense."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hafailover.lock.errors import CallError

TOKEN = "5ec2e700-0000-4000-8000-00000000c0de"
SESSION = "11111111-2222-3333-4444-555555555555"
LONGEST_S = 20.0
"""However a test ends, no connection is kept for longer."""

Behaviour = Callable[[socket.socket, bytes], None]


class FakeConsul:
    """Accepts connections, reads one request head from each, and hands them to ``behaviour``.

    :param reads: whether it waits for the request; one that does not answers whatever comes.
    """

    def __init__(self, behaviour: Behaviour, reads: bool = True) -> None:
        self._behaviour = behaviour
        self._reads = reads
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port: int = self._socket.getsockname()[1]
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(LONGEST_S)
        with connection, contextlib.suppress(OSError):
            head = b""
            while self._reads and b"\r\n\r\n" not in head:
                chunk = connection.recv(65536)
                if not chunk:
                    return
                head += chunk
            self.requests.append(head)
            self._behaviour(connection, head)


@contextmanager
def fake(behaviour: Behaviour, reads: bool = True) -> Iterator[FakeConsul]:
    server = FakeConsul(behaviour, reads)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def full_listener() -> Iterator[int]:
    """A port on loopback where a connection is never made, nor refused."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        yield int(full.getsockname()[1])
        for filler in fillers:
            filler.close()


def failure(call: Callable[[], object]) -> CallError:
    """The CallError that a call ends in; anything else it raises fails the test as it is."""
    with pytest.raises(CallError) as caught:
        call()
    text = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert TOKEN not in text
    return caught.value


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> Behaviour:
    """A whole answer."""

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(_head(len(body), status, headers) + body)

    return behave


def never(connection: socket.socket, _: bytes) -> None:
    """Accepts the request and says nothing."""
    _wait(connection)


def stalls(connection: socket.socket, _: bytes) -> None:
    """A good head, the first half of a body, and nothing more."""
    connection.sendall(_head(100) + b"[" * 50)
    _wait(connection)


def drips_body(connection: socket.socket, _: bytes) -> None:
    """A body that comes byte by byte, each well before the deadline."""
    connection.sendall(_head(200))
    _drip(connection, b"[" * 40)


def drips_head(connection: socket.socket, _: bytes) -> None:
    """A head that comes byte by byte."""
    _drip(connection, b"HTTP/1.1 200 OK\r\nX-Drip: 345678901234567890")


def cut_off(connection: socket.socket, _: bytes) -> None:
    """Closes in the middle of the body."""
    connection.sendall(_head(100) + b"[" * 50)


def slams(connection: socket.socket, _: bytes) -> None:
    """Closes without a word."""


def endless(connection: socket.socket, _: bytes) -> None:
    """A body without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Consul-Index: 1\r\nConnection: close\r\n\r\n")
    end = time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        connection.sendall(b" " * 65536)


def _head(length: int, status: str = "200 OK", headers: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Consul-Index: 7\r\n"
        f"{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ).encode()


def _drip(connection: socket.socket, data: bytes) -> None:
    for number in range(len(data)):
        connection.sendall(data[number : number + 1])
        time.sleep(0.1)


def _wait(connection: socket.socket) -> None:
    # Until the client gives up and closes.
    connection.recv(1)
