"""What a guard before this one has left behind in the control group of their unit.

systemd kills all of a unit before it starts it anew, but a process that hangs in the kernel stays ("Found
left-over process"), perhaps with the key. A guard that starts beside it must not call the key absent.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from hafailover.guard.tree import name_of

ROOTS = {"": "/sys/fs/cgroup", "name=systemd": "/sys/fs/cgroup/systemd"}
"""Where the hierarchies of version 2 and of systemd's own of version 1 are mounted, cgroups(7)."""
WAIT_S = 10.0


class LeftoverError(Exception):
    """Something is left and does not end; the text names it."""


def end_others(log: Callable[[str], None], environment: Mapping[str, str] = os.environ) -> None:
    """SIGKILL to all in this unit's control group but this process, and their end awaited.

    Nothing is done unless systemd itself has started this process, whose group is then its alone:
    ``SYSTEMD_EXEC_PID``, systemd.exec(5), since version 248.

    :raises LeftoverError: one does not end.
    """
    if environment.get("SYSTEMD_EXEC_PID") != str(os.getpid()):
        return
    for pid in _others(_members(_own_groups(Path("/proc/self/cgroup").read_text()))):
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            log(f"ending pid {pid} ({name_of(pid)}), left over in this unit's control group")
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            if not select.select([descriptor], [], [], WAIT_S)[0]:
                raise LeftoverError(
                    f"pid {pid} ({name_of(pid)}), left over from a guard before this one, does not end; it "
                    "may hang in the kernel and hold the key: check the disk, reboot"
                )
        finally:
            os.close(descriptor)


def _own_groups(text: str) -> list[Path]:
    """The folders of this process's own groups. The root group is nobody's own."""
    found = []
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ROOTS and path not in ("", "/") and ".." not in path:
            found.append(Path(ROOTS[controllers] + path))
    return found


def _members(groups: list[Path]) -> set[int]:
    found: set[int] = set()
    for group in groups:
        with contextlib.suppress(OSError, ValueError):
            found |= {int(line) for line in (group / "cgroup.procs").read_text().split()}
    return found


def _others(pids: set[int]) -> list[int]:
    # 0: a process of another pid namespace, which cannot be named here.
    return sorted(pids - {0, os.getpid()})
