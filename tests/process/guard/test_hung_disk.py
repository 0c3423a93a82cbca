"""neard's home, or the guard's own folder, on a disk that hangs: neard's key is gone in time all the same."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from hafailover.clock import boottime
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until

from .frozen import LoopDisk, loop_disk, threads_that_wait
from .host import BUDGET_S, KILL_SLACK_S, GuardHost, running
from .test_watchdog import UNIT_S, Systemd

HALF_S = BUDGET_S / 2


@contextlib.contextmanager
def home_on_a_disk(host: GuardHost) -> Iterator[LoopDisk]:
    """Puts neard's home on a disk of its own. What neard writes goes elsewhere, as its data may."""
    with loop_disk(host.folder) as disk:
        before, host.home = host.home, disk.mount / "neard"
        shutil.copytree(before, host.home)
        host.link = host.home / "validator_key.json"
        log = host.folder / "fake.log"
        log.touch()
        (host.home / "fake.log").symlink_to(log)
        host.change(home=str(host.home))
        try:
            yield disk
        finally:
            disk.thaw()
            if host.guard is not None:
                host.guard.kill()
            host.wait_no_neard()


def test_the_grant_runs_out_while_the_home_hangs(host: GuardHost) -> None:
    with home_on_a_disk(host) as disk:
        agent, deadline = host.loaded(5, grant_s=2.0)
        neard = host.neards()[-1]
        assert host.guard is not None
        disk.freeze()

        died = host.wait_dead(neard, deadline + BUDGET_S)

        assert deadline < died < deadline + HALF_S + KILL_SLACK_S
        assert threads_that_wait(host.guard.pid), "the guard never had to wait: this tests nothing"
        report = agent.until_key("absent")
        assert report["neard"] == "down"
        time.sleep(1.2)
        assert "has not ended within 1 s: check the disk" in agent.now()["problem"]
        assert len(host.neards()) == 1, "neard is started although the link may be there"
        disk.thaw()
        # The links of before the hang do not come back.
        agent.until_up()
        assert host.started_with() == [None, None]
        assert not host.link.is_symlink()
        assert agent.now()["problem"] == ""


def test_an_arming_that_hangs_is_given_up_and_leaves_no_link(host: GuardHost) -> None:
    with home_on_a_disk(host) as disk:
        agent = host.up()
        disk.freeze()

        agent.arm(5, 8.0)

        report = agent.until(lambda report: report["refused_term"] == 5, 5.0)
        agent.until_key("absent")
        assert "check the disk under" in report["problem"]
        agent.arm(6, 8.0)
        assert agent.now()["refused_term"] == 6
        disk.thaw()
        agent.until_up()
        assert not host.link.is_symlink()
        assert host.started_with() == [None, None]
        agent.arm(7, 3.0)
        agent.until_key("loaded")


def test_a_guard_that_is_killed_while_it_waits_for_a_disk_takes_neard_along(host: GuardHost) -> None:
    """Its thread in state D cannot die, so it stays as a zombie; the thread that started neard does end."""
    with home_on_a_disk(host) as disk:
        agent, _ = host.loaded(5, grant_s=14.0)
        neard = host.neards()[-1]
        assert host.guard is not None
        disk.freeze()
        # A removal that hangs, while the key stays granted: the drop of a term that is not urgent, cold.
        agent.drop(5)
        wait_until(
            lambda: bool(threads_that_wait(host.guard.pid)),  # type: ignore[union-attr]
            timeout_s=3,
            what="a thread that hangs",
            interval_s=0.002,
        )
        assert running(neard)

        killed = boottime()
        os.kill(host.guard.pid, signal.SIGKILL)

        assert host.wait_dead(neard, killed + BUDGET_S) < killed + KILL_SLACK_S
        assert threads_that_wait(host.guard.pid), "the thread has ended: this tests nothing"
        assert "killing neard" not in host.text()


def test_the_next_guard_waits_for_one_of_which_a_thread_hangs(host: GuardHost) -> None:
    """What hangs may still place or remove a link. The unit starts a guard again that ends with this code."""
    with home_on_a_disk(host) as disk:
        agent, _ = host.loaded(5, grant_s=14.0)
        assert host.guard is not None
        disk.freeze()
        agent.drop(5)
        wait_until(
            lambda: bool(threads_that_wait(host.guard.pid)),  # type: ignore[union-attr]
            timeout_s=3,
            what="a thread that hangs",
            interval_s=0.002,
        )
        os.kill(host.guard.pid, signal.SIGKILL)

        command = [sys.executable, "-m", "hafailover.guard", host.settings.to_json()]
        second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

        assert second.returncode == 75
        assert "another guard is at work here" in second.stderr
        disk.thaw()
        host.guard.wait(5)
        host.up()
        assert not host.link.is_symlink()


@pytest.fixture
def systemd(host: GuardHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    systemd = Systemd(host.folder / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(systemd.path))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(UNIT_S * 1e6)))
    systemd.start()
    yield systemd
    systemd.stop()


def test_a_guard_whose_disk_hangs_goes_on_giving_signs_of_life(host: GuardHost, systemd: Systemd) -> None:
    with home_on_a_disk(host) as disk:
        agent, deadline = host.loaded(5, grant_s=1.0)
        assert host.guard is not None
        systemd.pid = host.guard.pid
        disk.freeze()
        host.wait_dead(host.neards()[-1], deadline + BUDGET_S)
        before = len(systemd.pats)
        time.sleep(UNIT_S + 1)

        assert not systemd.killed_at
        assert len(systemd.pats) > before
        assert agent.now()["key"] == "absent"


def full(kind: str) -> tuple[int, int]:
    """A pipe, or the socket that a journal gives, that nobody reads and that is full already."""
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        reader, writer = (one.detach() for one in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    return reader, writer


def silent(host: GuardHost, writer: int) -> None:
    """Starts the guard with this for its stdout and stderr."""
    # neard has its stderr from the guard; this one's is nobody's concern.
    host.binary.write_text(host.binary.read_text().replace('"$@"', '"$@" 2>/dev/null'))
    command = [sys.executable, "-m", "hafailover.guard", host.settings.to_json()]
    guard = subprocess.Popen(command, stdout=writer, stderr=writer, start_new_session=True)
    host.guard = ManagedProcess("guard", guard, host.log)


@pytest.mark.parametrize(("how", "kind"), [("drop", "pipe"), ("grant", "journal")])
def test_a_log_that_nobody_reads_holds_nothing_up(
    host: GuardHost, systemd: Systemd, how: str, kind: str
) -> None:
    reader, writer = full(kind)
    try:
        silent(host, writer)
        agent = host.agent()
        agent.until_up()
        deadline = agent.arm(5, 2.0)
        agent.until_key("loaded")
        neard = host.neards()[-1]
        host.faults(reload="refuse")
        by = agent.drop(5) if how == "drop" else deadline

        died = host.wait_dead(neard, by + BUDGET_S)

        assert died < by + HALF_S + KILL_SLACK_S
        host.faults()
        before = len(systemd.pats)
        agent.until_up()
        wait_until(lambda: len(systemd.pats) > before, timeout_s=UNIT_S, what="signs of life")
        # Nor does it hold up the guard's end for longer than a moment.
        assert host.guard is not None
        began = time.monotonic()
        os.kill(host.guard.pid, signal.SIGTERM)
        assert host.guard.wait(10) == 0
        assert time.monotonic() - began < 5
    finally:
        os.close(writer)
        os.close(reader)
