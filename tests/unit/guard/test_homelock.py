"""The lock on neard's home, and what a control group's files say."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hafailover.guard import unitgroup
from hafailover.guard.homelock import NAME, LockError, lock_home


def test_one_lock_for_each_home(tmp_path: Path) -> None:
    held = lock_home(tmp_path)
    path = tmp_path / NAME
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(LockError, match="another guard is at work here; stop it") as told:
        lock_home(tmp_path)
    assert told.value.passing
    os.close(held)
    os.close(lock_home(tmp_path))


def test_it_goes_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from hafailover.guard.homelock import lock_home; "
        "lock_home(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=30)
    os.close(lock_home(tmp_path))


def test_a_mode_that_is_too_wide_is_narrowed(tmp_path: Path) -> None:
    """As after a restored backup: then the agent's user could open it, and hold the lock."""
    path = tmp_path / NAME
    path.touch()
    path.chmod(0o644)
    os.close(lock_home(tmp_path))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / NAME
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    with pytest.raises(LockError, match=NAME):
        lock_home(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a file of another user needs root")
    path = tmp_path / NAME
    path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(LockError, match="is not a file of the guard's; remove it"):
        lock_home(tmp_path)


@pytest.mark.parametrize(
    ("code", "passing"), [(errno.ENOSPC, True), (errno.EROFS, True), (errno.EACCES, False)]
)
def test_a_disk_that_may_get_over_it_is_no_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, passing: bool
) -> None:
    """systemd starts the guard again then; code 2 it takes as final."""

    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("hafailover.guard.homelock.os.open", refuse)
    with pytest.raises(LockError, match=os.strerror(code)) as told:
        lock_home(tmp_path)
    assert told.value.passing is passing


# --- control groups


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0::/system.slice/neard.service\n", ["/sys/fs/cgroup/system.slice/neard.service"]),
        (
            "9:name=systemd:/system.slice/neard.service\n4:memory:/elsewhere\n0::/\n",
            ["/sys/fs/cgroup/systemd/system.slice/neard.service"],
        ),
        # The root group, and what lies outside of this process's view, is nobody's own.
        ("9:name=systemd:/\n0::/\n", []),
        ("0::/../neard.service\n", []),
    ],
)
def test_a_unit_knows_its_own_groups(text: str, found: list[str]) -> None:
    assert [str(path) for path in unitgroup._own_groups(text)] == found


@pytest.mark.parametrize("environment", [{}, {"SYSTEMD_EXEC_PID": "1"}, {"SYSTEMD_EXEC_PID": ""}])
def test_who_was_not_started_by_systemd_itself_ends_nobody(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """In a shell or a container the group is others' as well."""

    def never(_: object) -> set[int]:
        raise AssertionError("it looked at its group")

    monkeypatch.setattr(unitgroup, "_members", never)
    unitgroup.end_others(print, environment)
