"""Files that somebody else writes: read without being kept waiting, and never more than asked for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of a regular file.

    A FIFO would keep its reader waiting for ever, and a device may have no end.

    :raises OSError: it is missing, unreadable, or no regular file.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        return file.read(most)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Writes a file at one stroke: whoever reads it, also after a crash, finds the old or the new content.

    :raises OSError: it cannot be written.
    """
    temporary = unfinished(path)
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        # Whatever the umask is.
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def move_whole(written: Path, path: Path, mode: int) -> None:
    """Puts a file that has been written elsewhere on this disk into its place, with the same promise.

    :raises OSError: it cannot be moved.
    """
    # Written by another process, so that it may be in memory alone.
    descriptor = os.open(written, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    written.replace(path)


def unfinished(path: Path) -> Path:
    """Where a file is written before it takes its place; a crash may leave it behind."""
    return path.with_name(f".{path.name}.new")
