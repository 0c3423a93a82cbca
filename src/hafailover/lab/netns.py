"""Hosts of their own on one machine: network namespaces on a bridge, with cables that can be pulled.

The bridge is made in the network namespace that the caller runs in, which therefore is to be one of the run's
own (``unshare --net --mount``): nothing of the machine's network is touched, and all of it goes with the run.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Literal, TypeVar

from hafailover.lab.errors import LabError
from hafailover.lab.place import Place

Heard = Literal["deaf", "mute"]
T = TypeVar("T")

NIC = "eth0"
BRIDGE = "br0"
PREFIX_LENGTH = 24
NAMESPACES = Path("/run/netns")
_TABLE = "fault"
_COMMAND_S = 20.0
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def command(words: Sequence[str]) -> None:
    """Runs a command of the system's. :raises LabError: it failed, or took longer than 20 s."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(words)}: {error}") from error
    if done.returncode != 0:
        raise LabError(f"{' '.join(words)}: {done.stderr.strip() or f'code {done.returncode}'}")


def make_bridge(address: str) -> None:
    """The bridge, with an address of the caller's own on it. :raises LabError:"""
    command(["ip", "link", "set", "lo", "up"])
    # Without spanning tree: a port forwards from the moment it is up.
    command(["ip", "link", "add", BRIDGE, "type", "bridge", "stp_state", "0"])
    command(["ip", "addr", "add", f"{address}/{PREFIX_LENGTH}", "dev", BRIDGE])
    command(["ip", "link", "set", BRIDGE, "up"])


def remove_bridge() -> None:
    """Takes it away again, for the next one. :raises LabError:"""
    command(["ip", "link", "delete", BRIDGE])


class NetworkHost:
    """A namespace with one network card, whose cable ends at the bridge.

    :param name: the namespace's; at most 14 characters, since the cable's other end is called alike.
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.place = Place(address, name)
        self._plug = f"p{name}"

    def make(self) -> None:
        """:raises LabError: the kernel or a tool refuses."""
        inside = ["ip", "-n", self.name]
        command(["ip", "netns", "add", self.name])
        command(["ip", "link", "add", self._plug, "type", "veth", "peer", "name", NIC, "netns", self.name])
        command(["ip", "link", "set", self._plug, "master", BRIDGE, "up"])
        command([*inside, "link", "set", "lo", "up"])
        command([*inside, "addr", "add", f"{self.address}/{PREFIX_LENGTH}", "dev", NIC])
        command([*inside, "link", "set", NIC, "up"])
        # Dropped as they leave the cable: unlike from a filter of its own, the sender learns nothing of it.
        for where, device in ((["nft"], self._plug), (self._nft_inside(), NIC)):
            hook = f"{{ type filter hook ingress device {device} priority 0; }}"
            command([*where, f"add table netdev {self._table(device)}"])
            command([*where, f"add chain netdev {self._table(device)} in {hook}"])

    def remove(self) -> None:
        """Takes the host away, once nothing runs in it any more. :raises LabError:"""
        command(["ip", "link", "delete", self._plug])
        command(["ip", "netns", "delete", self.name])

    def link(self, up: bool) -> None:
        """Pulls the cable or plugs it in. The host keeps its address. :raises LabError:"""
        command(["ip", "link", "set", self._plug, "up" if up else "down"])

    def deny(self, what: Heard, matching: str = "") -> None:
        """One direction is lost: a deaf host hears nothing, a mute one is not heard.

        :param matching: nft(8)'s expression for the packets that are lost; by default all.
        :raises LabError:
        """
        where, device = self._side(what)
        command([*where, f"add rule netdev {self._table(device)} in {matching} drop"])

    def allow(self, what: Heard) -> None:
        """Undoes :meth:`deny`. :raises LabError:"""
        where, device = self._side(what)
        command([*where, f"flush chain netdev {self._table(device)} in"])

    def enter(self) -> None:
        """From now on what the calling thread opens is in this namespace. :raises LabError:"""
        descriptor = os.open(NAMESPACES / self.name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
                raise LabError(f"setns to {self.name}: {os.strerror(ctypes.get_errno())}")
        finally:
            os.close(descriptor)

    def _side(self, what: Heard) -> tuple[list[str], str]:
        return (self._nft_inside(), NIC) if what == "deaf" else (["nft"], self._plug)

    def _nft_inside(self) -> list[str]:
        return ["nsenter", f"--net={NAMESPACES / self.name}", "--", "nft"]

    @staticmethod
    def _table(device: str) -> str:
        return f"{_TABLE}_{device}"


def inside(network: NetworkHost | None, work: Callable[[], T], within_s: float) -> T:
    """Does some work in a host's network, or in this process's, and gives what comes of it.

    It has a thread of its own, since what a thread opens stays in the network that it has entered.

    :raises LabError: the network cannot be entered, or there is no end of the work in time.
    """
    told: Future[T] = Future()

    def run() -> None:
        try:
            if network is not None:
                network.enter()
            told.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            told.set_exception(error)

    threading.Thread(target=run, name="inside", daemon=True).start()
    if not wait((told,), within_s).done:
        raise LabError(f"no answer within {within_s:g} s")
    return told.result()
