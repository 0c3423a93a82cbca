"""The guard's unit, as it is shipped, under a real systemd: its watchdog, its stop, and a disk that hangs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.lab.waiting import wait_until

from .frozen import LoopDisk, threads_that_wait
from .host import FAKE, GuardHost, running
from .machine import Machine, machine, processes_with
from .test_hung_disk import home_on_a_disk

ROOT = Path(__file__).resolve().parents[3]
UNIT_S = 3
STOP_S = 20
LONG_BUDGET_S = 2.0
"""Long enough to stop the guard between the drop and the kill."""
BESIDE = f"sleep\0007{os.getpid()}"
"""The command line of what the guard's neard leaves beside it."""


def unit(host: GuardHost, command: Path) -> str:
    """``neard.toml`` as systemd reads it; for a machine of one user, on which all is under one folder."""
    given = {
        "hafailover": str(command),
        "kill": "/bin/kill",
        "tail": "/usr/bin/tail",
        "config": "none",
        "neard_home": str(host.home),
        "guard_watchdog_s": str(UNIT_S),
        "guard_stop_s": str(STOP_S),
    }
    values = tomllib.loads((resources.files("hafailover.units") / "neard.toml").read_text())
    values["Service"].update(User="root", Group="root", PrivateTmp=False, ProtectHome=False)
    values["Service"].update(ReadWritePaths=str(host.folder))
    values["Service"].update(StandardOutput=f"append:{host.log}", StandardError=f"append:{host.log}")
    lines = []
    for section, entries in values.items():
        lines.append(f"[{section}]")
        for key, value in entries.items():
            for one in value if isinstance(value, list) else [value]:
                text = str(one).lower() if isinstance(one, bool) else str(one)
                lines.append(f"{key}={re.sub(r'@([a-z_]+)@', lambda name: given[name[1]], text)}")
    return "\n".join(lines) + "\n"


class Rig:
    """A guard's host in a machine of its own, seen from outside."""

    def __init__(self, host: GuardHost, disk: LoopDisk, inside: Machine) -> None:
        self.host, self.disk, self.machine = host, disk, inside

    def neard(self) -> int:
        """Its pid out here."""
        (pid,) = [pid for pid in processes_with(str(FAKE)) if running(pid) and self._is_ours(pid)]
        return pid

    def _is_ours(self, pid: int) -> bool:
        return str(self.host.home) in Path(f"/proc/{pid}/cmdline").read_text()

    def guard(self) -> int:
        found = [pid for pid in processes_with("hafailover.guard") if self._is_ours(pid)]
        assert len(found) == 1, found
        return found[0]


def until_it_hangs(pid: int) -> None:
    wait_until(
        lambda: bool(threads_that_wait(pid)), timeout_s=3, what="a thread that hangs", interval_s=0.002
    )


@pytest.fixture
def rig(host: GuardHost) -> Iterator[Rig]:
    host.change(drop_budget_s=LONG_BUDGET_S)
    command = host.folder / "hafailover"
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(home_on_a_disk(host))
        # Beside what nothing binds to the guard: only systemd can end it.
        host.binary.write_text(f"#!/bin/sh\nsleep 7{os.getpid()} &\n{host.binary.read_text()}")
        command.write_text(
            f"#!/bin/sh\nexec {sys.executable} -m hafailover.guard '{host.settings.to_json()}'\n"
        )
        command.chmod(0o755)
        # Not below the host's folder, which the machine is shown.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-", dir="/var/tmp")))
        read = [ROOT, *([Path(sys.prefix)] if not Path(sys.prefix).is_relative_to(ROOT) else [])]
        # The pids in it are of the machine's own, and mean nothing once that is gone.
        stack.callback((host.folder / "fake.log").write_text, "")
        units = {"neard.service": unit(host, command)}
        inside = stack.enter_context(machine(folder, [host.folder], read, units))
        stack.callback(disk.thaw)
        inside.succeed("systemctl", "start", "neard.service")
        yield Rig(host, disk, inside)


def test_the_watchdog_ends_all_that_the_guard_started_though_the_guard_itself_cannot_end(rig: Rig) -> None:
    """The disk hangs, the guard with it in a thread, and then the guard stops giving signs of life."""
    agent = rig.host.agent()
    agent.until_up(30)
    deadline = agent.arm(5, 4.0)
    agent.until_key("loaded")
    neard, guard = rig.neard(), rig.guard()
    (beside,) = processes_with(BESIDE)
    rig.disk.freeze()
    agent.drop(5)
    until_it_hangs(guard)
    os.kill(guard, signal.SIGSTOP)
    assert running(neard)

    died = rig.host.wait_dead(neard, deadline + LONG_BUDGET_S)

    assert died < deadline + LONG_BUDGET_S
    wait_until(lambda: not running(beside), timeout_s=2, what="the end of what neard's script left behind")
    assert threads_that_wait(guard), "the guard has ended: this tests nothing"
    rig.disk.thaw()
    # Its socket takes connections until then.
    wait_until(lambda: not Path(f"/proc/{guard}").exists(), timeout_s=5, what="the guard's end")
    again = rig.host.agent()
    again.until_up(30)
    assert again.now()["key"] == "absent"
    journal = rig.machine.succeed("journalctl", "--no-pager", "-q", "-u", "neard.service")
    assert "Watchdog timeout" in journal
    assert not rig.host.link.is_symlink()


def test_a_disk_that_hangs_alone_ends_neard_and_not_the_guard(rig: Rig) -> None:
    agent = rig.host.agent()
    agent.until_up(30)
    deadline = agent.arm(5, 2.0)
    agent.until_key("loaded")
    neard, guard = rig.neard(), rig.guard()
    rig.disk.freeze()

    died = rig.host.wait_dead(neard, deadline + LONG_BUDGET_S)

    assert deadline < died < deadline + LONG_BUDGET_S
    assert threads_that_wait(guard)
    time.sleep(UNIT_S + 1)
    assert rig.guard() == guard
    assert rig.machine.succeed("systemctl", "is-active", "neard.service").strip() == "active"
    assert "check the disk" in agent.now()["problem"]
    rig.disk.thaw()
    agent.until_up(30)


def test_an_orderly_stop_drops_the_key_before_neard_is_told_to_stop(rig: Rig) -> None:
    agent = rig.host.agent()
    agent.until_up(30)
    agent.arm(5, 14.0)
    agent.until_key("loaded")
    (beside,) = processes_with(BESIDE)
    began = boottime()

    rig.machine.succeed("systemctl", "stop", "neard.service")

    assert boottime() - began < STOP_S / 2
    told = [(event["event"], event.get("key")) for event in rig.host.events("reload", "term", "stop")]
    assert told[-3:] == [("reload", None), ("term", None), ("stop", None)]
    assert rig.machine.succeed("systemctl", "show", "-P", "Result", "neard.service").strip() == "success"
    assert not running(beside)
    assert not rig.host.link.is_symlink()
