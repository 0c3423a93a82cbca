"""Processes by what /proc says about them: identity across pid reuse, state, and family."""

import os
import select
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hafailover.lab.waiting import wait_until

_PROC = Path("/proc")


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    start_ticks: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in brackets and may itself hold brackets and spaces (proc_pid_stat(5)).
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(state=fields[0], parent=int(fields[1]), start_ticks=int(fields[19]))


def boot_id() -> str:
    """Return the kernel's identifier of the present boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True)
class ProcessId:
    """A process, told apart from a later one with the same pid by its start time.

    `start_ticks` counts clock ticks since boot (proc_pid_stat(5), field 22).
    """

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Identify the process that has this pid now. Raises ProcessLookupError if there is none."""
        stat = _stat(pid)
        if stat is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid, stat.start_ticks)

    @property
    def state(self) -> str:
        """The state letter of proc_pid_stat(5): R, S, D, T (stopped) ...; X once gone or a zombie."""
        stat = _stat(self.pid)
        if stat is None or stat.start_ticks != self.start_ticks or stat.state in "ZX":
            return "X"
        return stat.state

    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return self.state != "X"

    def signal(self, number: int) -> bool:
        """Send a signal to this very process; returns False if it has ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # Checked after the descriptor is open: from here on it can only mean this process.
            if not self.is_alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def wait_gone(self, timeout_s: float) -> bool:
        """Wait until it has ended; returns False if it has not within `timeout_s`."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.is_alive():
                return True
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(timeout_s * 1000))
        finally:
            os.close(descriptor)


def children_of(pid: int) -> list[ProcessId]:
    """Return the living direct children of a process."""
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        stat = _stat(int(entry.name))
        if stat is not None and stat.parent == pid and stat.state not in "ZX":
            found.append(ProcessId(int(entry.name), stat.start_ticks))
    return found


def descendants_of(pid: int) -> list[ProcessId]:
    """Return the living children of a process, their children and so on, parents before children."""
    found = children_of(pid)
    for child in found:
        found.extend(children_of(child.pid))
    return found


def signal_all(processes: Iterable[ProcessId], number: int) -> None:
    """Send a signal to each process that still runs."""
    for process in processes:
        process.signal(number)


def freeze_tree(
    root: ProcessId, timeout_s: float = 5.0, *, belongs: Callable[[ProcessId], bool] = lambda _: True
) -> list[ProcessId]:
    """SIGSTOP a process and all its descendants; returns them, the process itself first.

    When this returns none of them runs. Raises LabTimeoutError if one still does `timeout_s` after its
    signal. A descendant that does not belong is left alone, with what it has started itself.
    """
    family: dict[ProcessId, None] = {}
    new = [root]
    # Parents before their children: shells and Python start a program by vfork(2), in which the parent does
    # not stop until the child has its program. It never would if the child were stopped before that. And only
    # once a process has stopped does it start no more children.
    while new:
        signal_all(new, signal.SIGSTOP)
        family.update(dict.fromkeys(new))
        wait_until(
            lambda: all(one.state in "TtX" for one in family),
            timeout_s=timeout_s,
            what=lambda: f"stop of processes {[one.pid for one in family if one.state not in 'TtX']}",
            interval_s=0.002,
        )
        children = [child for one in family for child in children_of(one.pid)]
        new = [child for child in children if child not in family and belongs(child)]
    return list(family)


def kill_tree(root: ProcessId, timeout_s: float = 5.0) -> list[ProcessId]:
    """SIGKILL a process and all its descendants, whatever process groups they are in; returns them.

    They are frozen first, so that none can start another, or end cleanly, while the others die. Raises
    LabTimeoutError if one of them is still there after `timeout_s`.
    """
    family = freeze_tree(root, timeout_s)
    signal_all(family, signal.SIGKILL)
    wait_until(
        lambda: not any(one.is_alive() for one in family),
        timeout_s=timeout_s,
        what=lambda: f"end of processes {[one.pid for one in family if one.is_alive()]}",
        interval_s=0.005,
    )
    return family
