"""An address that moves with the key, as a hook or a provider's API would move it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from hafailover.clock import boottime
from hafailover.lab.errors import LabError
from hafailover.lab.guardlog import lines_in
from hafailover.lab.host import FailoverHost
from hafailover.lab.netns import NIC, PREFIX_LENGTH, NetworkHost, command, inside

LOOK_S = 0.05
ANNOUNCED_S = 5.0
_ARP = 0x0806
_EVERYBODY = b"\xff" * 6


class FloatingAddress:
    """Gives the address to the host whose guard said last that the key is loaded; takes it from the others.

    A vanished host's is taken, too: with its link down it makes no difference, and it must not come back
    with it.
    """

    def __init__(self, hosts: list[FailoverHost], address: str, say: Callable[[str], None]) -> None:
        self.delays: list[float] = []
        """From each loaded key to the address in its place, in seconds."""
        self.problems: list[str] = []
        self._hosts = hosts
        self._address = address
        self._say = say
        self._read = {host.name: 0 for host in hosts}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="floating-address", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            loads = [(at, host) for host in self._hosts for at in self._new_loads(host)]
            if not loads:
                continue
            at, host = max(loads, key=lambda one: one[0])
            try:
                self._move(host)
            except LabError as error:
                self.problems.append(str(error))
            else:
                self.delays.append(boottime() - at)
                self._say(f"{self._address} is {host.name}'s {self.delays[-1] * 1000:.0f} ms after the key")

    def _new_loads(self, host: FailoverHost) -> list[float]:
        text, self._read[host.name] = new_lines(host.guard_log, self._read[host.name])
        return [line.at for line in lines_in(text) if line.loaded]

    def _move(self, host: FailoverHost) -> None:
        address = f"{self._address}/{PREFIX_LENGTH}"
        for one in self._hosts:
            with contextlib.suppress(LabError):
                command(["ip", "-n", one.name, "addr", "del", address, "dev", NIC])
        command(["ip", "-n", host.name, "addr", "add", address, "dev", NIC])
        assert host.network is not None
        announce(host.network, self._address)


def new_lines(path: Path, offset: int) -> tuple[str, int]:
    """What came to a file from ``offset`` on, in whole lines, and where the rest begins."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            raw = file.read()
    except FileNotFoundError:
        return "", offset
    whole = raw[: raw.rfind(b"\n") + 1]
    return whole.decode(errors="replace"), offset + len(whole)


def announcement(mac: bytes, address: str) -> bytes:
    """The frame of a gratuitous ARP request: whose the address is from now on."""
    ip = socket.inet_aton(address)
    head = _EVERYBODY + mac + struct.pack("!H", _ARP)
    return head + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + ip + b"\0" * 6 + ip


def announce(network: NetworkHost, address: str) -> None:
    """Sends it from that host. :raises LabError: it cannot be sent."""

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((NIC, _ARP))
            raw.send(announcement(raw.getsockname()[4], address))

    try:
        inside(network, send, ANNOUNCED_S)
    except OSError as error:
        raise LabError(f"{address} cannot be announced from {network.name}: {error}") from None
