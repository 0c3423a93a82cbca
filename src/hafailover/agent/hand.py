"""The agent's side of the guard: its connection, its processes, and the way to end them."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import signal
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hafailover.agent.persist import Complaints
from hafailover.clock import until_next
from hafailover.core import events as ev
from hafailover.guard import protocol

log = logging.getLogger(__name__)

CONNECT_EVERY_S = 0.2
PING_EVERY_S = 1.0
SEND_DEADLINE_S = 1.0
MOST_UNSENT = 256
"""Commands that may wait to be sent. A guard reads each within a millisecond, and some two a second come."""
GONE_WAIT_S = 15.0
"""How long to watch for the end of neard after the guard's connection broke."""


class Hand:
    """Keeps a connection with the guard, reports what it says, and sends it commands.

    :param emit: takes the events :class:`GuardSeen`, :class:`GuardLost` and :class:`HandGone`.
    :param on_report: takes each whole report, for metrics and the log.
    """

    def __init__(
        self,
        path: Path,
        emit: Callable[[ev.Event], None],
        on_report: Callable[[protocol.GuardReport], None],
    ) -> None:
        self._path = path
        self._emit = emit
        self._on_report = on_report
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._guard = _Watched("guard")
        self._neard = _Watched("neard")
        self._complaints = Complaints("the guard")

    def start(self) -> None:
        for target, name in ((self._read_forever, "guard-read"), (self._ping_forever, "guard-ping")):
            threading.Thread(target=target, name=name, daemon=True).start()

    def send(self, message: dict[str, Any]) -> None:
        """Takes a command to be sent, and never waits: the thread that decides must not stand still.

        A guard that does not take it within a second is treated as lost.
        """
        with self._lock:
            line = self._line
        if line is not None:
            line.put(protocol.encode(message))

    def flush(self, wait_s: float) -> None:
        """Waits until the guard was sent all commands so far, at most so many seconds."""
        with self._lock:
            line = self._line
        if line is not None:
            line.flush(wait_s)

    def kill(self) -> None:
        """SIGKILL to the guard and its neard. Where this process may not, systemd's watchdog does it."""
        for process in (self._guard, self._neard):
            process.kill()

    def _read_forever(self) -> None:
        pause = threading.Event()
        while True:
            sock = self._connect()
            if sock is None:
                pause.wait(CONNECT_EVERY_S)
                continue
            self._read(sock)
            with self._lock:
                line, self._line = self._line, None
            if line is not None:
                line.end()
            self._emit(ev.GuardLost())
            threading.Thread(target=self._await_end, name="neard-end", daemon=True).start()
            pause.wait(CONNECT_EVERY_S)

    def _connect(self) -> socket.socket | None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # SO_SNDTIMEO bounds sending alone; reading waits for the guard, whose silence the core counts.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(SEND_DEADLINE_S), 0))
        try:
            sock.connect(str(self._path))
        except OSError:
            sock.close()
            return None
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self._guard.watch(struct.unpack("3i", credentials)[0])
        line = _Line(sock)
        with self._lock:
            self._line = line
        return sock

    def _read(self, sock: socket.socket) -> None:
        buffer = b""
        understood = False
        while True:
            try:
                chunk = sock.recv(65536)
            except OSError:
                return
            if not chunk:
                return
            buffer += chunk
            *lines, buffer = buffer.split(b"\n")
            if len(buffer) > protocol.MAX_LINE_BYTES:
                self._complaints.trouble("it sent a line that is too long; disconnecting")
                return
            for line in lines:
                try:
                    report = protocol.parse_report(protocol.decode(line))
                except protocol.ProtocolError as error:
                    self._complaints.trouble(f"it sent {error}; disconnecting")
                    return
                if not understood:
                    understood = True
                    self._complaints.fine()
                    log.info("connected with the guard")
                self._neard.watch(report.neard_pid)
                self._on_report(report)
                self._emit(ev.GuardSeen(report.view))

    def _ping_forever(self) -> None:
        pause = threading.Event()
        while not pause.wait(until_next(PING_EVERY_S)):
            self.send(protocol.PING)

    def _await_end(self) -> None:
        """After the connection broke: once guard and neard have both ended, the key is gone."""
        if self._guard.ended(GONE_WAIT_S) and self._neard.ended(GONE_WAIT_S):
            with self._lock:
                if self._line is not None:
                    return
            self._emit(ev.HandGone())


class _Line:
    """What goes to the guard over one connection, sent by a thread of its own.

    What a connection has not carried before its end is lost with it: the next guard must not hear it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unsent: queue.Queue[bytes | threading.Event | None] = queue.Queue(MOST_UNSENT)
        threading.Thread(target=self._run, name="guard-write", daemon=True).start()

    def put(self, message: bytes) -> None:
        """Never waits; a connection that takes nothing any more is cut."""
        try:
            self._unsent.put_nowait(message)
        except queue.Full:
            self._cut("it has left too many of them unread")

    def flush(self, wait_s: float) -> None:
        """Waits until all is sent that was put before, at most so many seconds."""
        sent = threading.Event()
        with contextlib.suppress(queue.Full):
            self._unsent.put_nowait(sent)
            sent.wait(wait_s)

    def end(self) -> None:
        """The connection is over. Called once, by whoever has read from it."""
        _cut(self._sock)
        # Nothing can be sent any more, so the thread soon has nothing left to send.
        self._unsent.put(None)

    def _run(self) -> None:
        works = True
        while (message := self._unsent.get()) is not None:
            if isinstance(message, threading.Event):
                message.set()
            elif works:
                try:
                    self._sock.sendall(message)
                except OSError as error:
                    self._cut(error.strerror or type(error).__name__)
                    works = False
        self._sock.close()

    def _cut(self, why: str) -> None:
        if _cut(self._sock):
            log.warning("the guard does not take commands: %s", why)


class _Watched:
    """A process held by a pidfd, so that a pid used again is never taken for it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pid: int | None = None
        self._pidfd: int | None = None
        self._gone = True
        self._lock = threading.Lock()

    def watch(self, pid: int | None) -> None:
        with self._lock:
            if pid == self._pid:
                return
            if self._pidfd is not None:
                os.close(self._pidfd)
            self._pid, self._pidfd, self._gone = pid, None, pid is None
            if pid is not None:
                try:
                    self._pidfd = os.pidfd_open(pid)
                except ProcessLookupError:
                    # A pid of 0 is a process of another pid namespace, which this one cannot see.
                    self._gone = pid > 0
                except (OSError, ValueError, OverflowError) as error:
                    log.warning("%s: its end cannot be watched: %s", self._name, error)

    def kill(self) -> None:
        with self._lock:
            if self._pidfd is None:
                return
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                return
            except PermissionError:
                log.error("%s: not allowed to kill it; its watchdog has to", self._name)

    def ended(self, wait_s: float) -> bool:
        """Whether the process has certainly ended, or does within ``wait_s`` seconds. None at all has."""
        with self._lock:
            if self._pidfd is None:
                return self._gone
            descriptor = os.dup(self._pidfd)
        try:
            return bool(select.select([descriptor], [], [], wait_s)[0])
        finally:
            os.close(descriptor)


def _cut(sock: socket.socket) -> bool:
    """Ends a connection for whoever reads from it or writes to it; whether it was there still."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    return True
