"""A real disk that hangs: a file system of its own in a file, frozen and thawed by fsfreeze(8)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SIZE_BYTES = 24 << 20
TOOLS = ("mkfs.ext4", "mount", "umount", "fsfreeze")


class LoopDisk:
    """An ext4 on a loop device. Reading goes on while it is frozen; whatever writes waits in state D."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount

    def freeze(self) -> None:
        subprocess.run(["fsfreeze", "--freeze", self.mount], check=True, timeout=20)

    def thaw(self) -> None:
        """Of one that is not frozen, too."""
        subprocess.run(["fsfreeze", "--unfreeze", self.mount], check=False, timeout=20, capture_output=True)


@contextlib.contextmanager
def loop_disk(folder: Path) -> Iterator[LoopDisk]:
    """Mounts one at ``folder/disk``, and thaws it in the end. Whoever works there ends before."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a disk that hangs needs root, to mount one and to freeze it")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"NOT TESTED: a disk that hangs, since there is no {', '.join(missing)}")
    image, mount = folder / "disk.ext4", folder / "disk"
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    mount.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, timeout=60)
    done = subprocess.run(
        ["mount", "-o", "loop", image, mount], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED: a disk that hangs, since none can be mounted: {done.stderr.strip()}")
    disk = LoopDisk(mount)
    try:
        yield disk
    finally:
        disk.thaw()
        subprocess.run(["umount", "--lazy", mount], check=False, timeout=60)


def threads_that_wait(pid: int) -> list[int]:
    """The threads of a process that hang in the kernel (state D)."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if (task / "stat").read_text().rpartition(")")[2].split()[0] == "D":
                found.append(int(task.name))
    return found
