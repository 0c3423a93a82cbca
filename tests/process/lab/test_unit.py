"""A service under the lab's systemd: started again, killed when it falls silent, and left alone when told."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from hafailover.lab import ManagedProcess
from hafailover.lab.unit import LATE_S, WRONG_SETTINGS, Unit
from hafailover.lab.waiting import wait_until

RESTART_S = 0.3
WATCHDOG_S = 0.6
WAIT_S = 10.0

SERVICE = """
import os, socket, sys, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(text): sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
say("READY=1")
while True:
    time.sleep(0.05)
    say("WATCHDOG=1")
"""

Make = Callable[..., Unit]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    units: list[Unit] = []
    # A socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hafailover-") as folder:

        def made(program: str = SERVICE, watchdog_s: float | None = WATCHDOG_S) -> Unit:
            def start(env: Mapping[str, str]) -> ManagedProcess:
                words = [sys.executable, "-c", program]
                return ManagedProcess.start("service", words, log_path=tmp_path / "log", extra_env=env)

            unit = Unit(
                "service", start, restart_s=RESTART_S, watchdog_s=watchdog_s, notify=Path(folder) / "notify"
            )
            units.append(unit)
            unit.begin()
            return unit

        yield made
        for unit in units:
            unit.close(1.0)


def ended(unit: Unit, count: int) -> None:
    wait_until(lambda: len(unit.ends) >= count, timeout_s=WAIT_S, what=f"{count} ends of the service")


def up(unit: Unit) -> None:
    wait_until(lambda: unit.alive, timeout_s=WAIT_S, what="the service")


def test_what_ends_is_started_again_after_its_pause(make: Make) -> None:
    unit = make()
    first = unit.process
    assert first is not None
    first.signal(9)
    ended(unit, 1)
    up(unit)

    assert unit.process is not first
    assert (unit.ends[0].code, unit.ends[0].by_watchdog) == (-9, False)
    assert time.clock_gettime(time.CLOCK_BOOTTIME) - unit.ends[0].at >= RESTART_S


def test_a_frozen_service_is_killed_and_one_that_speaks_is_not(make: Make) -> None:
    unit = make()
    time.sleep(2 * WATCHDOG_S + LATE_S)
    assert unit.ends == []
    assert unit.process is not None
    began = time.clock_gettime(time.CLOCK_BOOTTIME)
    unit.process.freeze()
    ended(unit, 1)

    assert unit.ends[0].by_watchdog
    assert WATCHDOG_S + LATE_S - 0.15 < unit.ends[0].at - began < WATCHDOG_S + LATE_S + 0.5


def test_the_watchdog_kills_what_the_service_has_started_too(make: Make, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    child = "import subprocess as s, pathlib as p; c = s.Popen(['sleep', '60'], process_group=0)\n"
    unit = make(f"{child}p.Path({str(note)!r}).write_text(str(c.pid))\n{SERVICE}")
    wait_until(lambda: note.exists() and note.read_text() != "", timeout_s=WAIT_S, what="its child")
    process = Path(f"/proc/{note.read_text()}")
    assert process.exists()
    assert unit.process is not None

    unit.process.freeze()
    ended(unit, 1)

    wait_until(lambda: not process.exists(), timeout_s=WAIT_S, what="the end of its child")


def test_a_service_sets_its_own_limit(make: Make) -> None:
    unit = make(SERVICE.replace('say("READY=1")', 'say("READY=1"); say("WATCHDOG_USEC=60000000")'))
    time.sleep(0.3)
    assert unit.process is not None
    unit.process.freeze()
    time.sleep(WATCHDOG_S + LATE_S + 0.5)

    assert unit.ends == []


def test_a_suspended_machine_kills_nobody_and_goes_on_counting_when_it_wakes(make: Make) -> None:
    unit = make()
    time.sleep(0.5)
    assert unit.process is not None
    unit.pause()
    unit.process.freeze()
    time.sleep(WATCHDOG_S + LATE_S + 0.5)
    assert unit.ends == []
    unit.resume()
    ended(unit, 1)

    assert unit.ends[0].by_watchdog


def test_what_is_held_stays_away_until_it_is_released(make: Make) -> None:
    unit = make()
    unit.hold()
    assert unit.process is not None
    unit.process.signal(9)
    ended(unit, 1)
    time.sleep(2 * RESTART_S)
    assert not unit.alive
    unit.release()
    up(unit)


def test_wrong_settings_are_not_tried_again(make: Make) -> None:
    unit = make(f"raise SystemExit({WRONG_SETTINGS})", None)
    ended(unit, 1)
    time.sleep(2 * RESTART_S)

    assert unit.failed
    assert len(unit.ends) == 1


def test_a_restart_comes_at_once(make: Make) -> None:
    unit = make()
    first = unit.process
    unit.restart(1.0)

    assert unit.alive
    assert unit.process is not first
    assert unit.ends[0].code == -15
