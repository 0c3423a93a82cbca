"""The relay between two processes that can be cut like a cable."""

import contextlib
import resource
import socket
import statistics
import threading
import time
from collections.abc import Iterator

import pytest

from hafailover.lab import LabError, Link, free_ports
from hafailover.lab.waiting import wait_until


class EchoServer:
    """Sends back what it gets, one thread per connection, and keeps what it got."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received = bytearray()
        self.ended = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                self.received += data
                connection.sendall(data)
        self.ended += 1


@pytest.fixture
def server() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def link(server: EchoServer) -> Iterator[Link]:
    with Link(server.port) as link:
        yield link


def connect(link: Link, timeout_s: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=timeout_s)


def ask(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    answer = b""
    while len(answer) < len(data):
        part = client.recv(65536)
        if not part:
            break
        answer += part
    return answer


def test_data_goes_both_ways(link: Link) -> None:
    big = bytes(range(256)) * 4096
    with connect(link) as client:
        assert ask(client, b"hello") == b"hello"
        sender = threading.Thread(target=client.sendall, args=(big,))
        sender.start()
        got = b""
        while len(got) < len(big):
            got += client.recv(65536)
        sender.join(5)
        assert got == big
        assert link.connections == 1
    wait_until(lambda: link.connections == 0, timeout_s=5, what="end of the connection")


def test_an_end_is_passed_on(link: Link, server: EchoServer) -> None:
    with connect(link) as client:
        assert ask(client, b"x") == b"x"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(10) == b""
    wait_until(lambda: server.ended == 1, timeout_s=5, what="end at the server")


def test_a_cut_link_stalls_and_heals_late(link: Link, server: EchoServer) -> None:
    with connect(link, 0.3) as old:
        assert ask(old, b"before ") == b"before "
        link.cut()
        assert link.is_cut()
        old.sendall(b"during ")
        with pytest.raises(TimeoutError):
            old.recv(10)
        with connect(link, 0.3) as new:
            new.sendall(b"new ")
            with pytest.raises(TimeoutError):
                new.recv(10)
            assert server.received == b"before "
            link.heal()
            assert not link.is_cut()
            old.settimeout(5)
            new.settimeout(5)
            assert old.recv(10) == b"during "
            assert new.recv(10) == b"new "
            assert ask(old, b"after") == b"after"


def test_what_its_sender_gave_up_on_still_arrives_after_the_heal(link: Link, server: EchoServer) -> None:
    with connect(link) as client:
        assert ask(client, b"one ") == b"one "
        link.cut()
        client.sendall(b"two ")
    time.sleep(0.1)
    assert server.received == b"one "
    link.heal()
    wait_until(lambda: server.received == b"one two ", timeout_s=5, what="the late data")


def test_one_direction_can_be_cut(link: Link, server: EchoServer) -> None:
    with connect(link, 0.3) as client:
        assert ask(client, b"one ") == b"one "
        link.cut("from_target")
        client.sendall(b"two ")
        with pytest.raises(TimeoutError):
            client.recv(10)
        assert server.received == b"one two "
        link.heal()
        assert client.recv(10) == b"two "
        link.cut("to_target")
        client.sendall(b"three ")
        with pytest.raises(TimeoutError):
            client.recv(10)
        assert server.received == b"one two "


def test_heal_can_reset_what_stalled(link: Link, server: EchoServer) -> None:
    with connect(link) as client:
        assert ask(client, b"one ") == b"one "
        link.cut()
        client.sendall(b"two ")
        time.sleep(0.1)
        link.heal(reset=True)
        with pytest.raises(ConnectionResetError):
            client.recv(10)
        assert server.received == b"one "
        with connect(link) as again:
            assert ask(again, b"three") == b"three"


def test_a_cut_link_takes_only_so_much(link: Link) -> None:
    with connect(link, 0.5) as client:
        assert ask(client, b"x") == b"x"
        link.cut()
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 64 * 1024 * 1024:
                sent += client.send(b"\0" * 65536)
        assert sent < 32 * 1024 * 1024


def test_a_target_that_refuses_shows_as_a_reset(server: EchoServer) -> None:
    (port,) = free_ports(1)
    # The reset may come as early as within the call that connects.
    with Link(port) as link, pytest.raises(ConnectionResetError), connect(link) as client:
        client.recv(10)


def test_close_resets_connections_and_frees_the_port(server: EchoServer) -> None:
    link = Link(server.port)
    with connect(link) as client:
        assert ask(client, b"x") == b"x"
        link.close()
        link.close()
        with pytest.raises(ConnectionResetError):
            client.recv(10)
    with pytest.raises(ConnectionRefusedError):
        connect(link)
    with Link(server.port, listen_port=link.port) as again:
        assert again.port == link.port


def test_a_port_in_use_is_an_error(server: EchoServer) -> None:
    with pytest.raises(LabError, match=f"cannot listen on 127.0.0.1:{server.port}: Address already in use"):
        Link(server.port, listen_port=server.port)


def test_the_relay_enters_a_namespace_in_the_thread_that_listens_and_connects(server: EchoServer) -> None:
    entered: list[str] = []
    with Link(server.port, enter=lambda: entered.append(threading.current_thread().name)):
        assert entered == ["lab-link"]


def test_a_namespace_that_cannot_be_entered_is_an_error(server: EchoServer) -> None:
    def enter() -> None:
        raise LabError("setns to host1: no such namespace")

    with pytest.raises(LabError, match="setns to host1"):
        Link(server.port, enter=enter)


def test_it_adds_less_than_a_millisecond_and_idles_cheaply(link: Link, server: EchoServer) -> None:
    def round_trips(port: int) -> float:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            times = []
            for _ in range(200):
                started = time.perf_counter()
                assert ask(client, b"x" * 100) == b"x" * 100
                times.append(time.perf_counter() - started)
        return statistics.median(times)

    assert round_trips(link.port) - round_trips(server.port) < 0.001
    with connect(link):
        before = resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(0.5)
        after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.05
