"""Log lines go to stderr from a thread of their own, so that a pipe or a journal that nobody reads holds up
nothing else.

What does not fit into the queue is lost; how many lines that were is said once the others are out.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import sys
import threading
import time
from typing import TextIO

MOST_QUEUED_CHARS = 4_000_000
"""Some minutes of a busy log, and no more memory than that."""
EXIT_WAIT_S = 1.0
"""How long the end of a process waits for its last lines."""


class LogWriter(logging.Handler):
    """Formats at once, where the record is made, and leaves the writing to its thread.

    :param stream: where the lines go; its descriptor, if it has one.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._lines: collections.deque[str] = collections.deque()
        self._chars = 0
        self._lost = 0
        self._writing = False
        self._over = False
        self._changed = threading.Condition(threading.Lock())
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + "\n"
        except Exception:  # noqa: BLE001 - a defect in the making of a line is none of the work it tells of
            text = self._unwritable(record)
        with self._changed:
            if self._chars + len(text) > MOST_QUEUED_CHARS:
                self._lost += 1
                return
            self._lines.append(text)
            self._chars += len(text)
            self._changed.notify_all()

    def flush(self, wait_s: float = EXIT_WAIT_S) -> None:
        """Waits until all is written, at most so many seconds."""
        end = time.monotonic() + wait_s
        with self._changed:
            while (self._lines or self._writing) and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)

    def close(self) -> None:
        """Takes no more lines; those that it has are still written."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        super().close()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._lines and not self._over:
                    self._changed.wait()
                if not self._lines:
                    return
                text = self._take()
                self._writing = True
            try:
                self._write(text)
            finally:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()

    def _take(self) -> str:
        text = self._lines.popleft()
        self._chars -= len(text)
        if self._lost and not self._lines:
            lost, self._lost = self._lost, 0
            text += self._told(f"{lost} lines of the log are lost: nobody read them")
        return text

    def _told(self, message: str) -> str:
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, None, None)
        return self.format(record) + "\n"

    def _unwritable(self, record: logging.LogRecord) -> str:
        return self._told(f"a line of {record.name} could not be made ({record.filename}:{record.lineno})")

    def _write(self, text: str) -> None:
        # Not by way of sys.stderr: a thread that waits inside of it would abort the interpreter at its end.
        with contextlib.suppress(OSError, ValueError):
            if self._descriptor is None:
                self._stream.write(text)
                self._stream.flush()
                return
            left = memoryview(text.encode(errors="backslashreplace"))
            while left:
                left = left[os.write(self._descriptor, left) :]


def flush(wait_s: float = EXIT_WAIT_S) -> None:
    """Waits for the lines written so far, at most so many seconds."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogWriter):
            handler.flush(wait_s)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno() if stream is sys.__stderr__ else None
    except (OSError, ValueError, AttributeError):
        return None
