"""How full neard's disk is, looked at from a thread of its own: on a disk that hangs, the look hangs, too."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from hafailover.clock import boottime

EVERY_S = 30.0
OLD_S = 120.0
"""A figure that is older is no figure: the disk hangs, or the folder is gone."""
ROUND = 1 << 28
"""A quarter of a GiB: what changes with every block would be written to Consul with every block."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What is left for neard, in bytes and as a fraction of the file system; ``None``: not known."""

    free_bytes: int | None = None
    free_ratio: float | None = None


class DiskWatch:
    """:param folder: neard's home; ``None`` where it is not known."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._last = (Disk(), boottime())

    def start(self) -> None:
        if self._folder is not None:
            threading.Thread(target=self._run, args=(self._folder,), name="disk", daemon=True).start()

    def last(self) -> Disk:
        """Never waits for the disk."""
        disk, at = self._last
        return disk if boottime() - at <= OLD_S else Disk()

    def _run(self, folder: Path) -> None:
        pause = threading.Event()
        while True:
            self._last = (look(folder), boottime())
            pause.wait(EVERY_S)


def look(folder: Path) -> Disk:
    """Asks the file system; without the part that is kept for root. Takes as long as the disk takes."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return Disk()
    if found.f_blocks <= 0:
        return Disk()
    free = found.f_bavail * found.f_frsize
    return Disk(free // ROUND * ROUND if free >= ROUND else free, round(found.f_bavail / found.f_blocks, 3))
