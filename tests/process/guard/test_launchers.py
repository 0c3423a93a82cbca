"""neard.binary as a launcher that stays between guard and neard: never armed, and its neard ends with it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hafailover.lab.waiting import wait_until

from ...unit.near.keys import write_key
from .host import GuardHost, running

FIX = "neard.binary is a launcher that stays in between: make its script `exec` neard"


def script(host: GuardHost, body: str) -> None:
    """Makes a launcher of neard.binary; ``$NEARD`` in it is the neard itself."""
    real = host.folder / "neard-itself"
    host.binary.rename(real)
    host.binary.write_text(f"#!/bin/bash\nNEARD={real}\n{body}\n")
    host.binary.chmod(0o755)


LAUNCHERS = {
    "no exec": '"$NEARD" "$@"\nexit $?',
    "tini": 'exec tini -- "$NEARD" "$@"',
    "runuser": 'exec runuser -u root -- "$NEARD" "$@"',
    "sudo": 'exec sudo -n -u root -- "$NEARD" "$@"',
    "setsid": 'setsid --wait "$NEARD" "$@"\nexit $?',
    "in the background": 'setsid "$NEARD" "$@" < /dev/null &\nsleep 600',
    "twice in the background": '( setsid "$NEARD" "$@" & ) &\nsleep 600',
}
NEEDS = {"tini": "tini", "runuser": "runuser", "sudo": "sudo"}


@pytest.fixture(params=list(LAUNCHERS))
def launched(host: GuardHost, request: pytest.FixtureRequest) -> Iterator[GuardHost]:
    kind = str(request.param)
    if kind in NEEDS and shutil.which(NEEDS[kind]) is None:
        pytest.skip(f"NOT TESTED: {NEEDS[kind]} is not installed")
    if kind in ("runuser", "sudo") and os.geteuid() != 0:
        pytest.skip(f"NOT TESTED: {kind} to root needs root")
    script(host, LAUNCHERS[kind])
    yield host
    end_in_order(host)


def end_in_order(host: GuardHost) -> None:
    """A guard that is killed takes the launcher along, and only systemd the rest."""
    if host.guard is not None and host.guard.is_alive():
        host.guard.signal(signal.SIGTERM)
        assert host.guard.wait(5) == 0


@pytest.fixture
def by_restart(host: GuardHost) -> Iterator[GuardHost]:
    node_key = write_key(host.folder / "secrets" / "node.json", "pool-node", account_id="node")
    host.change(hot_swap=False, validator_node_key_file=str(node_key))
    yield host
    end_in_order(host)


def refuses_to_arm(host: GuardHost) -> None:
    host.start()
    agent = host.agent()
    report = agent.until(lambda report: FIX in report["problem"], what="the launcher is told")
    neard = host.neards()[-1]
    assert f"pid {neard} (" in report["problem"]
    assert f"listens on 127.0.0.1:{host.port}, and not pid {report['neard_pid']} (" in report["problem"]

    agent.arm(5)
    report = agent.until(lambda report: report["refused_term"] == 5)

    assert (report["key"], report["neard"]) == ("absent", "booting")
    time.sleep(0.5)
    assert not host.link.is_symlink()
    assert set(host.started_with()) == {None}
    assert not host.events("reload")
    assert "neard's RPC answers" not in host.text()
    assert running(neard)


def test_a_launcher_is_never_armed_and_its_neard_ends_with_the_guard(launched: GuardHost) -> None:
    refuses_to_arm(launched)
    assert launched.guard is not None

    launched.guard.signal(signal.SIGTERM)

    assert launched.guard.wait(5) == 0
    assert not any(running(pid) for pid in launched.neards())


def test_nor_by_restart(by_restart: GuardHost, launched: GuardHost) -> None:
    refuses_to_arm(by_restart)
    assert by_restart.guard is not None
    by_restart.guard.signal(signal.SIGTERM)
    assert by_restart.guard.wait(5) == 0
    assert not any(running(pid) for pid in by_restart.neards())


def test_the_end_of_a_launcher_is_not_neards_end(launched: GuardHost) -> None:
    """What it leaves behind is ended before a neard is started again: never two of them at a time."""
    launched.start()
    agent = launched.agent()
    report = agent.until(lambda report: FIX in report["problem"])
    first = launched.neards()[-1]

    os.kill(report["neard_pid"], signal.SIGKILL)

    agent.until(lambda report: report["restarts"] >= 1)
    assert not running(first)
    wait_until(lambda: len(launched.neards()) > 1, timeout_s=5, what="the next neard")
    starts = launched.events("start")
    assert starts[1]["pid"] != first


@pytest.mark.parametrize("body", ['exec "$NEARD" "$@"', 'trap "" HUP\nulimit -n 4096\nexec "$NEARD" "$@"'])
def test_a_script_that_execs_is_as_good_as_neard(host: GuardHost, body: str) -> None:
    script(host, body)
    agent = host.up()
    agent.arm(5)
    report = agent.until_key("loaded")
    assert report["neard_pid"] == host.neards()[-1]
    assert report["problem"] == ""


def test_what_neard_itself_starts_ends_with_it_and_before_the_next(host: GuardHost) -> None:
    """Whatever runs below a neard that had the key is ended before its end counts as the key's."""
    note = host.folder / "helper"
    script(host, f'setsid sleep 600 < /dev/null > /dev/null 2>&1 &\necho $! > {note}\nexec "$NEARD" "$@"')
    agent = host.up()
    agent.arm(5)
    agent.until_key("loaded")
    helper = int(note.read_text())
    assert running(helper)
    neard = host.neards()[-1]

    os.kill(neard, signal.SIGKILL)

    agent.until(lambda report: report["key"] == "absent" and report["restarts"] == 1)
    assert not running(helper)


def test_a_launcher_that_comes_later_does_not_get_away_with_the_key(by_restart: GuardHost) -> None:
    """The binary is exchanged between a proved start and the start with the key."""
    agent = by_restart.up()
    script(by_restart, LAUNCHERS["no exec"])

    agent.arm(5)
    agent.until(lambda report: report["refused_term"] == 5, timeout_s=8)

    agent.until(lambda report: report["key"] == "absent" and report["restarts"] >= 2, timeout_s=8)
    with_key = [event["pid"] for event in by_restart.events("read") if event["key"] is not None]
    assert not any(running(pid) for pid in with_key)
    assert not by_restart.link.is_symlink()
    # In order, so that it ends what the launcher has started again: without systemd, SIGKILL could not.
    assert by_restart.guard is not None
    by_restart.guard.terminate(10)


# --- somebody else's neard


def test_a_leftover_neard_on_the_same_home_is_named_and_nothing_is_said_to_answer(host: GuardHost) -> None:
    """An old unit still runs: same home, same node key, same RPC address."""
    old = subprocess.Popen([str(host.binary), "--home", str(host.home), "run"])
    try:
        wait_until(lambda: bool(host.events("up")), timeout_s=8, what="the old neard")
        host.start()
        agent = host.agent()
        report = agent.until(lambda report: report["problem"] != "")

        assert (
            f"pid {old.pid} (python" in report["problem"]
            and f"listens on 127.0.0.1:{host.port} and was not started by this guard: stop its unit"
            in report["problem"]
        )
        agent.arm(5)
        report = agent.until(lambda report: report["refused_term"] == 5)
        assert report["key"] == "absent"
        assert "neard's RPC answers" not in host.text()
        assert host.neards() == [old.pid]
        assert old.poll() is None
    finally:
        old.kill()
        old.wait()
    agent.until_up(timeout_s=15)
    assert agent.now()["problem"] == ""
    agent.arm(6)
    agent.until_key("loaded")


def test_a_neard_with_the_key_that_the_guard_has_not_given_is_an_alarm(host: GuardHost) -> None:
    """Its home has another key file, as config.json of somebody else's making may say."""
    elsewhere = host.folder / "elsewhere.json"
    script(host, f'cp -n {host.key} {elsewhere}\nln -sf {elsewhere} {host.link}\nexec "$NEARD" "$@"')
    host.start()
    agent = host.agent()

    report = agent.until(lambda report: report["alarm"] != "")

    assert "neard was started without the key but shows ed25519:" in report["alarm"]
    assert "ALARM: " in host.text()
    assert report["key"] == "absent"


DEFECT = """
import sys
from hafailover.guard import loop, main
whole = loop.Ownership.trouble

def trouble(self, child, *args, **more):
    if child is not None:
        raise RuntimeError("a defect")
    return whole(self, child, *args, **more)

loop.Ownership.trouble = trouble
sys.exit(main.main())
"""


def test_a_guard_that_cannot_look_ends_and_its_neard_with_it(host: GuardHost) -> None:
    """A look that nobody takes any more would leave it waiting for ever."""
    host.start(wrapper=DEFECT)
    assert host.guard is not None
    assert host.guard.wait(10) == 70
    host.wait_no_neard()
    assert "RuntimeError: a defect" in host.text()
    # Only here is a traceback in the log what is wanted.
    host.log.write_text("")


BLIND = """\
import sys
from hafailover.guard import main, tree

def has_children():
    raise OSError(24, "Too many open files")

tree.has_children = has_children
sys.exit(main.main())
"""


def test_a_guard_that_cannot_see_neards_end_ends_itself(host: GuardHost) -> None:
    """Whatever the system says, nobody would look again, and the key stay loaded by the guard's word."""
    host.start(wrapper=BLIND)
    agent = host.agent()
    agent.until_up()
    os.kill(host.neards()[-1], signal.SIGKILL)
    assert host.guard is not None
    assert host.guard.wait(10) == 70
    assert "Too many open files" in host.text()
    # Only here is a traceback in the log what is wanted.
    host.log.write_text("")


def test_a_key_that_somebody_gives_to_a_running_neard_is_an_alarm_and_neard_ends(host: GuardHost) -> None:
    """By a link and a reload of their own, past the guard."""
    agent = host.up()
    neard = host.neards()[-1]
    host.link.symlink_to(host.key)
    os.kill(neard, signal.SIGHUP)

    report = agent.until(lambda report: report["alarm"] != "", timeout_s=8)
    assert "which this guard has not given to it" in report["alarm"]
    assert report["key"] == "absent"
    wait_until(lambda: not running(neard), timeout_s=3, what="neard's end")
    agent.until(lambda report: report["neard"] == "up", timeout_s=8)
    assert not host.link.is_symlink()


# --- what cannot be ended


@pytest.fixture
def freezer(host: GuardHost) -> Iterator[Callable[[int], Callable[[], None]]]:
    """Freezes a process so that not even SIGKILL ends it, as a hanging disk does; gives what thaws it."""
    root = Path("/sys/fs/cgroup/freezer")
    if os.geteuid() != 0 or not (root / "cgroup.procs").exists():
        pytest.skip(
            "NOT TESTED: a process that SIGKILL does not end needs root and the freezer of cgroups v1"
        )
    group = root / host.folder.name

    def freeze(pid: int) -> Callable[[], None]:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        wait_until(
            lambda: (group / "freezer.state").read_text() == "FROZEN\n",
            timeout_s=5,
            what="the frozen process",
        )
        return lambda: thaw(group)

    yield freeze
    if group.exists():
        thaw(group)
        wait_until(lambda: not (group / "cgroup.procs").read_text(), timeout_s=5, what="an empty group")
        group.rmdir()


def thaw(group: Path) -> None:
    (group / "freezer.state").write_text("THAWED")


def test_what_does_not_end_keeps_the_key_unconfirmed(
    host: GuardHost, freezer: Callable[[int], Callable[[], None]]
) -> None:
    note = host.folder / "helper"
    script(host, f'sleep 600 < /dev/null > /dev/null 2>&1 &\necho $! > {note}\nexec "$NEARD" "$@"')
    agent = host.up()
    agent.arm(5)
    agent.until_key("loaded")
    helper = int(note.read_text())
    thaw_it = freezer(helper)

    os.kill(host.neards()[-1], signal.SIGKILL)

    report = agent.until(lambda report: "cannot be ended" in report["problem"])
    assert f"pid {helper} (sleep) that it has started" in report["problem"]
    agent.drop(5)
    time.sleep(1.0)
    report = agent.now()
    assert (report["key"], report["neard"], report["restarts"]) == ("dropping", "stopping", 0)
    assert not host.link.is_symlink()
    thaw_it()
    agent.until(lambda report: report["key"] == "absent" and report["neard"] == "up", timeout_s=10)
    assert host.text().count("cannot be ended") == 1


def test_a_guard_does_not_start_beside_what_its_unit_has_left_behind(tmp_path: Path) -> None:
    """systemd starts a unit although a process of it hangs in the kernel: the next guard looks for itself."""
    root = Path("/sys/fs/cgroup/systemd")
    if os.geteuid() != 0 or not (root / "cgroup.procs").exists():
        pytest.skip("NOT TESTED: a control group needs root and systemd's hierarchy of version 1")
    group = root / f"hafailover-test-{os.getpid()}"
    group.mkdir()
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    program = """
import os, pathlib, sys
pathlib.Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
from hafailover.guard.unitgroup import end_others
end_others(print, {"SYSTEMD_EXEC_PID": sys.argv[2].replace("own", str(os.getpid()))})
"""
    try:
        (group / "cgroup.procs").write_text(str(left.pid))
        for whose, alive in (("1", True), ("own", False)):
            done = subprocess.run(
                [sys.executable, "-c", program, str(group), whose],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert (left.poll() is None) is alive
            told = f"ending pid {left.pid} (sleep), left over in this unit's control group"
            assert (told in done.stdout) is not alive
    finally:
        left.kill()
        left.wait()
        wait_until(lambda: not (group / "cgroup.procs").read_text(), timeout_s=5, what="an empty group")
        group.rmdir()
