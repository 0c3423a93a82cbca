"""The neard process: started so that it cannot outlive the guard, and ended for certain."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from hafailover.guard import tree

PR_SET_PDEATHSIG = 1
OOM_SCORE = Path("/proc/self/oom_score_adj")
LEFTOVER_WAIT_S = 10.0

_LIBC = ctypes.CDLL(None, use_errno=True)


class SpawnError(Exception):
    """neard could not be started; the text names the setting and the fix."""


class NeardProcess:
    """Starts neard in a process group of its own and knows when it is gone.

    :param pid_file: where the running neard is noted, so that a guard that starts after a crash can make sure
        that nothing of its predecessor still runs.
    :param alone: this process starts nothing else and has adopted orphans (:func:`tree.adopt_orphans`), so
        all that runs below it was started by neard's command, and ends with it.
    """

    def __init__(self, command: list[str], pid_file: Path, *, alone: bool = False) -> None:
        self._command = command
        self._pid_file = pid_file
        self._alone = alone
        self._process: subprocess.Popen[bytes] | None = None
        self.pidfd: int | None = None

    def start(self) -> int:
        """Starts neard and returns its pid.

        :raises SpawnError: the binary is missing or cannot be run.
        """
        parent = os.getpid()
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                preexec_fn=lambda: _bind_to_parent(parent),  # noqa: PLW1509 - it waits for no lock
                process_group=0,
            )
        except (OSError, subprocess.SubprocessError) as error:
            detail = error.strerror if isinstance(error, OSError) else str(error)
            raise SpawnError(
                f"{self._command[0]}: cannot be started: {detail}; set neard.binary to neard's path"
            ) from None
        try:
            self.pidfd = os.pidfd_open(process.pid)
        except OSError as error:
            # One that cannot be watched must not run.
            process.kill()
            process.wait()
            raise SpawnError(f"{self._command[0]}: cannot be watched: {error.strerror}") from None
        self._process = process
        return process.pid

    def reap(self) -> int:
        """The exit code after the pidfd has said that neard is gone; minus the signal's number if killed."""
        assert self._process is not None and self.pidfd is not None
        code = self._process.wait(timeout=5)
        os.close(self.pidfd)
        self._process, self.pidfd = None, None
        return code

    @property
    def pid(self) -> int | None:
        """Of the process that was started, until :meth:`reap`."""
        return self._process.pid if self._process is not None else None

    def signal(self, number: signal.Signals) -> None:
        """To the process that was started; once that has ended, to what it has left behind."""
        if self._process is None:
            if self._alone:
                tree.signal_all(number)
        elif self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._process.pid, number)

    def remains(self) -> bool:
        """Whether anything is left of what the command has started, after its own end."""
        if not self._alone:
            return False
        tree.reap_orphans(self.pid)
        return tree.has_children()

    def kill(self) -> None:
        """SIGKILL to neard, everything in its process group, and everything else that the command started."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            # Were it to leave its group, it would still be ours to end.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._process.pid, signal.SIGKILL)
        if self._alone:
            tree.kill_all()

    def note(self, pid: int) -> Callable[[], None]:
        """What notes a neard that was just started, to be called where a disk may be waited for.

        Without the note the guard still works; PR_SET_PDEATHSIG is what binds neard to it.
        """
        text = json.dumps({"pid": pid, "start": _start_time(pid)})

        def write() -> None:
            with contextlib.suppress(OSError):
                self._pid_file.write_text(text)

        return write

    def forget(self) -> None:
        """Takes the note away. This, too, may wait for a disk."""
        with contextlib.suppress(OSError):
            self._pid_file.unlink(missing_ok=True)


def end_leftover(pid_file: Path, log: Callable[[str], None]) -> None:
    """Kills a neard that a guard before this one has started, and waits until it is gone.

    :raises SpawnError: it does not go away.
    """
    try:
        noted = json.loads(pid_file.read_text())
        pid, start = int(noted["pid"]), int(noted["start"])
        descriptor = os.pidfd_open(pid)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return
    try:
        if _start_time(pid) != start:
            return
        log(f"ending neard with pid {pid}, left over from a guard before this one")
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        if not select.select([descriptor], [], [], LEFTOVER_WAIT_S)[0]:
            raise SpawnError(
                f"neard with pid {pid} does not end; it may hang in the kernel: check the disk, reboot"
            )
    finally:
        os.close(descriptor)


def _bind_to_parent(parent: int) -> None:
    """In the child, before exec: neard gets SIGKILL when the guard dies, and survives an early SIGHUP."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    _take_no_precedence()
    # neard's own handler replaces this; before that stands, a SIGHUP would kill it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _take_no_precedence() -> None:
    """When memory runs out, neard goes before the guard: it gives back what the guard inherits from its unit.

    Only ever towards being killed, which needs no right; without it, the rest still holds.
    """
    with contextlib.suppress(OSError, ValueError):
        if int(OOM_SCORE.read_text()) < 0:
            OOM_SCORE.write_text("0")


def _start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since boot (field 22 of /proc/PID/stat): tells a pid used again."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
