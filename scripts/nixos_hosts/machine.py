"""What the machine that runs the tests must have."""

from __future__ import annotations

import os
import platform
import shutil

from nixos_hosts.command import run
from nixos_hosts.problem import Broken, Skip

TOOLS = (
    ("systemd-nspawn", "systemd-container"),
    ("debootstrap", "debootstrap"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
)
APT_TIMEOUT_S = 600
QUICK_S = 20


def prepare() -> None:
    """Installs what a Debian lacks.

    :raises Skip: the tests cannot be run on this machine.
    """
    if os.geteuid() != 0:
        raise Skip("it needs root, for containers and network namespaces")
    if platform.machine() != "x86_64":
        raise Skip(f"it needs an x86_64 machine, not {platform.machine()}")
    missing = [package for command, package in TOOLS if shutil.which(command) is None]
    if missing:
        _install(missing)
    try:
        run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], QUICK_S)
    except Broken:
        raise Skip("this kernel, or the container that this is, allows no namespaces") from None


def _install(packages: list[str]) -> None:
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise Skip(f"it needs {wanted}, by their names in Debian")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", "-q", "update"], APT_TIMEOUT_S, env=env)
        run(["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages], APT_TIMEOUT_S, env=env)
    except Broken as error:
        raise Skip(f"{wanted} could not be installed: {error}") from None
