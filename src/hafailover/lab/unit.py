"""A service as systemd runs it: started again when it ends, killed when its signs of life stay away."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hafailover.clock import boottime
from hafailover.lab.errors import LabError, LabTimeoutError
from hafailover.lab.process import ManagedProcess
from hafailover.lab.procfs import descendants_of, signal_all

Start = Callable[[Mapping[str, str]], ManagedProcess]

LATE_S = 0.25
"""How late systemd's watchdog may act: its timers' accuracy. Here it always does."""
LOOK_S = 0.02
WRONG_SETTINGS = 2
"""``RestartPreventExitStatus`` of the product's units."""


@dataclass(frozen=True, slots=True)
class End:
    """When the process ended, on CLOCK_BOOTTIME, and how: its exit code, or minus the signal's number."""

    at: float
    code: int
    by_watchdog: bool


class Unit:
    """One service.

    :param start: starts it with the environment that systemd would add.
    :param restart_s: ``RestartSec``.
    :param watchdog_s: ``WatchdogSec``; ``None`` without one. It counts from ``READY=1`` on.
    :param notify: where to make the socket that the service reports to; its path must be short.
    """

    def __init__(
        self, name: str, start: Start, *, restart_s: float, notify: Path, watchdog_s: float | None = None
    ) -> None:
        self.name = name
        self.process: ManagedProcess | None = None
        self.ends: list[End] = []
        self.failed = False
        """It ended with the code after which it is not started again."""
        self._start = start
        self._restart_s = restart_s
        self._unit_limit_s = watchdog_s
        self._limit_s = watchdog_s or 0.0
        self._kills_at: float | None = None
        self._killed = False
        self._held = 0
        self._paused_at: float | None = None
        self._not_before = 0.0
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._env = {"NOTIFY_SOCKET": str(notify)}
        if watchdog_s is not None:
            self._env["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.unlink(missing_ok=True)
        self._socket.bind(str(notify))
        self._socket.settimeout(LOOK_S)
        self._thread = threading.Thread(target=self._run, name=f"unit-{name}", daemon=True)

    @property
    def alive(self) -> bool:
        process = self.process
        return process is not None and process.is_alive()

    def begin(self) -> None:
        """Starts the service and minds it from then on."""
        with self._lock:
            self._launch()
        self._thread.start()

    def close(self, stop_s: float = 10.0) -> None:
        """Ends the service in order, and the minding of it."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        with self._lock:
            if self.process is not None:
                self.process.terminate(stop_s)
        self._socket.close()

    def hold(self) -> None:
        """It is not started again, until as many calls of :meth:`release`."""
        with self._lock:
            self._held += 1

    def release(self) -> None:
        """Undoes one :meth:`hold`."""
        with self._lock:
            self._held -= 1

    def restart(self, stop_s: float = 10.0) -> None:
        """``systemctl restart``: SIGTERM, and SIGKILL after ``stop_s``; then it is started at once."""
        with self._lock:
            if self.process is not None:
                self.process.terminate(stop_s)
                self._note_end(self.process)
            self._launch()

    def pause(self) -> None:
        """The machine is suspended, and its systemd with it: the watchdog's time stands still."""
        with self._lock:
            self._paused_at = boottime()

    def resume(self) -> None:
        """The machine goes on."""
        with self._lock:
            assert self._paused_at is not None
            if self._kills_at is not None:
                self._kills_at += boottime() - self._paused_at
            self._paused_at = None

    def _run(self) -> None:
        while not self._over.is_set():
            self._listen()
            with self._lock:
                if self._over.is_set():
                    return
                if self._paused_at is None:
                    self._watch()
                self._keep_up()

    def _listen(self) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            lines = self._socket.recv(4096).decode(errors="replace").splitlines()
            with self._lock:
                for line in lines:
                    name, _, value = line.partition("=")
                    if name == "WATCHDOG_USEC" and value.isdecimal():
                        self._limit_s = int(value) / 1e6
                if self._unit_limit_s is not None and {"READY=1", "WATCHDOG=1"} & set(lines):
                    self._kills_at = boottime() + self._limit_s + LATE_S

    def _watch(self) -> None:
        if self._kills_at is None or boottime() < self._kills_at or self.process is None:
            return
        self._kills_at = None
        self._killed = True
        # All of the control group, as with KillMode=control-group.
        with contextlib.suppress(LabError):
            signal_all([self.process.id, *descendants_of(self.process.pid)], signal.SIGKILL)

    def _keep_up(self) -> None:
        process = self.process
        if process is not None and not process.is_alive():
            self._note_end(process)
            self._not_before = boottime() + self._restart_s
        wanted = not (self._held or self.failed or self._paused_at is not None)
        if self.process is None and wanted and boottime() >= self._not_before:
            self._launch()

    def _note_end(self, process: ManagedProcess) -> None:
        # What it left in its group goes with it, as with its control group.
        process.kill()
        with contextlib.suppress(LabTimeoutError):
            code = process.wait(5)
            self.ends.append(End(boottime(), code, self._killed))
            self.failed = code == WRONG_SETTINGS
        self.process = None
        self._kills_at = None

    def _launch(self) -> None:
        self._killed = False
        self._limit_s = self._unit_limit_s or 0.0
        self._kills_at = None
        self.process = self._start(self._env)
