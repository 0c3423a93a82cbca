"""Ports that several processes can ask for at once."""

import socket
import subprocess
import sys

import pytest

from hafailover.lab import LabError, free_ports, ports

ASK = "import sys; from hafailover.lab import free_ports; print(*free_ports(int(sys.argv[1])))"


def test_ports_are_different_and_can_be_bound() -> None:
    found = free_ports(50)
    assert len(set(found)) == 50
    for port in found:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", port))


def test_no_port_is_given_to_two_processes() -> None:
    # With only a few candidates, two processes would meet soon if they did not see each other's claims.
    few = (
        "from hafailover.lab import ports; ports._FIRST, ports._LAST = 14000, 14200; "
        "import sys; print(*ports.free_ports(60), flush=True); sys.stdin.read()"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", few], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        found = []
        for child in children:
            assert child.stdout is not None
            found += child.stdout.readline().split()
    finally:
        for child in children:
            child.communicate(timeout=10)
    assert len(found) == 180
    assert len(set(found)) == 180


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_in_use_is_passed_over(kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_FIRST", port)
        monkeypatch.setattr(ports, "_LAST", port + 1)
        with pytest.raises(LabError, match="no 1 free ports"):
            free_ports(1)
    assert free_ports(1) == [port]
    with pytest.raises(LabError):
        free_ports(1)
