"""An agent whose state folder hangs, or whose log nobody reads, goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..guard.frozen import LoopDisk, loop_disk
from .test_systemd import Told


@pytest.fixture
def folder() -> Iterator[Path]:
    # A socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hafailover-") as folder:
        yield Path(folder)


@pytest.fixture
def disk(folder: Path) -> Iterator[LoopDisk]:
    with loop_disk(folder) as disk:
        yield disk


def lives(told: Told) -> None:
    began = time.monotonic()
    for _ in range(6):
        assert told.next("WATCHDOG") == "WATCHDOG=1"
    assert time.monotonic() - began < 6


def test_a_state_folder_that_hangs_keeps_no_agent_from_starting(folder: Path, disk: LoopDisk) -> None:
    disk.freeze()
    told = Told(folder, state=disk.mount)
    try:
        told.next("READY")
        lives(told)
        assert f"state_dir: {disk.mount} does not answer within 5 s: check its disk" in told.log.read_text()
    finally:
        disk.thaw()
        told.close()


def test_a_state_folder_that_hangs_later_holds_nothing_up(folder: Path, disk: LoopDisk) -> None:
    told = Told(folder, state=disk.mount)
    try:
        told.next("READY")
        disk.freeze()
        lives(told)
        told.agent.signal(signal.SIGTERM)
        assert told.next("STOPPING") == "STOPPING=1"
    finally:
        disk.thaw()
        told.close()


def test_a_log_that_nobody_reads_holds_nothing_up(folder: Path) -> None:
    told = Told(folder)
    told.next("READY")
    told.agent.kill()
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        command = [sys.executable, "-m", "hafailover", "run", "--config", str(told.config)]
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "1000000",
        }
        with subprocess.Popen(command, stdout=writer, stderr=writer, env=environment) as agent:
            try:
                told.next("READY")
                lives(told)
                agent.send_signal(signal.SIGTERM)
                assert told.next("STOPPING") == "STOPPING=1"
                assert agent.wait(10) == 0
            finally:
                agent.kill()
    finally:
        os.close(writer)
        os.close(reader)
        told.close()


def test_a_systemd_that_does_not_read_holds_nothing_up(folder: Path) -> None:
    told = Told(folder)
    try:
        told.next("READY")
        # Its queue is full from here on.
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler,
            contextlib.suppress(BlockingIOError),
        ):
            filler.setblocking(False)
            while True:
                filler.sendto(b"x", str(folder / "notify"))
        told.agent.signal(signal.SIGHUP)
        time.sleep(1)
        began = time.monotonic()
        told.agent.signal(signal.SIGTERM)
        assert told.agent.wait(10) == 0
        assert time.monotonic() - began < 5
    finally:
        told.close()
