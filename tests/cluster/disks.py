"""Disks that can hang: file systems of their own, on which every write waits until they are thawed.

A process that waits for such a disk is in state D: no signal ends it, SIGKILL included. So it is with a disk,
a controller or a network volume that has ceased to answer. Reading goes on, as it does from a cache.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hafailover.lab.errors import LabError
from hafailover.lab.netns import command

LONGEST_S = 60
"""A disk thaws by itself after so long, also if the run has died: nothing else ends what waits for it."""
IMAGES = ".disks"
SMALL_MIB = 16
CONSUL_MIB = 128


class Disk:
    """A small file system at a folder, with what was in the folder. Its image lies in memory.

    :param where: the folder that it is mounted at.
    :param hangs: whether it can hang; without loop devices a disk is only a file system of its own.
    """

    def __init__(self, where: Path, mib: int, *, hangs: bool) -> None:
        self.where = where
        self.hangs = hangs
        self._mib = mib
        self._thaws: subprocess.Popen[bytes] | None = None

    def mount(self, images: Path) -> None:
        """:param images: a folder in memory. :raises LabError: the kernel or a tool refuses."""
        before = self.where.with_name(f".{self.where.name}.before")
        if self.where.exists():
            self.where.rename(before)
        self.where.mkdir()
        if self.hangs:
            image = images / "-".join(self.where.parts[-2:])
            with image.open("wb") as file:
                file.truncate(self._mib << 20)
            # No journal and no reserve: all of it is for what is tested.
            command(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image)])
            command(["mount", "-o", "loop,noatime", str(image), str(self.where)])
        else:
            command(["mount", "-t", "tmpfs", "-o", f"size={self._mib}m,mode=0755", "tmpfs", str(self.where)])
        if before.exists():
            shutil.copytree(before, self.where, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(before)

    def hang(self, marker: Mapping[str, str]) -> None:
        """Whoever writes waits from now on. :raises LabError: it cannot hang, or hangs already."""
        if not self.hangs:
            raise LabError(f"{self.where}: this disk cannot hang")
        # Made first, and not of the run's processes: it has to outlive them.
        words = ["sh", "-c", f"sleep {LONGEST_S}; fsfreeze -u '{self.where}'"]
        outside = dict.fromkeys(marker, "") | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self._thaws = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=outside)
        command(["fsfreeze", "-f", str(self.where)])

    def thaw(self) -> None:
        """Those that waited go on. Does nothing where nothing hangs."""
        if self._thaws is None:
            return
        with contextlib.suppress(LabError):
            command(["fsfreeze", "-u", str(self.where)])
        self._thaws.kill()
        self._thaws.wait()
        self._thaws = None


def refusal() -> str:
    """Why no disk can hang here, or an empty text."""
    missing = [tool for tool in ("mkfs.ext4", "fsfreeze", "losetup") if shutil.which(tool) is None]
    if missing:
        return f"tools are missing: {', '.join(missing)} (apt-get install e2fsprogs util-linux)"
    with tempfile.TemporaryDirectory(prefix="hd-") as folder:
        image = Path(folder) / "image"
        with image.open("wb") as file:
            file.truncate(SMALL_MIB << 20)
        there = Path(folder) / "there"
        there.mkdir()
        script = (
            f"mkfs.ext4 -q {image} && mount -o loop {image} {there} && "
            f"fsfreeze -f {there} && fsfreeze -u {there}"
        )
        try:
            command(["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script])
        except LabError as error:
            return f"this kernel or container refuses: {error}"
    return ""
