"""One guard for each neard home: a lock on a file there that only the guard's user can open.

Not on the folder itself: whoever may read that, as the agent's user may, could take the lock and keep the
guard from ever starting.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

NAME = ".hafailover-guard.lock"
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What a disk may get over: no wrong setting."""


class LockError(Exception):
    """The home cannot be locked; the text names it and the fix."""

    def __init__(self, text: str, *, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing


def lock_home(home: Path) -> int:
    """Makes sure that no second guard works on this neard home; the lock goes with the process.

    :raises LockError: another one does, or the file cannot be made.
    """
    path = home / NAME
    if not home.is_dir():
        raise LockError(f"{home}: no such folder; set neard.home to neard's home")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        fix = "remove it" if error.errno == errno.ELOOP else "the guard's user must own neard's home"
        if error.errno in PASSING:
            fix = "the guard needs a disk that takes a file"
        raise LockError(f"{path}: {error.strerror}; {fix}", passing=error.errno in PASSING) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()):
            raise LockError(f"{path}: is not a file of the guard's; remove it")
        if stat.S_IMODE(found.st_mode) != 0o600 and found.st_uid == os.geteuid():
            os.fchmod(descriptor, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, OSError):
            # It may be one that has been killed, of which a thread hangs in the kernel.
            text = f"{home}: another guard is at work here; stop it, or set neard.home"
            raise LockError(text, passing=True) from None
        raise
    return descriptor
