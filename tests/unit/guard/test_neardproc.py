"""neard's process, with small real children: it never outlives the guard, and nobody else is ever killed."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.guard.neardproc import NeardProcess, SpawnError, end_leftover
from hafailover.lab.waiting import wait_until

PYTHON = [sys.executable, "-I", "-S", "-c"]
SLEEP = ["sleep", "60"]


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "neard.pid"


@pytest.fixture
def children() -> Iterator[list[int]]:
    """Pids to be killed at the end of a test, whatever came of it."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        if state(pid) != "gone":
            os.kill(pid, signal.SIGKILL)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def running(pid: int) -> bool:
    return state(pid) not in ("gone", "Z", "X")


def start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def ended(process: NeardProcess, timeout_s: float = 5.0) -> int:
    assert process.pidfd is not None
    assert select.select([process.pidfd], [], [], timeout_s)[0], "still running"
    return process.reap()


def python(program: str) -> list[str]:
    return [*PYTHON, program]


def wait_for(path: Path) -> str:
    wait_until(lambda: path.exists() and bool(path.read_text()), timeout_s=10, what=f"{path.name}")
    return path.read_text()


# --- start, signals, end


def test_it_has_a_process_group_of_its_own(pid_file: Path) -> None:
    process = NeardProcess(SLEEP, pid_file)
    pid = process.start()
    assert os.getpgid(pid) == pid
    assert os.getpgid(pid) != os.getpgid(0)

    process.kill()

    assert ended(process) == -signal.SIGKILL
    assert process.pidfd is None
    assert not pid_file.exists()


def test_exit_codes_come_through(pid_file: Path) -> None:
    process = NeardProcess(python("raise SystemExit(7)"), pid_file)
    process.start()
    assert ended(process) == 7
    process.start()
    assert ended(process) == 7


def test_an_early_sighup_is_survived_and_a_handler_takes_over(tmp_path: Path, pid_file: Path) -> None:
    """neard's handler stands only after its start; before, the signal's default would kill it."""
    ready, seen = tmp_path / "ready", tmp_path / "seen"
    program = f"""
import pathlib, signal, time
pathlib.Path({str(ready)!r}).write_text(str(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN))
time.sleep(0.3)
signal.signal(signal.SIGHUP, lambda *_: pathlib.Path({str(seen)!r}).write_text("hup"))
pathlib.Path({str(ready)!r}).write_text("handled")
time.sleep(60)
"""
    process = NeardProcess(python(program), pid_file)
    pid = process.start()
    assert wait_for(ready) == "True"
    process.signal(signal.SIGHUP)
    wait_until(lambda: ready.read_text() == "handled", timeout_s=5, what="the handler")
    assert running(pid)
    assert not seen.exists()

    process.signal(signal.SIGHUP)

    assert wait_for(seen) == "hup"
    process.kill()
    ended(process)


def test_other_signals_are_as_usual(pid_file: Path) -> None:
    process = NeardProcess(SLEEP, pid_file)
    process.start()
    process.signal(signal.SIGTERM)
    assert ended(process) == -signal.SIGTERM


def test_a_frozen_neard_is_killed(pid_file: Path) -> None:
    process = NeardProcess(SLEEP, pid_file)
    pid = process.start()
    os.kill(pid, signal.SIGSTOP)
    process.kill()
    assert ended(process) == -signal.SIGKILL


def test_killing_takes_the_whole_group(tmp_path: Path, pid_file: Path, children: list[int]) -> None:
    note = tmp_path / "child"
    process = NeardProcess(["sh", "-c", f"sleep 60 & echo $! > {note}; wait"], pid_file)
    process.start()
    child = int(wait_for(note))
    children.append(child)

    process.kill()

    ended(process)
    wait_until(lambda: not running(child), timeout_s=5, what="the child's end")


def test_a_neard_that_has_left_its_group_is_killed_all_the_same(
    tmp_path: Path, pid_file: Path, children: list[int]
) -> None:
    note = tmp_path / "left"
    program = f"""
import os, pathlib, time
os.setpgid(0, os.getpgid(os.getppid()))
pathlib.Path({str(note)!r}).write_text("left")
time.sleep(60)
"""
    process = NeardProcess(python(program), pid_file)
    children.append(process.start())
    wait_for(note)

    process.kill()

    assert ended(process) == -signal.SIGKILL


def test_nothing_is_signalled_when_nothing_runs(pid_file: Path) -> None:
    process = NeardProcess(SLEEP, pid_file)
    process.signal(signal.SIGTERM)
    process.kill()
    process.start()
    process.kill()
    ended(process)
    process.signal(signal.SIGTERM)
    process.kill()


@pytest.mark.parametrize("kind", ["missing", "not executable", "a folder"])
def test_a_binary_that_cannot_be_run_is_named(tmp_path: Path, pid_file: Path, kind: str) -> None:
    binary = tmp_path / "neard"
    if kind == "not executable":
        binary.write_text("#!/bin/sh\n")
    elif kind == "a folder":
        binary.mkdir()
    process = NeardProcess([str(binary), "run"], pid_file)

    with pytest.raises(SpawnError, match=rf"{binary}: cannot be started: .*; set neard.binary"):
        process.start()

    assert process.pidfd is None
    assert not pid_file.exists()


def test_a_process_that_cannot_be_watched_is_not_left_running(
    pid_file: Path, monkeypatch: pytest.MonkeyPatch, children: list[int]
) -> None:
    """Out of file descriptors: a neard that the guard does not watch might hold the key for ever."""

    def no_more(pid: int, flags: int = 0) -> int:
        children.append(pid)
        raise OSError(24, "Too many open files")

    process = NeardProcess(SLEEP, pid_file)
    monkeypatch.setattr(os, "pidfd_open", no_more)

    with pytest.raises(SpawnError, match="Too many open files"):
        process.start()

    wait_until(lambda: not running(children[0]), timeout_s=5, what="the child's end")


def test_a_note_that_cannot_be_removed_does_not_hide_the_end(pid_file: Path) -> None:
    process = NeardProcess(SLEEP, pid_file)
    process.note(process.start())()
    pid_file.unlink()
    pid_file.mkdir()
    process.kill()

    assert ended(process) == -signal.SIGKILL
    process.forget()


# --- it dies with its parent

PARENT = """
import sys, time
from pathlib import Path
from hafailover.guard.neardproc import NeardProcess
process = NeardProcess(["sleep", "60"], Path(sys.argv[1]))
print(process.start(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_it_dies_with_its_guard(pid_file: Path, children: list[int], number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, pid_file], stdout=subprocess.PIPE, text=True
    ) as guard:
        assert guard.stdout is not None
        child = int(guard.stdout.readline())
        children.append(child)
        assert running(child)
        asked = boottime()
        guard.send_signal(number)
        guard.wait(5)

    wait_until(lambda: not running(child), timeout_s=2, what="the child's end", interval_s=0.005)
    assert boottime() - asked < 1.0


# --- what a guard before this one left behind


@pytest.fixture
def leftover(children: list[int]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def note(pid_file: Path, pid: object, start: object) -> None:
    pid_file.write_text(json.dumps({"pid": pid, "start": start}))


def test_a_leftover_is_ended_and_told(pid_file: Path, leftover: subprocess.Popen[bytes]) -> None:
    note(pid_file, leftover.pid, start_time(leftover.pid))
    told: list[str] = []

    end_leftover(pid_file, told.append)

    assert leftover.wait(1) == -signal.SIGKILL
    assert str(leftover.pid) in told[0]


def test_the_note_of_a_start_is_what_ends_it(pid_file: Path) -> None:
    process = NeardProcess(SLEEP, pid_file)
    process.note(process.start())()

    end_leftover(pid_file, lambda _: None)

    assert ended(process, 1.0) == -signal.SIGKILL


@pytest.mark.parametrize("by", [-1, 1, 100000])
def test_a_pid_that_means_another_process_now_is_left_alone(
    pid_file: Path, leftover: subprocess.Popen[bytes], by: int
) -> None:
    note(pid_file, leftover.pid, start_time(leftover.pid) + by)

    end_leftover(pid_file, lambda _: None)

    time.sleep(0.05)
    assert leftover.poll() is None


def test_a_process_that_is_gone_is_no_trouble(pid_file: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    note(pid_file, process.pid, 1)
    end_leftover(pid_file, lambda _: None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"pid": 1}',
        '{"pid": null, "start": 1}',
        '{"pid": "x", "start": 1}',
        '{"pid": -1, "start": 1}',
        '{"pid": 0, "start": 1}',
        '{"pid": 1e999, "start": 1}',
        '{"pid": 1%s, "start": 1}' % ("0" * 30),
        "[" * 100000,
        "\0",
    ],
    ids=lambda text: repr(text)[:24],
)
def test_a_note_that_makes_no_sense_is_no_trouble(pid_file: Path, text: str) -> None:
    pid_file.write_text(text)
    end_leftover(pid_file, lambda _: None)


def test_a_note_that_cannot_be_read_is_no_trouble(pid_file: Path) -> None:
    end_leftover(pid_file, lambda _: None)
    pid_file.write_bytes(b"\xff\xfe")
    end_leftover(pid_file, lambda _: None)
    pid_file.unlink()
    pid_file.mkdir()
    end_leftover(pid_file, lambda _: None)


# --- when memory runs out


@pytest.mark.parametrize(("before", "after"), [("-900\n", "0"), ("0\n", "0\n"), ("300\n", "300\n")])
def test_neard_never_outlives_the_guard_for_want_of_memory(
    before: str, after: str, tmp_path: Path, pid_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which score neard has is for the kernel to lower by right alone; here a file stands for it."""
    score = tmp_path / "oom_score_adj"
    score.write_text(before)
    monkeypatch.setattr("hafailover.guard.neardproc.OOM_SCORE", score)
    process = NeardProcess(["true"], pid_file)
    process.start()

    assert ended(process) == 0
    assert score.read_text() == after


def test_a_score_that_cannot_be_changed_keeps_no_neard_from_starting(
    tmp_path: Path, pid_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hafailover.guard.neardproc.OOM_SCORE", tmp_path / "none")
    process = NeardProcess(["true"], pid_file)
    process.start()

    assert ended(process) == 0
