"""A server on loopback that answers each connection as a test wants it to, bytes and silences included."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

STATUS: dict[str, Any] = {
    "version": {"version": "2.10.0", "build": "2.10.0"},
    "chain_id": "localnet",
    "sync_info": {
        "latest_block_height": 120,
        "latest_block_time": "2025-12-10T12:12:02.500000789Z",
        "syncing": False,
    },
    "validator_account_id": "pool.poolv1.near",
    "validator_public_key": "ed25519:PoolKey",
    "node_public_key": "ed25519:NodeKey",
    "uptime_sec": 42,
}
Handler = Callable[["Peer"], None]


class Peer:
    """One client's connection, its request read."""

    def __init__(self, sock: socket.socket, stop: threading.Event) -> None:
        self._sock = sock
        self._stop = stop
        self.request = b""

    def read_request(self) -> None:
        """Head and body; less if the client stops before."""
        while not self._whole():
            chunk = self._sock.recv(65536)
            if not chunk:
                return
            self.request += chunk

    def _whole(self) -> bool:
        head, end, body = self.request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        return bool(end) and len(body) >= (int(length[1]) if length else 0)

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def wait(self, seconds: float) -> None:
        """Keeps the client waiting; shorter when the test is over."""
        self._stop.wait(seconds)

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()


class Server:
    """Serves until the end of the ``with`` block. ``requests`` counts the connections."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self._handler = handler
        self._socket = socket.create_server(("127.0.0.1", port))
        self._stop = threading.Event()
        self.requests = 0
        self.host = "127.0.0.1"
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        # Closing alone would leave it open as long as the thread waits in it.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            self.requests += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            peer = Peer(sock, self._stop)
            try:
                peer.read_request()
                self._handler(peer)
            except OSError:
                return


def raw(data: bytes) -> Handler:
    """These very bytes, and the end of the connection."""
    return lambda peer: peer.send(data)


def answer(body: Any, status: str = "200 OK") -> Handler:
    """An HTTP answer; anything but bytes goes out as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    return raw(head.encode() + data)


def status(**changes: Any) -> Handler:
    """neard's /status, with changes."""
    return answer({**STATUS, **changes})


def hang(peer: Peer) -> None:
    """Takes the request and says nothing."""
    peer.wait(30)


def drip(piece: bytes, head: bytes = b"") -> Handler:
    """Something that goes on for long, in pieces that each come well before a timeout."""

    def handler(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n" + head)
        for _ in range(60):
            peer.send(piece)
            peer.wait(0.05)

    return handler


DRIPS = {
    "a long header": drip(b"x", b"X-Long: "),
    "many headers": drip(b"X-More: x\r\n"),
    "a body": drip(b" ", b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"),
    "a chunk": drip(b" ", b"Transfer-Encoding: chunked\r\n\r\n1000\r\n"),
    "silence": hang,
}
"""Answers that do not end in time."""


def endless(peer: Peer) -> None:
    """More than anybody wants to read, as fast as it is taken."""
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    chunk = b" " * 65536
    while not peer.stopped:
        peer.send(chunk)


GARBAGE: dict[str, Handler] = {
    "nothing": raw(b""),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "zeros": raw(b"\0" * 1000),
    "half a line": raw(b"HTTP/1.1 20"),
    "no body": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "cut short": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"sync_info": {'),
    "HTML": answer(b"<html>hello</html>"),
    "not UTF-8": answer(b"\xff\xfe\xfd"),
    "deep": answer(b"[" * 100_000),
    "a long number": answer(b"1" * 10_000),
    "null": answer(None),
    "a list": answer([]),
    "a text": answer("status"),
    "an empty object": answer({}),
    "503": answer(b"", "503 Service Unavailable"),
    "404": answer(b"not found", "404 Not Found"),
    "redirect": raw(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
    "bad chunks": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "bad length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    "not gzip": raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
}
"""What a broken or foreign server may send; none of it is a status."""
