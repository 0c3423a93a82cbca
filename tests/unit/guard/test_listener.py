"""Who listens on neard's RPC address: real sockets and processes, seen through /proc."""

import ipaddress
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hafailover.guard import listener
from hafailover.guard.listener import Ownership, answering

LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
where, dual = (sys.argv[1], int(sys.argv[2])), sys.argv[3] == "dual"
server = socket.create_server(where, family=family, dualstack_ipv6=dual)
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


class Listener:
    def __init__(self, address: str, port: int = 0, kind: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LISTEN, address, str(port), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def neard() -> Iterator[Listener]:
    one = Listener("127.0.0.1")
    yield one
    one.end()


def test_the_child_that_listens_is_the_guards_own(neard: Listener) -> None:
    ownership = Ownership()
    for _ in range(2):
        assert ownership.trouble(neard.pid, "127.0.0.1", neard.port) == ""


@pytest.mark.parametrize(
    ("address", "kind", "asked"),
    [
        ("0.0.0.0", "", "127.0.0.1"),
        ("::", "dual", "127.0.0.1"),
        ("::", "dual", "::1"),
        ("::1", "", "::1"),
        ("127.0.0.1", "", "::ffff:127.0.0.1"),
        ("127.0.0.1", "", "localhost"),
    ],
)
def test_every_way_to_listen(address: str, kind: str, asked: str) -> None:
    one, other = Listener(address, kind=kind), Listener("127.0.0.1")
    try:
        assert Ownership().trouble(one.pid, asked, one.port) == ""
        told = Ownership().trouble(other.pid, asked, one.port)
        assert f"pid {one.pid} (" in told
    finally:
        one.end()
        other.end()


def test_the_most_exact_listener_counts(neard: Listener) -> None:
    """The kernel gives a connection to it, though one of IPv6 has the same port for all its addresses."""
    other = Listener("::", neard.port)
    try:
        found = answering(ipaddress.IPv4Address("127.0.0.1"), neard.port)
        assert [str(one.address) for one in found] == ["127.0.0.1"]
        assert Ownership().trouble(neard.pid, "127.0.0.1", neard.port) == ""
        assert f"pid {other.pid} (" in Ownership().trouble(neard.pid, "::1", neard.port)
    finally:
        other.end()


def test_another_process_is_named_with_what_to_do(neard: Listener) -> None:
    other = Listener("127.0.0.1")
    try:
        # Both are children of this process, as neard below a launcher is a descendant of the guard's.
        told = Ownership().trouble(other.pid, "127.0.0.1", neard.port)
        assert told.startswith(f"pid {neard.pid} (python")
        assert f"listens on 127.0.0.1:{neard.port}, and not pid {other.pid} (" in told
        assert "make its script `exec` neard" in told
    finally:
        other.end()


def test_who_is_no_descendant_is_to_be_stopped_by_its_unit(neard: Listener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mine:
        port = mine.getsockname()[1]
        program = (
            "import sys; from hafailover.guard.listener import Ownership; "
            f"print(Ownership().trouble(None, '127.0.0.1', {port}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
        )
    assert done.stdout.startswith(f"pid {os.getpid()} (")
    assert f"listens on 127.0.0.1:{port} and was not started by this guard: stop its unit" in done.stdout


def test_nobody_may_listen_while_no_neard_runs(neard: Listener) -> None:
    assert f"pid {neard.pid} (" in Ownership().trouble(None, "127.0.0.1", neard.port)
    port = neard.port
    neard.end()
    assert Ownership().trouble(None, "127.0.0.1", port) == ""


def test_an_answer_that_nobody_here_gives_is_no_childs(neard: Listener) -> None:
    """A forwarded port, or a container with a network of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = Ownership().trouble(neard.pid, "127.0.0.1", port)
    assert f"neard's RPC answers at 127.0.0.1:{port}, but no process of this host listens there" in told
    assert Ownership().trouble(neard.pid, "127.0.0.1", port, answered=False) == ""


def test_a_child_that_has_ended_owns_nothing(neard: Listener) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert f"another process listens on 127.0.0.1:{neard.port}" in Ownership().trouble(
        gone.pid, "127.0.0.1", neard.port
    )


def test_a_socket_that_moves_is_noticed(neard: Listener) -> None:
    """What was found at the last look counts for that very socket alone."""
    ownership = Ownership()
    assert ownership.trouble(neard.pid, "127.0.0.1", neard.port) == ""
    port = neard.port
    other = Listener("127.0.0.1")
    try:
        assert ownership.trouble(neard.pid, "127.0.0.1", other.port) != ""
        assert ownership.trouble(neard.pid, "127.0.0.1", port) == ""
    finally:
        other.end()


def test_without_looking_for_a_name_it_is_refused_all_the_same(
    neard: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: object) -> None:
        raise AssertionError("a long look on the way to a drop")

    monkeypatch.setattr(listener, "_owner_of", never)
    told = Ownership().trouble(os.getpid(), "127.0.0.1", neard.port, name=False)
    assert f"a process of user {os.geteuid()}, which cannot be seen from here" in told


def test_a_child_of_another_user_would_outlive_the_guard() -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a process of another user needs root to be started")
    one = subprocess.Popen(
        ["/usr/bin/python3", "-I", "-S", "-c", LISTEN, "127.0.0.1", "0", ""],
        user=65534,
        group=65534,
        extra_groups=[],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert one.stdout is not None
        port = int(one.stdout.readline())
        told = Ownership().trouble(one.pid, "127.0.0.1", port)
        assert f"neard (pid {one.pid}) runs as another user or group than the guard" in told
    finally:
        one.kill()
        one.communicate()


def test_a_table_that_cannot_be_read_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "TABLES", ("nothing",))
    assert "it cannot be told who listens on 127.0.0.1:3030" in Ownership().trouble(1, "127.0.0.1", 3030)
