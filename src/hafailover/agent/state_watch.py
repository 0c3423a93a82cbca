"""Whether the agent can write into its state folder, tried from a thread of its own.

A full one costs nothing by itself, and so would never be noticed: the note of the session is missing when the
agent restarts, which then costs a failover, and ``hafailover takeover`` gets no answer.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from pathlib import Path

from hafailover.agent.persist import Complaints
from hafailover.clock import boottime

log = logging.getLogger(__name__)

EVERY_S = 30.0
OLD_S = 75.0
"""Two tries that have not come back: the disk hangs."""
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
BYTES = 4096
"""As much as a note takes on a disk: one block."""


class StateWatch:
    """:param folder: ``state_dir``.

    :param name: of this pool and host; several agents may share a folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"try-{name}"
        self._complaints = Complaints("state_dir")
        self._last = ("", boottime())

    def start(self) -> None:
        threading.Thread(target=self._run, name="state", daemon=True).start()

    def problem(self) -> str:
        """What is wrong with it; empty if nothing is. Never waits for the disk."""
        text, at = self._last
        return text if boottime() - at <= OLD_S else "its disk does not answer"

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            text = attempt(self._file)
            self._last = (text, boottime())
            if text:
                self._complaints.trouble(
                    f"{self._file.parent}: {text}; a restart of the agent loses its session"
                )
            else:
                self._complaints.fine()
            pause.wait(EVERY_S)


def attempt(file: Path) -> str:
    """Writes it and takes it away again; why that failed. Takes as long as the disk takes."""
    try:
        descriptor = os.open(file, FLAGS, 0o600)
        try:
            os.write(descriptor, b"\0" * BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            file.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        return f"cannot be written to ({error.strerror or type(error).__name__})"
    return ""
