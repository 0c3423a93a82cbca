"""One agent for one name: the lock on its state folder, and the session it goes on with after a restart."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import threading
from pathlib import Path

from hafailover.agent.errands import Errands
from hafailover.text import is_text

log = logging.getLogger(__name__)

OPEN_S = 5.0
READ_S = 2.0
"""How long the agent waits for its state folder, once, when it starts."""


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


class SessionNote:
    """The note of the session, as its thread reads and writes it: a disk that hangs holds nothing else up.

    Without the note a restarted agent waits until its old session has ended; that is all that it costs.

    :param folder: ``None`` where it hangs already; then nothing is noted.
    """

    def __init__(self, folder: StateFolder | None) -> None:
        self._folder = folder
        self._errands = Errands("state_dir")
        self._known = folder is None
        self._session: str | None = None

    @staticmethod
    def open(folder: Path, account_id: str, node: str, wait_s: float = OPEN_S) -> SessionNote:
        """Opens the state folder.

        One that hangs is done without. Its lock is missed little: Consul, too, lets one agent have the name.

        :raises StateError: it cannot be used.
        """
        found: list[StateFolder | StateError] = []

        def job() -> None:
            try:
                found.append(StateFolder(folder, account_id, node))
            except StateError as error:
                found.append(error)

        thread = threading.Thread(target=job, name="state_dir (open)", daemon=True)
        thread.start()
        thread.join(wait_s)
        if not found:
            log.error(
                "state_dir: %s does not answer within %g s: check its disk. The agent works without it, but "
                "a restart then costs its session, and hafailover takeover does not reach it",
                folder,
                wait_s,
            )
            return SessionNote(None)
        if isinstance(found[0], StateError):
            raise found[0]
        return SessionNote(found[0])

    def session(self) -> str | None:
        """The session noted last. Only the first time the folder is asked."""
        if not self._known and self._folder is not None:
            self._session = self._errands.ask(self._folder.session, READ_S)
            self._known = True
        return self._session

    def note(self, session: str) -> None:
        """Never waits; see :meth:`StateFolder.note`."""
        self._known, self._session = True, session
        if (folder := self._folder) is not None:
            self._errands.do(lambda: folder.note(session))

    def forget(self) -> None:
        """Never waits."""
        self._known, self._session = True, None
        if (folder := self._folder) is not None:
            self._errands.do(folder.forget)


def boot_id() -> str:
    """Names this boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
