"""What an agent tells systemd, without Consul or a guard around it."""

from __future__ import annotations

import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.lab.ports import free_ports
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until


class Told:
    """The socket that systemd would have, and an agent that tells it things."""

    def __init__(self, folder: Path, more: str = "", state: Path | None = None) -> None:
        ports = free_ports(3)
        self.config = folder / "config.toml"
        self.config.write_text(
            f'account_id = "pool.poolv1.near"\nnode_name = "a"\n{more}'
            f'guard_socket = "{folder}/guard.sock"\nstate_dir = "{state or folder}"\n'
            f'listen = "127.0.0.1:{ports[0]}"\n'
            f'[consul]\naddress = "http://127.0.0.1:{ports[1]}"\n'
            f'[neard]\nrpc_address = "127.0.0.1:{ports[2]}"\n'
        )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(40)
        self.log = folder / "agent.log"
        self.agent = ManagedProcess.start(
            "agent",
            [sys.executable, "-m", "hafailover", "run", "--config", self.config],
            log_path=self.log,
            extra_env={"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "1000000"},
        )

    def next(self, *beginnings: str) -> str:
        """The next message that begins in one of these ways; what else comes is passed over."""
        while not (text := self._socket.recv(4096).decode()).startswith(beginnings):
            pass
        return text

    def close(self) -> None:
        self.agent.kill()
        self._socket.close()


@pytest.fixture
def told() -> Iterator[Told]:
    # A socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hafailover-") as folder:
        told = Told(Path(folder))
        yield told
        told.close()


def test_a_reload_begins_and_ends_whether_it_changes_anything_or_not(told: Told) -> None:
    assert told.next("READY", "RELOADING") == "READY=1"
    for more in ("priority = 3\n", "priority = 1000\n"):
        told.config.write_text(more + told.config.read_text().removeprefix("priority = 3\n"))
        asked = time.monotonic_ns() // 1000
        told.agent.signal(signal.SIGHUP)

        first, second = told.next("READY", "RELOADING").splitlines()
        assert first == "RELOADING=1"
        assert asked <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
        assert told.next("READY", "RELOADING") == "READY=1"

    # A thread of its own writes the log.
    wait_until(lambda: "not reloaded" in told.log.read_text(), timeout_s=10, what="the refusal in the log")
    assert "settings read again: priority changed" in told.log.read_text()
    assert told.agent.is_alive()


def test_it_lives_and_says_so(told: Told) -> None:
    told.next("READY")
    began = time.monotonic()
    for _ in range(4):
        assert told.next("WATCHDOG") == "WATCHDOG=1"
    assert time.monotonic() - began < 4.0
    told.agent.signal(signal.SIGTERM)
    assert told.next("STOPPING") == "STOPPING=1"
    assert told.agent.wait(5) == 0
