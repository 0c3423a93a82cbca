"""Whether a cluster can be run here, what an earlier one has left behind, and a room of the run's own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hafailover.lab.errors import LabError
from hafailover.lab.netns import command
from hafailover.lab.room import enter, refusal

from .machine import end_marked

MARK = "CLUSTER_RUN_FOLDER"
"""In the environment of every process of a run: its folder."""
PREFIX = "hc-"
LOCK = "run.lock"
_FETCH_S = 900


class Unfit(Exception):
    """Nothing was tested; the text says why, and what would help."""


def check() -> None:
    """:raises Unfit: this machine cannot run a cluster."""
    if reason := refusal():
        raise Unfit(reason)


def consul_binary(root: Path) -> Path:
    """A Consul that runs, fetched if need be. :raises Unfit: there is none."""
    try:
        done = subprocess.run(
            [root / "scripts" / "get-consul"], capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unfit(f"fetching Consul took longer than {_FETCH_S} s") from None
    if done.returncode != 0:
        raise Unfit(done.stderr.strip())
    return Path(done.stdout.strip().splitlines()[-1])


def remove_leftovers() -> list[str]:
    """Ends what runs that died have left running, and removes their folders; returns what was found.

    Their namespaces and mounts were private to them and are gone with their last process.
    """
    found = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
        ended = end_marked(MARK, str(folder))
        shutil.rmtree(folder, ignore_errors=True)
        found.append(f"{folder} and {ended} processes")
    return found


def unmount_below(folder: Path) -> None:
    """Takes all mounts in a folder away, the last one first, so that it can be removed."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    targets = [line.split()[4] for line in lines]
    for target in reversed([one for one in targets if one.startswith(f"{folder}/")]):
        with contextlib.suppress(LabError):
            command(["umount", "--lazy", target])


def take_folder() -> Path:
    """A folder with a path short enough for sockets, which is this process's as long as it lives."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    # Never closed: the lock says that this run lives.
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder


def room(arguments: list[str]) -> None:
    """Goes on as the same command in a network and a mount namespace of its own; does not return."""
    enter([sys.executable, "-m", "tests.cluster", *arguments])
