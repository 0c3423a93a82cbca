"""The file systems that neard and the agent write to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """Of the file system below ``path``. Sizes in bytes; ``inodes`` is 0 where there is no such number."""

    what: str
    path: Path
    error: str = ""
    total: int = 0
    free: int = 0
    """For others than root."""
    inodes: int = 0
    inodes_free: int = 0
    read_only: bool = False


def look_at_disk(what: str, path: Path) -> DiskFacts:
    try:
        found = os.statvfs(path)
    except OSError as error:
        return DiskFacts(what, path, error=(error.strerror or type(error).__name__).lower())
    return DiskFacts(
        what,
        path,
        total=found.f_blocks * found.f_frsize,
        free=found.f_bavail * found.f_frsize,
        inodes=found.f_files,
        inodes_free=found.f_favail,
        read_only=bool(found.f_flag & os.ST_RDONLY),
    )
