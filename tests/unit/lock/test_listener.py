"""Who answers as Consul on loopback: another user's listener gets not one byte, and is named."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hafailover.lock import listener as module
from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.consul import ConsulLease
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.listener import StrangerError, believed, check_listener
from hafailover.takeover.silence import Consul, Probe
from hafailover.timing import PROFILES

NOBODY = 65534
TOKEN = "5ec2e700-0000-4000-8000-00000000c0de"
ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT TESTED: needs root, to start a process of another user"
)
SERVER = """
import os, socket, sys
uid, address, *dual = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
# Only now, since another user may not be able to read this very interpreter.
os.setgroups([])
os.setgid(int(uid))
os.setuid(int(uid))
listener = socket.socket(family)
if dual:
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
listener.bind((address, 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
while True:
    made, _ = listener.accept()
    made.settimeout(5)
    try:
        data = made.recv(65536)
    except OSError:
        data = b"(nothing)"
    print(len(data), flush=True)
    made.close()
"""


class Other:
    """A process that listens, and says how much each connection has brought."""

    def __init__(self, uid: int, address: str, *more: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", SERVER, str(uid), address, *more], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._line())

    def got(self) -> int:
        """How many bytes came with the next connection."""
        return int(self._line())

    def end(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def other(uid: int, address: str = "127.0.0.1", *more: str) -> Iterator[Other]:
    server = Other(uid, address, *more)
    try:
        yield server
    finally:
        server.end()


@contextmanager
def connected() -> Iterator[socket.socket]:
    """A connection to a listener of this very process."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as made,
    ):
        yield made


def refusal(address: Address, within_s: float = 2.0) -> CallError:
    consul = connect(address, within_s)
    with pytest.raises(CallError) as caught:
        call("reading a key", "", lambda: consul.kv.get("key"))
    return caught.value


@ROOT
@pytest.mark.parametrize(
    ("listens", "asked"),
    [
        (("127.0.0.1",), "127.0.0.1"),
        (("0.0.0.0",), "127.0.0.1"),
        (("::", "dual"), "127.0.0.1"),
        (("::1",), "::1"),
        (("::",), "::1"),
    ],
    ids=str,
)
def test_another_users_listener_gets_no_byte(listens: tuple[str, ...], asked: str) -> None:
    with other(NOBODY, *listens) as stranger:
        error = refusal(Address(host=asked, port=stranger.port, token=TOKEN))
        assert stranger.got() == 0
    assert error.kind is Kind.UNREACHABLE
    assert "user nobody listens on" in str(error)
    assert "consul.user" in str(error)
    assert TOKEN not in str(error)


@ROOT
def test_the_lease_takes_nothing_from_it_for_a_proof() -> None:
    with other(NOBODY) as stranger:
        lease = ConsulLease(Address(port=stranger.port, token=TOKEN), "pool.near", "a", PROFILES["default"])
        with pytest.raises(CallError):
            lease.open_session()
        assert stranger.got() == 0


@ROOT
def test_to_a_takeover_it_is_a_consul_that_does_not_answer() -> None:
    with other(NOBODY) as stranger:
        assert Probe(Address(port=stranger.port, token=TOKEN), "pool.near", "a").ask() is Consul.DOWN
        assert stranger.got() == 0


@ROOT
@pytest.mark.parametrize("uid", [NOBODY, 0])
def test_consuls_user_and_root_get_what_is_sent(uid: int) -> None:
    with other(uid) as server:
        address = Address(port=server.port, token=TOKEN, users=believed("nobody"))
        with pytest.raises(CallError):
            call("reading a key", "", lambda: connect(address, 2.0).kv.get("key"))
        assert server.got() > 0


def test_its_own_users_listener_is_believed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as made,
    ):
        assert check_listener(made, believed(None)) == os.geteuid()


@ROOT
def test_who_has_accepted_counts_although_consul_listens_by_now() -> None:
    """Another user's process that gave its place up after it had taken the connection."""
    os.seteuid(NOBODY)
    try:
        listener = socket.create_server(("127.0.0.1", 0))
        made = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    finally:
        os.seteuid(0)
    address = listener.getsockname()
    listener.close()
    with (
        accepted,
        made,
        socket.create_server(address),
        pytest.raises(StrangerError, match="user nobody listens"),
    ):
        check_listener(made, {0})


@ROOT
def test_the_more_precise_listener_is_the_one_that_answers() -> None:
    """A wildcard of another user is not who gets what is sent to an address that Consul itself listens on."""
    with socket.create_server(("127.0.0.1", 0)) as consul:
        os.seteuid(NOBODY)
        try:
            wild = socket.socket(socket.AF_INET6)
            wild.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            wild.bind(("::", consul.getsockname()[1]))
            wild.listen()
        finally:
            os.seteuid(0)
        with wild, socket.create_connection(consul.getsockname()) as made:
            assert check_listener(made, {0}) == 0


def test_beyond_loopback_nobody_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere:
        def getpeername(self) -> tuple[str, int]:
            return "192.0.2.1", 8500

    assert check_listener(Elsewhere(), {0}) is None  # type: ignore[arg-type]


def test_a_table_that_cannot_be_read_is_no_proof(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "TABLES", (tmp_path,))
    with connected() as made, pytest.raises(StrangerError, match="cannot be seen"):
        check_listener(made, {0})


def test_a_listener_that_is_in_no_table_is_no_proof(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text("a head\n")
    monkeypatch.setattr(module, "TABLES", (tmp_path / "tcp", tmp_path / "absent"))
    with connected() as made, pytest.raises(StrangerError, match="nobody listens"):
        check_listener(made, {0})


def test_a_user_that_is_hidden_by_a_user_namespace_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = module._rows

    def hidden(port: int) -> Iterator[module.Row]:
        for row in real(port):
            yield module.Row(row.local, row.remote, row.state, NOBODY, row.inode)

    monkeypatch.setattr(module, "_rows", hidden)
    with connected() as made, pytest.raises(StrangerError, match="PrivateUsers="):
        check_listener(made, {0})


def test_users_by_name_and_number() -> None:
    own = os.geteuid()
    assert believed("0") == {0, own}
    assert believed("nobody") == {0, own, NOBODY}
    assert believed("12345") == {0, own, 12345}
    assert believed(None) >= {0, own}
    with pytest.raises(KeyError):
        believed("no-such-user-here")


def test_every_new_connection_is_looked_at_and_an_old_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def look(made: socket.socket, users: object) -> None:
        looked.append(made.getpeername()[1])

    monkeypatch.setattr("hafailover.lock.client.check_listener", look)
    with answering(keep=True) as port:
        consul = connect(Address(port=port), 2.0)
        for _ in range(3):
            consul.status.leader()
        assert looked == [port]
        connect(Address(port=port), 2.0).status.leader()
        assert looked == [port, port]


@contextmanager
def answering(keep: bool) -> Iterator[int]:
    """Answers every request with an empty text."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + (b"" if keep else b"Connection: close\r\n") + b"\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, head + b'""'), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket, answer: bytes) -> None:
    def talk(made: socket.socket) -> None:
        with made, contextlib.suppress(OSError):
            while made.recv(65536):
                made.sendall(answer)

    _until_closed(server, talk)


def _until_closed(server: socket.socket, talk: Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            made, _ = server.accept()
            threading.Thread(target=talk, args=(made,), daemon=True).start()
