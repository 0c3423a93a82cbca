"""Child processes of the lab: they can be killed, frozen and waited for, and none is left behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.lab import LabError, LabTimeoutError, ManagedProcess, ProcessId
from hafailover.lab.process import start_detached
from hafailover.lab.procfs import children_of, descendants_of, freeze_tree, kill_tree, signal_all
from hafailover.lab.waiting import wait_until

PYTHON = sys.executable
# A shell that starts another process in its own group, and one in a group apart.
FAMILY = "sleep 300 & setsid sleep 301 & echo ready; wait"
# It starts another as vfork(2) does, and waits until that one has opened a FIFO and become `sleep`.
SPAWNER = """
import os, sys, time
opening = (os.POSIX_SPAWN_OPEN, 0, sys.argv[2], os.O_RDONLY, 0)
os.posix_spawn(sys.argv[1], ["sleep", "300"], {}, file_actions=[opening])
time.sleep(300)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ManagedProcess]:
    with ManagedProcess.start("sleeper", ["sleep", "300"], log_path=tmp_path / "log") as process:
        yield process


@pytest.fixture
def spawner(tmp_path: Path) -> Iterator[tuple[ManagedProcess, Path]]:
    """A program that waits in vfork for its child, and the FIFO whose other end lets the child go on."""
    sleep, fifo = shutil.which("sleep"), tmp_path / "fifo"
    assert sleep is not None
    os.mkfifo(fifo)
    command = [PYTHON, "-c", SPAWNER, sleep, str(fifo)]
    with ManagedProcess.start("spawner", command, log_path=tmp_path / "log") as process:
        wait_until(
            lambda: process.id.state == "D" and len(children_of(process.pid)) == 1,
            timeout_s=10,
            what="a wait in vfork",
        )
        yield process, fifo


def apart_from(process: ManagedProcess) -> list[ProcessId]:
    """Its children that are in groups of their own."""
    return [one for one in children_of(process.pid) if os.getpgid(one.pid) != process.pid]


@contextlib.contextmanager
def opened_soon(fifo: Path) -> Iterator[None]:
    """Open the FIFO a little after the block has begun, and close it with the block."""
    opened: list[int] = []
    # To open it for both never blocks, whether or not a reader is there.
    timer = threading.Timer(0.3, lambda: opened.append(os.open(fifo, os.O_RDWR)))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        os.close(*opened)


def wait_for_line(process: ManagedProcess, line: str) -> None:
    wait_until(lambda: line in process.log_tail().splitlines(), timeout_s=10, what=f"{line!r} in the log")


def test_output_environment_and_exit_code(tmp_path: Path) -> None:
    program = (
        "import os, sys; print(os.environ['COLOUR'], os.getcwd()); print('bad', file=sys.stderr); sys.exit(3)"
    )
    with ManagedProcess.start(
        "one",
        [PYTHON, "-c", program],
        log_path=tmp_path / "logs" / "one.log",
        extra_env={"COLOUR": "green"},
        cwd=tmp_path,
    ) as process:
        assert process.wait(10) == 3
        assert sorted(process.log_tail().splitlines()) == ["bad", f"green {tmp_path}"]
        assert process.log_tail(1) in ("bad", f"green {tmp_path}")
        assert not process.is_alive()
        assert process.returncode == 3
    assert process.returncode == 3


def test_a_killed_process_shows_its_signal(sleeper: ManagedProcess) -> None:
    assert sleeper.is_alive()
    sleeper.kill()
    sleeper.kill()
    assert not sleeper.is_alive()
    assert sleeper.returncode == -signal.SIGKILL
    assert sleeper.wait(0) == -signal.SIGKILL
    assert not sleeper.id.is_alive()


def test_kill_takes_the_whole_group(tmp_path: Path) -> None:
    with ManagedProcess.start("shell", ["sh", "-c", "sleep 300 & wait"], log_path=tmp_path / "log") as shell:
        wait_until(lambda: bool(children_of(shell.pid)), timeout_s=10, what="the shell's child")
        (child,) = children_of(shell.pid)
        shell.kill()
        assert child.wait_gone(5)


def test_leftovers_of_a_group_die_after_their_leader(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 300 & echo $!; exit 5"]
    with ManagedProcess.start("shell", command, log_path=tmp_path / "log") as shell:
        assert shell.wait(10) == 5
        child = ProcessId.of(int(shell.log_tail()))
        assert child.is_alive()
        assert shell.terminate(1) == 5
        assert child.wait_gone(5)


def test_terminate_is_polite_first(tmp_path: Path) -> None:
    command = ["sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"]
    with ManagedProcess.start("polite", command, log_path=tmp_path / "log") as process:
        wait_for_line(process, "ready")
        process.freeze()
        assert process.terminate(10) == 0
        assert process.log_tail(1) == "bye"


def test_terminate_kills_what_does_not_listen(tmp_path: Path) -> None:
    command = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]
    with ManagedProcess.start("deaf", command, log_path=tmp_path / "log") as process:
        wait_for_line(process, "ready")
        assert process.terminate(0.3) == -signal.SIGKILL


def test_freeze_and_thaw(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 300 & while :; do echo tick; sleep 0.02; done"]
    with ManagedProcess.start("ticker", command, log_path=tmp_path / "log") as process:
        wait_for_line(process, "tick")
        process.freeze()
        assert process.id.state == "T"
        assert process.is_alive()
        wait_until(
            lambda: all(child.state == "T" for child in children_of(process.pid)), timeout_s=5, what="freeze"
        )
        size = process.log_path.stat().st_size
        with pytest.raises(LabTimeoutError, match=r"ticker .* still runs after 0\.2 s; log:\ntick"):
            process.wait(0.2)
        assert process.log_path.stat().st_size == size
        process.thaw()
        wait_until(lambda: process.log_path.stat().st_size > size, timeout_s=5, what="another tick")


def test_a_process_in_vfork_is_frozen(spawner: tuple[ManagedProcess, Path]) -> None:
    process, fifo = spawner
    with opened_soon(fifo):
        process.freeze()
        (child,) = children_of(process.pid)
        assert (process.id.state, child.state) == ("T", "T")
        process.thaw()
        wait_until(lambda: process.id.state == child.state == "S", timeout_s=5, what="thaw of both")


def test_a_shell_that_always_starts_programs_is_frozen_each_time(tmp_path: Path) -> None:
    """A signal may come at any point of its starting one."""
    command = ["sh", "-c", "sh -c 'while :; do /bin/true; done' & while :; do /bin/true; done"]
    with ManagedProcess.start("starter", command, log_path=tmp_path / "log") as process:
        for _ in range(20):
            time.sleep(0.01)
            process.freeze()
            assert {one.state for one in (process.id, *descendants_of(process.pid))} == {"T"}
            process.thaw()


def test_freeze_leaves_another_group_alone(tmp_path: Path) -> None:
    with ManagedProcess.start("shell", ["sh", "-c", FAMILY], log_path=tmp_path / "log") as shell:
        wait_for_line(shell, "ready")
        wait_until(lambda: len(apart_from(shell)) == 1, timeout_s=10, what="the child in a group apart")
        (apart,) = apart_from(shell)
        shell.freeze()
        assert apart.state not in "TX"
        assert [one.state for one in children_of(shell.pid) if one != apart] == ["T"]
        apart.signal(signal.SIGKILL)


def test_signals_reach_the_process_until_it_has_ended(tmp_path: Path) -> None:
    command = ["sh", "-c", "trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done"]
    with ManagedProcess.start("listener", command, log_path=tmp_path / "log") as process:
        wait_for_line(process, "ready")
        process.signal(signal.SIGHUP)
        wait_for_line(process, "hup")
        process.kill()
        with pytest.raises(LabError, match=r"listener .* has ended, with code -9"):
            process.signal(signal.SIGHUP)
        with pytest.raises(LabError, match="has ended"):
            process.freeze()
        process.signal_group(signal.SIGHUP)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cannot start no-such-program: no such program"):
        ManagedProcess.start("none", ["no-such-program"], log_path=tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_children_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = f"""
        import time
        from pathlib import Path
        from hafailover.lab import ManagedProcess
        child = ManagedProcess.start("child", ["sleep", "300"], log_path=Path({str(tmp_path / "log")!r}))
        print(child.pid, flush=True)
        time.sleep(300)
    """
    parent = subprocess.Popen([PYTHON, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = ProcessId.of(int(parent.stdout.readline()))
        assert child.is_alive()
    finally:
        parent.kill()
        parent.communicate(timeout=10)
    assert child.wait_gone(5)


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    started: list[ManagedProcess] = []
    thread = threading.Thread(
        target=lambda: started.append(
            ManagedProcess.start("child", ["sleep", "300"], log_path=tmp_path / "log")
        )
    )
    thread.start()
    thread.join(10)
    with started[0] as child, pytest.raises(LabTimeoutError):
        child.wait(0.3)


def test_the_family_is_found_frozen_and_killed_across_groups(tmp_path: Path) -> None:
    with ManagedProcess.start("shell", ["sh", "-c", FAMILY], log_path=tmp_path / "log") as shell:
        wait_for_line(shell, "ready")
        wait_until(lambda: len(descendants_of(shell.pid)) == 2, timeout_s=10, what="both children")
        children = descendants_of(shell.pid)
        assert len({os.getpgid(child.pid) for child in children}) == 2
        assert freeze_tree(shell.id) == [shell.id, *children]
        assert {one.state for one in (shell.id, *children)} == {"T"}
        signal_all([shell.id, *children], signal.SIGCONT)
        assert kill_tree(shell.id) == [shell.id, *children]
        assert not any(one.is_alive() for one in (shell.id, *children))


def test_a_family_in_vfork_is_frozen(spawner: tuple[ManagedProcess, Path]) -> None:
    process, fifo = spawner
    with opened_soon(fifo):
        family = freeze_tree(process.id)
    assert family == [process.id, *children_of(process.pid)]
    assert [one.state for one in family] == ["T", "T"]


def test_a_pid_that_came_to_mean_another_process_is_left_alone(sleeper: ManagedProcess) -> None:
    stranger = ProcessId(sleeper.pid, sleeper.id.start_ticks - 1)
    assert not stranger.is_alive()
    assert not stranger.signal(signal.SIGKILL)
    assert stranger.wait_gone(0)
    assert sleeper.is_alive()
    assert not sleeper.id.wait_gone(0)


def test_a_detached_process_outlives_its_starter(tmp_path: Path) -> None:
    program = f"""
        from pathlib import Path
        from hafailover.lab.process import start_detached
        command = ["sh", "-c", "echo started; exec sleep 300"]
        print(start_detached(command, log_path=Path({str(tmp_path / "log")!r})).pid)
    """
    done = subprocess.run(
        [PYTHON, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=20, check=True
    )
    process = ProcessId.of(int(done.stdout))
    try:
        wait_until(lambda: (tmp_path / "log").read_text() == "started\n", timeout_s=10, what="its output")
        assert process.is_alive()
        assert os.getsid(process.pid) == process.pid
    finally:
        process.signal(signal.SIGKILL)
    assert process.wait_gone(5)


def test_a_detached_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot start no-such-program"):
        start_detached(["no-such-program"], log_path=tmp_path / "log")
