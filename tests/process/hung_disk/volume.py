"""A file system of its own for one folder, which can be frozen: who writes there waits in state D."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

SIZE_MIB = 256
COMMAND_S = 20.0


class Volume:
    """An ext4 on a loop device, mounted over ``folder``.

    :raises subprocess.SubprocessError: this machine cannot do it.
    """

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        self._frozen = False
        folder.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(SIZE_MIB << 20)
        _run("mkfs.ext4", "-q", "-F", str(image))
        _run("mount", "-o", "loop", str(image), str(folder))

    def freeze(self) -> None:
        self._frozen = True
        _run("fsfreeze", "--freeze", str(self.folder))

    def thaw(self) -> None:
        """Lets everybody go on who has waited; does nothing where none is frozen."""
        if self._frozen:
            _run("fsfreeze", "--unfreeze", str(self.folder))
            self._frozen = False

    def close(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self.thaw()
        _run("umount", "--lazy", str(self.folder))


def volume_or_skip(folder: Path, image: Path) -> Volume:
    """A volume; where this machine cannot have one, the test is skipped, loudly."""
    if os.geteuid() != 0:
        pytest.skip("NOT ROOT, so this was NOT TESTED: file systems cannot be mounted and frozen")
    try:
        return Volume(folder, image)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"NO LOOP DEVICES, so this was NOT TESTED: {error}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=COMMAND_S, capture_output=True)
