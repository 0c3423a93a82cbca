"""Child processes with a log file, to be killed, frozen and waited for, that never outlive their parent."""

import contextlib
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hafailover.lab import _launch
from hafailover.lab.errors import LabError, LabTimeoutError
from hafailover.lab.procfs import ProcessId, freeze_tree

_LAUNCHER = [sys.executable, "-I", "-S", _launch.__file__]
_DETACH_TIMEOUT_S = 10.0

Command = Sequence[str | os.PathLike[str]]


class _Spawner:
    """A thread that lives as long as this process and starts all children.

    PR_SET_PDEATHSIG goes by the thread that started a child, not by its process (prctl(2)): a child started
    in a thread that ends would be killed with it.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def spawn(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Run `start` in the thread; returns or raises what it does."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="lab-spawner", daemon=True)
                self._thread.start()
        done: queue.SimpleQueue[subprocess.Popen[bytes] | BaseException] = queue.SimpleQueue()

        def job() -> None:
            try:
                done.put(start())
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
                done.put(error)

        self._jobs.put(job)
        result = done.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def _run(self) -> None:
        while True:
            self._jobs.get()()


_spawner = _Spawner()


def _resolved(command: Command) -> list[str]:
    words = [os.fspath(word) for word in command]
    program = shutil.which(words[0])
    if program is None:
        raise LabError(f"cannot start {words[0]}: no such program, or it is not executable")
    return [program, *words[1:]]


def log_tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a log file, or a note that there are none. Reads at most 64 KiB."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65536))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        text = ""
    return "\n".join(text.splitlines()[-lines:]) or f"({path} is empty)"


class ManagedProcess:
    """A child process in a session and process group of its own.

    The kernel kills it when this process ends, however that happens (PR_SET_PDEATHSIG). What it starts itself
    stays in its group unless it makes a group of its own. A process that has ended is reaped only by `kill`
    or `terminate`, so that until then its pid and group cannot come to mean another process.
    """

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log_path: Path) -> None:
        """Not for direct use: see `start`."""
        self.name = name
        self.log_path = log_path
        self.pid = popen.pid
        self.id = ProcessId.of(popen.pid)
        self._popen = popen
        self._pidfd = os.pidfd_open(popen.pid)
        weakref.finalize(self, os.close, self._pidfd)
        self._lock = threading.RLock()

    @classmethod
    def start(
        cls,
        name: str,
        command: Command,
        *,
        log_path: Path,
        extra_env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Self:
        """Start a command; its output is appended to `log_path`.

        `extra_env` is added to this process's environment. Raises LabError if the program cannot be found.
        """
        words = [*_LAUNCHER, "die-with", str(os.getpid()), *_resolved(command)]
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            popen = _spawner.spawn(
                lambda: subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(extra_env or {})},
                    cwd=cwd,
                    start_new_session=True,
                )
            )
        return cls(name, popen, log_path)

    def __enter__(self) -> Self:
        """Return itself; the end of the block kills it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process."""
        self.kill()

    def __repr__(self) -> str:
        """Name the process and its pid."""
        return f"<{type(self).__name__} {self.name} pid={self.pid}>"

    def is_alive(self) -> bool:
        """Whether the process still runs (frozen counts as running)."""
        return self._popen.returncode is None and not self._ended(0)

    @property
    def returncode(self) -> int | None:
        """Exit code, the negative signal number of a killed process, or None while it runs."""
        with self._lock:
            if self._popen.returncode is not None or not self._ended(0):
                return self._popen.returncode
            info = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            assert info is not None  # without WNOHANG it waits
            return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status

    def _require_alive(self) -> None:
        if not self.is_alive():
            raise LabError(f"{self.name} (pid {self.pid}) has ended, with code {self.returncode}")

    def _ended(self, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def wait(self, timeout_s: float) -> int:
        """Wait for the end; returns the exit code as `returncode` does.

        Raises LabTimeoutError, with the end of the log, if it still runs after `timeout_s`.
        """
        if self._popen.returncode is None and not self._ended(timeout_s):
            tail = log_tail(self.log_path)
            raise LabTimeoutError(
                f"{self.name} (pid {self.pid}) still runs after {timeout_s:g} s; log:\n{tail}"
            )
        code = self.returncode
        assert code is not None
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the process alone. Raises LabError if it has ended."""
        with self._lock:
            self._require_alive()
            signal.pidfd_send_signal(self._pidfd, number)

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and to what it started in its group; nothing after `kill`."""
        with self._lock:
            if self._popen.returncode is None:
                os.killpg(self.pid, number)

    def freeze(self) -> None:
        """SIGSTOP the group; returns once the process, and what it started in its group, has stopped.

        Raises LabError if it has ended.
        """
        self._require_alive()
        try:
            freeze_tree(self.id, belongs=self._has_in_group)
        except LabTimeoutError as error:
            raise LabTimeoutError(f"{self.name}: {error}") from None
        # Those of the group whose parent has ended are in no family.
        self.signal_group(signal.SIGSTOP)

    def _has_in_group(self, one: ProcessId) -> bool:
        try:
            return os.getpgid(one.pid) == self.pid
        except ProcessLookupError:
            return False

    def thaw(self) -> None:
        """SIGCONT the group."""
        self.signal_group(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL the whole group and reap the process; does nothing the second time."""
        with self._lock:
            if self._popen.returncode is None:
                os.killpg(self.pid, signal.SIGKILL)
                self._popen.wait(timeout=10)

    def terminate(self, timeout_s: float = 10.0) -> int:
        """SIGTERM the process; after its end, or after `timeout_s`, SIGKILL what is left of its group.

        A frozen process is thawed first, since it could not act on the signal. Returns the exit code.
        """
        if self.is_alive():
            self.signal_group(signal.SIGCONT)
            with contextlib.suppress(LabError):
                self.signal(signal.SIGTERM)
            self._ended(timeout_s)
        self.kill()
        code = self.returncode
        assert code is not None
        return code

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of its log."""
        return log_tail(self.log_path, lines)


def start_detached(command: Command, *, log_path: Path) -> ProcessId:
    """Start a command that outlives this process, in a session of its own, output appended to `log_path`.

    Raises LabError if the program cannot be found.
    """
    words = [*_LAUNCHER, "detach", str(log_path), *_resolved(command)]
    log_path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(words, capture_output=True, text=True, timeout=_DETACH_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise LabError(f"cannot start {words[len(_LAUNCHER) + 2]}: {done.stderr.strip()}")
    try:
        return ProcessId.of(int(done.stdout))
    except ProcessLookupError:
        raise LabError(f"{command[0]} ended as soon as it was started; log:\n{log_tail(log_path)}") from None
