"""A home that was made ready, under a real guard with the stand-in: it is taken as it is."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hafailover.lab.ports import free_ports
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until

from ...unit.near.keys import write_key
from .conftest import CHAIN, POOL


@pytest.fixture
def place() -> Iterator[Path]:
    # A socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hafailover-") as folder:
        yield Path(folder)


@pytest.fixture
def notify(place: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(place / "notify"))
        listener.settimeout(20)
        yield listener


def written(place: Path, neard: str, promotion: str) -> tuple[Path, Path]:
    """The settings and the overlay of a host, with its pool's keys."""
    network, rpc = free_ports(2)
    home = place / "home"
    home.mkdir()
    key = write_key(place / "key.json", "pool", account_id=POOL)
    node_key = write_key(place / "pool-node.json", "pool-node", account_id="node")
    config, overlay = place / "config.toml", place / "overlay.json"
    lines = [
        f'account_id = "{POOL}"',
        f'promotion = "{promotion}"',
        f'guard_socket = "{place}/guard.sock"',
        f'validator_key_file = "{key}"',
        f'validator_node_key_file = "{node_key}"' if promotion == "restart" else "",
        f'[neard]\nhome = "{home}"\nbinary = "{neard}"',
    ]
    config.write_text("\n".join(lines))
    overlay.write_text(
        json.dumps(
            {
                "tracked_shards_config": {"ShadowValidator": POOL},
                "rpc": {"addr": f"127.0.0.1:{rpc}"},
                "network": {"addr": f"127.0.0.1:{network}", "allow_private_ip_in_public_addrs": True},
            }
        )
    )
    return config, overlay


def command(name: str, place: Path, config: Path, *more: str) -> ManagedProcess:
    return ManagedProcess.start(
        name,
        [sys.executable, "-m", "hafailover", name, "--config", config, *more],
        log_path=place / f"{name}.log",
        extra_env={"NOTIFY_SOCKET": str(place / "notify")} if name == "guard" else {},
    )


def state(place: Path) -> dict[str, Any]:
    """What the guard says to an agent that connects."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(5)
        agent.connect(str(place / "guard.sock"))
        with agent.makefile("rb") as lines:
            report: dict[str, Any] = json.loads(lines.readline())
            return report


@pytest.mark.parametrize("promotion", ["hot", "restart"])
def test_a_guard_takes_the_home(
    place: Path, notify: socket.socket, genesis: Path, neard: str, promotion: str
) -> None:
    config, overlay = written(place, neard, promotion)
    words = ["--chain-id", CHAIN, "--overlay", str(overlay), "--genesis", str(genesis)]
    # The second time it is a home that a guard has worked in.
    for _ in range(2):
        with command("prepare-home", place, config, *words, "--public-address", "127.0.0.1") as made:
            assert made.wait(60) == 0, made.log_tail()
        with command("guard", place, config) as guard:
            assert notify.recv(4096) == b"READY=1", guard.log_tail()
            wait_until(lambda: state(place)["neard"] == "up", timeout_s=20, what=guard.log_tail)
            assert state(place)["key"] == "absent"
            assert not os.path.lexists(place / "home" / "validator_key.json")
            assert (place / "home" / "node_key.json").is_symlink() is (promotion == "restart")
            assert guard.terminate() == 0, guard.log_tail()
