"""Connections: many, slow, greedy, wrong, and what each may cost the others."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests

from hafailover.web import connection as module
from hafailover.web import places
from hafailover.web.messages import Answer, Request, text
from hafailover.web.server import MAX_WAITING, WORKERS, ListenError, WebServer

from ..observe.tiny_consul import until
from .served import dial, everything

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Answering:
    """Answers with the path; on request only when it is let go, or not at all."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.let_go.set()
        self.asked = 0

    def __call__(self, request: Request) -> Answer:
        self.asked += 1
        self.let_go.wait(20)
        if request.path == "/broken":
            raise ZeroDivisionError
        if request.path == "/large":
            return Answer(200, b"x" * (8 << 20))
        return text(200, request.path)


@pytest.fixture
def answering() -> Answering:
    return Answering()


@pytest.fixture
def serve(answering: Answering) -> Iterator[Callable[[], WebServer]]:
    started: list[WebServer] = []

    def start() -> WebServer:
        server = WebServer(("127.0.0.1", 0), answering)
        server.start()
        started.append(server)
        return server

    yield start
    answering.let_go.set()
    for server in started:
        server.stop()


def test_a_connection_serves_one_request_after_the_other(serve: Callable[[], WebServer]) -> None:
    with dial(serve()) as sock:
        for _ in range(3):
            sock.sendall(GET)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_sent_ahead_are_answered_in_turn(serve: Callable[[], WebServer]) -> None:
    with dial(serve()) as sock:
        last = GET.replace(b"/a", b"/last").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        sock.sendall(GET * 3 + last)
        answers = everything(sock)
    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert answers.endswith(b"/last\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 11000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 9000, 431),
        (b"hello\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 413),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 413),
        (b"GET /a HTTP/1.0\r\n\r\n", 200),
    ],
    ids=["large head", "endless line", "no HTTP", "no host", "TLS", "body", "chunks", "HTTP/1.0"],
)
def test_what_is_wrong_is_answered_and_ends(serve: Callable[[], WebServer], sent: bytes, status: int) -> None:
    with dial(serve()) as sock:
        sock.sendall(sent)
        assert everything(sock).startswith(b"HTTP/1.1 %d " % status)


def test_an_answer_that_fails_takes_nobody_along(serve: Callable[[], WebServer]) -> None:
    server = serve()
    for _ in range(2 * WORKERS):
        assert requests.get(f"{server.url}broken", timeout=5).status_code == 500
    assert requests.get(f"{server.url}a", timeout=5).text == "/a\n"


def test_silent_and_dripping_clients_hold_nobody_up_and_are_cut_off(
    serve: Callable[[], WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD_S", 1.5)
    server = serve()
    slow = [dial(server) for _ in range(4 * WORKERS)]
    for number, sock in enumerate(slow):
        if number % 2:
            sock.sendall(b"GET /a HT")
    assert requests.get(f"{server.url}a", timeout=5).status_code == 200

    dripping = slow[1]
    ended = threading.Event()

    def drip() -> None:
        try:
            while not ended.is_set():
                dripping.sendall(b"T")
                time.sleep(0.1)
        except OSError:
            ended.set()

    threading.Thread(target=drip, daemon=True).start()
    assert ended.wait(10), "one that sends a byte now and then was let be"
    for sock in slow:
        if sock is not dripping:
            assert everything(sock) == b""
        sock.close()


def test_a_client_that_reads_nothing_is_cut_off_and_holds_nobody_up(
    serve: Callable[[], WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_DEADLINE_S", 1.5)
    server = serve()
    deaf = [dial(server) for _ in range(2 * WORKERS)]
    for sock in deaf:
        sock.sendall(GET.replace(b"/a", b"/large"))
    assert requests.get(f"{server.url}a", timeout=5).status_code == 200
    until(lambda: not server._parked, "the end of those who do not read", 10)
    for sock in deaf:
        sock.close()


def test_beyond_threads_and_queue_requests_are_refused(
    serve: Callable[[], WebServer], answering: Answering
) -> None:
    answering.let_go.clear()
    server = serve()
    waiting = [dial(server) for _ in range(WORKERS + MAX_WAITING)]
    for sock in waiting:
        sock.sendall(GET)
    until(lambda: server._busy == WORKERS + MAX_WAITING, "as many requests as may wait")
    with dial(server) as sock:
        sock.sendall(GET)
        answer = everything(sock)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1\r\n" in answer
    assert answering.asked <= WORKERS
    answering.let_go.set()
    for sock in waiting:
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        sock.close()


def waiting(server: WebServer, count: int) -> bool:
    return sum(one.idle for one in list(server._parked)) == count


def test_an_idle_connection_makes_room_for_a_new_one(
    serve: Callable[[], WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MOST", 4)
    server = serve()
    kept: list[socket.socket] = []
    for count in range(1, 5):
        kept.append(dial(server))
        kept[-1].sendall(GET)
        assert kept[-1].recv(65536).startswith(b"HTTP/1.1 200 ")
        until(partial(waiting, server, count), "connections that wait")
    assert requests.get(f"{server.url}a", timeout=5).status_code == 200
    assert everything(kept[0]) == b"", "the one that had waited longest"
    for sock in kept:
        sock.close()


class Together:
    """A selector whose looks wait until the test lets them go on, and which names the listener first."""

    def __init__(self, server: WebServer) -> None:
        self._selector, self._listener = server._selector, server._listener
        self.looks = threading.Event()
        self.looks.set()
        server._selector = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)

    def select(self, timeout: float) -> list[Any]:
        self._selector.select(timeout)
        self.looks.wait(20)
        return sorted(self._selector.select(0), key=lambda found: found[0].fileobj is not self._listener)


def test_one_that_makes_room_as_it_sends_takes_nobody_along(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest of the idle ones speaks in the very look in which a new one takes its place."""
    monkeypatch.setattr(places, "MOST", 4)
    server = WebServer(("127.0.0.1", 0), answering)
    together = Together(server)
    server.start()
    kept = [dial(server) for _ in range(4)]
    until(lambda: len(server._parked) == 4, "four connections that wait")
    together.looks.clear()
    new = dial(server)
    kept[0].sendall(GET)
    time.sleep(0.2)
    together.looks.set()
    new.sendall(GET)
    assert new.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert requests.get(f"{server.url}a", timeout=5).status_code == 200
    for sock in (*kept, new):
        sock.close()
    server.stop()


def test_a_defect_on_a_connection_ends_that_one_alone(
    serve: Callable[[], WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    step = module.Connection._read

    def broken(connection: module.Connection, respond: Any) -> bool:
        if b"defect" in connection.sock.recv(4096, socket.MSG_PEEK):
            raise ZeroDivisionError
        return step(connection, respond)

    monkeypatch.setattr(module.Connection, "_read", broken)
    with dial(server) as sock:
        sock.sendall(GET.replace(b"/a", b"/defect"))
        with contextlib.suppress(ConnectionResetError):
            assert everything(sock) == b""
    for _ in range(2 * WORKERS):
        assert requests.get(f"{server.url}a", timeout=5).status_code == 200


def test_a_client_that_will_say_no_more_still_gets_its_answer(serve: Callable[[], WebServer]) -> None:
    with dial(serve()) as sock:
        sock.sendall(GET.replace(b"/a", b"/large"))
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        assert len(everything(sock)) > 8 << 20


def test_an_idle_connection_ends(serve: Callable[[], WebServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_S", 0.2)
    with dial(serve()) as sock:
        sock.sendall(GET)
        assert everything(sock).startswith(b"HTTP/1.1 200 ")


def test_a_taken_port_is_named_with_its_setting(serve: Callable[[], WebServer], answering: Answering) -> None:
    port = serve().address[1]
    with pytest.raises(
        ListenError, match=f"listen: 127.0.0.1:{port}: Address already in use; choose another"
    ):
        WebServer(("127.0.0.1", port), answering)
    with pytest.raises(ListenError, match=r"listen: 192\.0\.2\.1:1: "):
        WebServer(("192.0.2.1", 1), answering)


def test_after_the_end_nobody_listens(serve: Callable[[], WebServer]) -> None:
    server = serve()
    server.stop()

    def refused() -> bool:
        try:
            dial(server).close()
        except OSError:
            return True
        return False

    until(refused, "a refusal")


def test_an_address_of_version_6_can_be_listened_on(answering: Answering) -> None:
    try:
        server = WebServer(("::1", 0), answering)
    except ListenError as error:
        pytest.skip(f"NOT TESTED, this machine has no ::1: {error}")
    server.start()
    assert requests.get(f"{server.url}a", timeout=5).status_code == 200
    server.stop()
