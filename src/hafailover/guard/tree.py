"""The processes that the guard has started, directly or not: seen, ended for certain, and their end known.

The guard is a child subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)): whoever loses its parent below it, as after
a double fork, becomes its own child. So once it has no child, nothing is left of what it started; the kernel
itself says that (ECHILD), and there is no race in it. Nothing here waits or asks a disk.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PROC = Path("/proc")
ROUNDS = 50
"""Looks at the tree in one go: a process that is being killed may just have started another."""
MOST_NAME_CHARS = 15
DEEPEST = 64

_LIBC = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Makes this process the one to which the orphans below it fall.

    :raises OSError: the kernel does not do that (before Linux 3.4).
    """
    if _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER is refused")


def reap_orphans(spare: int | None) -> None:
    """Takes leave of children that have ended, but for the one whose exit code somebody else wants."""
    for pid in children(os.getpid()):
        if pid != spare:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def has_children() -> bool:
    """Whether anything is left of what this process has started, ended or not."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def signal_all(number: signal.Signals) -> list[int]:
    """A signal to all that this process has started, parents first; returns those that it may not signal."""
    refused = []
    for parent, pid in descendants(os.getpid()):
        try:
            _signal(parent, pid, number)
        except PermissionError:
            refused.append(pid)
    return refused


def kill_all() -> list[int]:
    """SIGKILL to all that this process has started, again while new ones show; returns those that it may not.

    Those that are killed may not have ended when it returns.
    """
    killed: set[int] = set()
    refused: set[int] = set()
    for _ in range(ROUNDS):
        new = [pair for pair in descendants(os.getpid()) if pair[1] not in killed | refused]
        if not new:
            break
        for parent, pid in new:
            try:
                _signal(parent, pid, signal.SIGKILL)
                killed.add(pid)
            except PermissionError:
                refused.add(pid)
    return sorted(refused)


def living() -> list[int]:
    """All that this process has started and that has not ended."""
    return [pid for _, pid in descendants(os.getpid()) if not has_ended(pid)]


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only its exit code is left."""
    return _stat(pid)[0] in ("Z", "X")


def descendants(root: int) -> Iterator[tuple[int, int]]:
    """Pairs of parent and child, parents first."""
    known = {root}
    level = [root]
    while level:
        below = []
        for parent in level:
            for pid in children(parent):
                if pid not in known:
                    known.add(pid)
                    below.append(pid)
                    yield parent, pid
        level = below


def children(pid: int) -> list[int]:
    """The children of all threads of a process, dead ones that nobody has waited for among them."""
    found: list[int] = []
    try:
        threads = list((PROC / str(pid) / "task").iterdir())
    except OSError:
        return found
    for thread in threads:
        try:
            text = (thread / "children").read_text()
        except FileNotFoundError:
            if not (PROC / "self" / "task" / str(os.getpid()) / "children").exists():
                # A kernel without CONFIG_PROC_CHILDREN.
                everybody = [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
                return [one for one in everybody if _stat(one)[1] == pid]
        except OSError:
            continue
        else:
            found += [int(child) for child in text.split()]
    return found


def is_descendant(pid: int, ancestor: int) -> bool:
    for _ in range(DEEPEST):
        if pid <= 1:
            return False
        pid = _stat(pid)[1]
        if pid == ancestor:
            return True
    return False


def name_of(pid: int) -> str:
    """The kernel's name of a process, fit for a message."""
    try:
        text = (PROC / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return "gone"
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)[:MOST_NAME_CHARS]


def _signal(parent: int, pid: int, number: signal.Signals) -> None:
    """Signals a process that is still the child that was seen: a pid that is used again must not be hit.

    :raises PermissionError: it runs as another user.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # A child whose parent has died meanwhile has fallen to this process.
        if _stat(pid)[1] in (parent, os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def _stat(pid: int) -> tuple[str, int]:
    """State and parent of a process, proc_pid_stat(5); "X" and 0 for one that is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return "X", 0
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1])
