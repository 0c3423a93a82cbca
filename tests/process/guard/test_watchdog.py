"""A real guard under a systemd of the test's own: what it says, and what becomes of it when it freezes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.guard.watchdog import KILL_SHARE, SYSTEMD_LATE_S
from hafailover.lab.waiting import wait_until

from .host import BUDGET_S, KILL_SLACK_S, GuardHost, running

UNIT_S = 3.0


@dataclass(frozen=True)
class Said:
    at: float
    text: str

    @property
    def limit_s(self) -> float:
        name, _, value = self.text.splitlines()[0].partition("=")
        assert name == "WATCHDOG_USEC"
        return int(value) / 1e6


class Systemd:
    """Takes what the guard says, and kills it as late as systemd may when a sign of life is overdue."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._said: list[Said] = []
        self.killed_at = 0.0
        self.pid = 0
        self._thread = threading.Thread(target=self._run)

    @property
    def said(self) -> list[Said]:
        with self._lock:
            return list(self._said)

    @property
    def pats(self) -> list[Said]:
        return [one for one in self.said if "WATCHDOG=1" in one.text.splitlines()]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=5)
        self._socket.close()

    def _run(self) -> None:
        self._socket.settimeout(0.01)
        kills_at = float("inf")
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                said = Said(boottime(), self._socket.recv(4096).decode())
                with self._lock:
                    self._said.append(said)
                if "WATCHDOG=1" in said.text:
                    kills_at = said.at + said.limit_s + SYSTEMD_LATE_S
            if boottime() >= kills_at and self.pid and not self.killed_at:
                self.killed_at = boottime()
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
def systemd(host: GuardHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    systemd = Systemd(host.folder / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(systemd.path))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(UNIT_S * 1e6)))
    systemd.start()
    yield systemd
    systemd.stop()


def test_it_says_that_it_is_ready_and_then_that_it_lives(host: GuardHost, systemd: Systemd) -> None:
    host.up()
    wait_until(lambda: len(systemd.pats) >= 3, timeout_s=4, what="signs of life")

    assert systemd.said[0].text == "READY=1"
    assert {one.limit_s for one in systemd.pats} == {UNIT_S}
    for one, after in zip(systemd.pats, systemd.pats[1:], strict=False):
        assert after.at - one.at < UNIT_S / 3 + 0.3


def test_the_limit_follows_the_grant(host: GuardHost, systemd: Systemd) -> None:
    agent, deadline = host.loaded(5, grant_s=2.0)
    agent.until_key("absent", timeout_s=4.0)
    wait_until(lambda: systemd.pats[-1].limit_s == UNIT_S, timeout_s=1.5, what="the unit's own limit")

    pats = systemd.pats
    armed = [one for one in pats if one.limit_s < UNIT_S]
    assert len(armed) >= 3
    # Where the key was there, and nowhere else: the drop begins at the deadline or just before it.
    first, last = pats.index(armed[0]), pats.index(armed[-1])
    assert pats[first : last + 1] == armed
    assert first > 0
    # A busy machine may bring a sign of life late, here and to a real systemd: what is left of the budget has
    # to do then. The unit tests hold the limits themselves against what is promised.
    assert all(one.at + one.limit_s + SYSTEMD_LATE_S < deadline + BUDGET_S for one in armed)
    assert min(one.limit_s for one in armed) < 0.9
    assert not systemd.killed_at


@pytest.mark.parametrize("left_s", [1.5, 0.3, 0.02])
def test_a_guard_that_freezes_as_its_grant_runs_out_takes_neard_along_in_time(
    host: GuardHost, systemd: Systemd, left_s: float
) -> None:
    _, deadline = host.loaded(5, grant_s=2.0)
    neard = host.neards()[-1]
    assert host.guard is not None
    systemd.pid = host.guard.pid
    wait_until(lambda: boottime() >= deadline - left_s, timeout_s=3, what="the moment", interval_s=0.002)

    host.guard.freeze()

    gone = host.wait_dead(neard, by=deadline + BUDGET_S)
    assert systemd.killed_at <= gone
    assert gone <= deadline + BUDGET_S * (1 - KILL_SHARE) + KILL_SLACK_S
    assert gone <= deadline + BUDGET_S


def test_a_systemd_that_does_not_read_never_holds_the_guard_up(
    host: GuardHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(host.folder / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(host.folder / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        agent, deadline = host.loaded(5, grant_s=4.0)

        agent.until(lambda _: boottime() > deadline - 0.1)
        gone = host.wait_keyless(deadline + 0.2)

        assert gone < deadline + 0.2


def test_without_a_watchdog_there_are_no_signs_of_life(
    host: GuardHost, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC")
    agent, _ = host.loaded(5, grant_s=1.0)
    agent.until_key("absent", timeout_s=3.0)

    assert [one.text for one in systemd.said] == ["READY=1"]


def test_neard_gives_way_before_the_guard_when_memory_runs_out(host: GuardHost) -> None:
    """A guard of a higher score than 0 keeps it for neard; the other direction needs a right of its own."""
    host.up()
    assert host.guard is not None
    guard = int(Path(f"/proc/{host.guard.pid}/oom_score_adj").read_text())
    neard = host.neards()[-1]
    assert running(neard)
    assert int(Path(f"/proc/{neard}/oom_score_adj").read_text()) == max(0, guard)
