"""The agent's hand on the guard: its words, its silence, and the certainty that a process has ended."""

from __future__ import annotations

import errno
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hafailover.agent import hand as module
from hafailover.agent.hand import Hand
from hafailover.core import events as ev
from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard.protocol import VERSION, GuardReport, decode, encode

from .parts import Events

REPORT: dict[str, Any] = {
    "v": VERSION,
    "event": "neard's RPC answers",
    "guard_pid": 100,
    "neard": "up",
    "neard_pid": None,
    "key": "absent",
    "term": 0,
    "retired": 0,
    "refused_term": 0,
    "tainted": False,
    "drop_budget_s": 1.5,
    "height": 120,
    "problem": "",
    "public_key": "ed25519:pool",
    "account_id": "pool.near",
    "restarts": 1,
    "load_s": None,
    "drop_s": None,
}
GUARD = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
connection, _ = listener.accept()
connection.sendall(bytes.fromhex(sys.argv[2]))
sys.stdin.read()
"""
Process = subprocess.Popen[str]


class Guard:
    """The guard's end of the socket, in this process."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(5)
        self._connection: socket.socket | None = None

    def accept(self) -> None:
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(5)

    def say(self, line: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(line)

    def hear(self) -> dict[str, Any]:
        """The next line of the agent's."""
        assert self._connection is not None
        line = b""
        while not line.endswith(b"\n"):
            line += self._connection.recv(1)
        return decode(line)

    def has_something(self) -> bool:
        """Whether the agent's next line is here already."""
        assert self._connection is not None
        return bool(select.select([self._connection], [], [], 0)[0])

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def close(self) -> None:
        self.hang_up()
        self._listener.close()


class Bench:
    """A hand, and what it says."""

    def __init__(self, path: Path) -> None:
        self.events = Events()
        self.reports: list[GuardReport] = []
        self.hand = Hand(path, self.events, self.reports.append)
        self.hand.start()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard.sock"


@pytest.fixture
def guard(path: Path) -> Iterator[Guard]:
    one = Guard(path)
    yield one
    one.close()


@pytest.fixture
def bench(path: Path, guard: Guard) -> Bench:
    one = Bench(path)
    guard.accept()
    return one


def report(**changes: Any) -> bytes:
    return encode({**REPORT, **changes})


# --- words


def test_a_report_comes_through_whole_and_as_the_core_needs_it(guard: Guard, bench: Bench) -> None:
    guard.say(report(load_s=0.03))
    view = bench.events.wait(ev.GuardSeen).guard
    assert (view.neard, view.key, view.height, view.drop_budget_s) == (
        NeardPhase.UP,
        KeyState.ABSENT,
        120,
        1.5,
    )
    (whole,) = bench.reports
    assert (whole.event, whole.restarts, whole.load_s) == ("neard's RPC answers", 1, 0.03)


def test_lines_may_come_in_pieces_or_together(guard: Guard, bench: Bench) -> None:
    line = report(height=1)
    guard.say(line[:50])
    guard.say(line[50:] + report(height=2) + report(height=3)[:-1])
    bench.events.wait(ev.GuardSeen, 2)
    guard.say(b"\n")
    bench.events.wait(ev.GuardSeen, 3)
    assert [seen.guard.height for seen in bench.events.of(ev.GuardSeen)] == [1, 2, 3]


def test_commands_arrive_and_so_do_pings(guard: Guard, bench: Bench) -> None:
    """Its answers to pings are how the core knows that a guard lives."""
    guard.say(report())
    bench.events.wait(ev.GuardSeen)
    arm = {"op": "arm", "term": 7, "deadline": 1234.5}
    bench.hand.send(arm)
    heard = [guard.hear(), guard.hear()]
    assert arm in heard
    assert {"op": "ping"} in heard


def test_a_guard_that_does_not_read_holds_nobody_up_and_is_lost(
    path: Path, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that decides sends the commands: were it to wait here, beats would, too."""
    monkeypatch.setattr(module, "SEND_DEADLINE_S", 3.0)
    bench = Bench(path)
    guard.accept()
    guard.say(report())
    bench.events.wait(ev.GuardSeen)
    began = time.monotonic()
    for _ in range(40):
        bench.hand.send({"op": "restart", "reason": "x" * 30_000})
    assert time.monotonic() - began < 1.5
    bench.events.wait(ev.GuardLost)


def test_more_commands_than_anybody_sends_cut_the_connection(
    guard: Guard, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    guard.say(report())
    bench.events.wait(ev.GuardSeen)
    for _ in range(module.MOST_UNSENT + 100):
        bench.hand.send({"op": "restart", "reason": "x" * 30_000})
    bench.events.wait(ev.GuardLost)
    assert "left too many of them unread" in caplog.text


def test_what_one_guard_has_not_read_no_other_hears(guard: Guard, bench: Bench) -> None:
    guard.say(report())
    bench.events.wait(ev.GuardSeen)
    for _ in range(module.MOST_UNSENT + 100):
        bench.hand.send({"op": "restart", "reason": "x" * 30_000})
    bench.events.wait(ev.GuardLost)
    guard.accept()
    guard.say(report())
    bench.events.wait(ev.GuardSeen, 2)
    bench.hand.send({"op": "grant", "term": 7, "deadline": 1.0})
    assert {guard.hear()["op"], guard.hear()["op"]} <= {"ping", "grant"}


def test_a_last_command_is_out_before_its_sender_ends(guard: Guard, bench: Bench) -> None:
    guard.say(report())
    bench.events.wait(ev.GuardSeen)
    bench.hand.send({"op": "drill", "whole": True})
    bench.hand.flush(5.0)
    assert guard.has_something()


def test_without_a_guard_commands_go_nowhere(path: Path) -> None:
    Hand(path, Events(), lambda _: None).send({"op": "ping"})


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"[]\n",
        b"{}\n",
        report(v=VERSION - 1),
        report(neard="asleep"),
        report(term=-1),
        b"x" * 70_000,
    ],
    ids=["no JSON", "a list", "empty", "version", "phase", "term", "endless"],
)
def test_garbage_ends_the_connection_and_a_new_one_is_made(guard: Guard, bench: Bench, line: bytes) -> None:
    guard.say(line)
    bench.events.wait(ev.GuardLost)
    assert bench.events.of(ev.GuardSeen) == []
    guard.accept()
    guard.say(report())
    bench.events.wait(ev.GuardSeen)


@pytest.mark.parametrize("pid", [2**31, 2**63, -1, 0, 1, "7", 1.5, True])
def test_a_pid_that_cannot_be_is_no_harm(guard: Guard, bench: Bench, pid: Any) -> None:
    guard.say(report(neard_pid=pid) + report(height=2))
    assert bench.events.wait(ev.GuardSeen, 2).guard.height == 2


def test_a_guard_that_hangs_up_but_lives_is_lost_and_not_gone(guard: Guard, bench: Bench) -> None:
    """Its neard may hold the key still; only the end of the processes says otherwise."""
    guard.say(report())
    bench.events.wait(ev.GuardSeen)
    guard.hang_up()
    bench.events.wait(ev.GuardLost)
    guard.accept()
    guard.say(report())
    bench.events.wait(ev.GuardSeen, 2)
    assert bench.events.of(ev.HandGone) == []


# --- processes


@pytest.fixture
def processes() -> Iterator[Callable[..., Process]]:
    """Starts processes, and ends them with the test."""
    started: list[Process] = []

    def start(*command: str) -> Process:
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=5)


class Host:
    """A guard and a neard that are processes of their own."""

    def __init__(self, path: Path, start: Callable[..., Process]) -> None:
        self.neard = start("sleep", "60")
        line = report(neard_pid=self.neard.pid)
        self.guard = start(sys.executable, "-c", GUARD, str(path), line.hex())
        self.bench = Bench(path)
        self.bench.events.wait(ev.GuardSeen)


@pytest.fixture
def host(path: Path, processes: Callable[..., Process]) -> Host:
    return Host(path, processes)


def test_the_hand_is_gone_when_both_have_ended_and_not_before(host: Host) -> None:
    host.guard.kill()
    events = host.bench.events
    events.wait(ev.GuardLost)
    assert events.of(ev.HandGone) == [], "neard lives, perhaps with the key"
    host.neard.kill()
    events.wait(ev.HandGone)


def test_a_neard_that_ends_alone_does_not_make_the_hand_go(host: Host) -> None:
    host.neard.kill()
    host.neard.wait(5)
    host.guard.kill()
    host.bench.events.wait(ev.HandGone)
    kinds = [type(event) for event in host.bench.events.all]
    assert kinds.index(ev.HandGone) > kinds.index(ev.GuardLost)


def test_kill_ends_guard_and_neard(host: Host) -> None:
    host.bench.hand.kill()
    assert (host.guard.wait(5), host.neard.wait(5)) == (-9, -9)
    host.bench.events.wait(ev.HandGone)
    host.bench.hand.kill()


# --- one process


@pytest.fixture
def watched() -> module._Watched:
    return module._Watched("neard")


def test_no_process_at_all_has_ended(watched: module._Watched) -> None:
    assert watched.ended(0.0)
    watched.watch(None)
    assert watched.ended(0.0)


def test_a_living_one_has_not_until_it_does(
    watched: module._Watched, processes: Callable[..., Process]
) -> None:
    process = processes("sleep", "60")
    watched.watch(process.pid)
    assert not watched.ended(0.05)
    process.kill()
    assert watched.ended(5.0)
    process.wait(5)
    assert watched.ended(0.0), "and it stays so, whoever gets its number next"


def test_one_that_had_ended_before_has(watched: module._Watched, processes: Callable[..., Process]) -> None:
    process = processes("true")
    process.wait(5)
    watched.watch(process.pid)
    assert watched.ended(0.0)


def test_a_pid_that_is_not_known_here_has_not_certainly_ended(watched: module._Watched) -> None:
    """The kernel gives 0 for a process of another pid namespace: it may well live."""
    watched.watch(0)
    assert not watched.ended(0.0)
    watched.kill()


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), ValueError("no"), OverflowError("too large")]
)
def test_one_that_cannot_be_watched_has_not_certainly_ended(
    watched: module._Watched, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(pid: int) -> int:
        raise error

    monkeypatch.setattr(os, "pidfd_open", refuse)
    watched.watch(os.getpid())
    assert not watched.ended(0.0)


def test_the_next_process_is_the_one_that_counts(
    watched: module._Watched, processes: Callable[..., Process]
) -> None:
    first, second = processes("sleep", "60"), processes("sleep", "60")
    watched.watch(first.pid)
    watched.watch(second.pid)
    first.kill()
    first.wait(5)
    assert not watched.ended(0.05)
    watched.kill()
    assert second.wait(5) == -9
    assert watched.ended(0.0)


def test_a_guard_that_talks_nonsense_is_told_of_once(
    guard: Guard, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for number in (1, 2, 3):
        guard.say(b"garbage\n")
        bench.events.wait(ev.GuardLost, number)
        guard.accept()
    assert [text for text in caplog.messages if "guard" in text] == [
        "the guard: it sent a line that is not JSON; disconnecting"
    ]
    guard.say(report())
    bench.events.wait(ev.GuardSeen)
    assert caplog.messages[-1] == "connected with the guard"
