"""One agent for one name: the lock on its state folder, and the session it goes on with after a restart."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from hafailover.text import is_text


class StateError(Exception):
    """The state folder cannot be used; the text names the setting and the fix."""


class StateFolder:
    """``state_dir``: a lock that ends with the process, and the note of the session.

    The note is void after a reboot, whatever the folder lies on.
    """

    def __init__(self, folder: Path, account_id: str, node: str) -> None:
        self._file = folder / f"session-{account_id}-{node}.json"
        self._boot_id = boot_id()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(
                folder / f"agent-{account_id}-{node}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise StateError(
                f"state_dir: {folder}: {error.strerror}; set state_dir to a folder of the agent's"
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError(
                f"state_dir: {folder}: another agent for {account_id} named {node} runs on this machine; "
                "stop it first"
            ) from None

    def session(self) -> str | None:
        """The session of the agent that ran here before, if this is still the same boot."""
        try:
            data = json.loads(self._file.read_text())
            session = data["session"] if data["boot"] == self._boot_id else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return session if is_text(session) and session else None

    def note(self, session: str) -> None:
        """Notes the session. Without a note a restarted agent waits until its old session has ended."""
        temporary = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump({"session": session, "boot": self._boot_id}, file)
            temporary.rename(self._file)

    def forget(self) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)


def boot_id() -> str:
    """Names this boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
