"""A network and a mount namespace of a run's own, in which hosts can be on a bridge and cables be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

from hafailover.lab.netns import NAMESPACES, command

TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
}
_TRY_S = 20
_OWN = ["unshare", "--mount", "--net", "--propagation", "private", "--"]


def refusal() -> str:
    """Why there can be no room on this machine, and what would help; empty where there can."""
    if sys.platform != "linux":
        return f"it needs Linux's network namespaces, and this is {sys.platform}"
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        return f"tools are missing: apt-get install {' '.join(missing)}"
    if os.geteuid() != 0:
        return "it makes network namespaces and mounts, so it has to be run as root"
    script = (
        "ip link add t0 type veth peer name t1 && ip link add tb type bridge && nft add table netdev t && "
        "nft 'add chain netdev t i { type filter hook ingress device t0 priority 0; }' && "
        "mount -t tmpfs tmpfs /mnt"
    )
    try:
        done = subprocess.run(
            [*_OWN, "sh", "-c", script], capture_output=True, text=True, timeout=_TRY_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"making a namespace took longer than {_TRY_S} s"
    if done.returncode != 0:
        return f"this kernel or container refuses: {done.stderr.strip()}"
    return ""


def enter(program: Sequence[str]) -> NoReturn:
    """Goes on as this program in a room of its own: the same process, so that signals reach it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(_OWN[0], [*_OWN, *program])  # noqa: S606 - replacing this process is the point


def furnish() -> None:
    """Inside: loopback is up, and names of namespaces are the run's own, too. :raises LabError:"""
    # `neard localnet` reserves its ports on [::1], and panics where it cannot.
    command(["ip", "link", "set", "lo", "up"])
    NAMESPACES.mkdir(parents=True, exist_ok=True)
    command(["mount", "-t", "tmpfs", "tmpfs", str(NAMESPACES)])
