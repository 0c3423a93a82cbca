"""The agent's side: a socket in ``state_dir`` for root and the agent's group, and a thread of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hafailover import __version__
from hafailover.local.place import LONGEST_PATH, Place
from hafailover.lock.errors import CallError
from hafailover.web.pace import Pace

log = logging.getLogger(__name__)

SEND_S = 0.5
"""So long a command may take to read."""
START_S = 1.0
BACKLOG = 8
AGAIN_S = 1.0
"""After an error of the socket's own, such as too many open files."""


class LookServer:
    """Looks at the pool whenever a command asks, for one after another.

    :param place: of this agent, which must be alone in its name on this machine.
    :param connect: makes what looks, and is called in the thread that uses it. What it makes returns the
        document of ``status --json``; it may raise ``CallError``.
    """

    def __init__(self, place: Place, connect: Callable[[], Callable[[], dict[str, Any]]]) -> None:
        self._place = place
        self._connect = connect
        self._pace = Pace()
        self._look: Callable[[], dict[str, Any]] | None = None

    def start(self) -> None:
        """Without the socket commands look for themselves, so a failure is told and no more.

        Nor is a disk that hangs waited for, for longer than a moment.
        """
        there = threading.Event()
        threading.Thread(target=self._run, args=(there,), name="look-socket", daemon=True).start()
        if not there.wait(START_S):
            log.warning("state_dir: %s: its disk hangs: status is slower without", self._place.socket)

    def _run(self, there: threading.Event) -> None:
        try:
            listener = _listen(self._place.socket)
        except OSError as error:
            log.warning("state_dir: %s: %s: status is slower without", self._place.socket, error.strerror)
            return
        finally:
            there.set()
        while True:
            try:
                client, _ = listener.accept()
            except OSError as error:
                log.warning("a command cannot be answered: %s", error.strerror)
                time.sleep(AGAIN_S)
                continue
            began = time.thread_time()
            with client, contextlib.suppress(OSError):
                client.settimeout(SEND_S)
                _send(client, {**self._place.hello, "agent_version": __version__})
                _send(client, self._answer())
            self._pace.spent(time.thread_time() - began)

    def _answer(self) -> dict[str, Any]:
        try:
            self._look = self._look or self._connect()
            return {"overview": self._look()}
        except CallError as error:
            return {"error": str(error)}
        except Exception:
            # What nobody thought of must not end the thread. The command looks for itself then.
            log.exception("looking at the pool")
            return {}


def _send(client: socket.socket, message: dict[str, Any]) -> None:
    client.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\n")


def _listen(path: Path) -> socket.socket:
    """:raises OSError: the socket cannot be made."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError(0, f"longer than {LONGEST_PATH} bytes")
    # The agent that made it is dead: this one holds the lock on the name.
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(0, "is there and is no socket")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
