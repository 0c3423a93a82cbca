"""Who listens on the address at which neard's RPC answers: the guard's own child, or somebody else.

A launcher that stays between guard and neard (a script without ``exec``, tini, sudo, runuser, ``docker run``)
is what the guard would watch, and its end is not neard's. So nothing is armed before the inode of the
listening socket (``/proc/net/tcp``, proc_net(5)) was found among the open files of the very process that the
guard has started (``/proc/PID/fd``). Nothing here waits: all of it is memory of the kernel's.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hafailover.guard.tree import has_ended, is_descendant, name_of

PROC = Path("/proc")
TABLES = ("tcp", "tcp6")
LISTEN = "0A"
NAMING_S = 0.2
"""How long to look for the process behind a socket: only for a message, on a machine with many of them."""
LAUNCHER_FIX = (
    "neard.binary is a launcher that stays in between: make its script `exec` neard, "
    "and do without docker, sudo, runuser and tini"
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Listening:
    """A listening TCP socket of this network namespace."""

    address: Address
    port: int
    uid: int
    inode: int


class Ownership:
    """Tells whether neard's RPC is answered by the guard's own child. Remembers where it found the socket."""

    def __init__(self) -> None:
        self._found: tuple[int, int, str] | None = None
        """Process, inode and name of the link in /proc/PID/fd, of the last look."""
        self._named: tuple[frozenset[int], int | None] = (frozenset(), None)
        """Sockets, and the process that was last found to have one of them."""

    def trouble(
        self, child: int | None, host: str, port: int, *, answered: bool = True, name: bool = True
    ) -> str:
        """Why what answers at this address is not the child; empty if it is.

        :param child: the process that the guard has started. ``None``: none runs, so that nobody may listen.
        :param host: an IP address. Of a name other than localhost nothing can be told.
        :param answered: it has given an answer; then somebody must listen.
        :param name: look for the process that listens, which may take :data:`NAMING_S`.
        """
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        targets = _targets(host)
        try:
            found = [one for target in targets for one in answering(target, port)]
        except (OSError, ValueError, IndexError) as error:
            return f"it cannot be told who listens on {where}: /proc/net/tcp: {error}"
        if child is None:
            return self._stranger(found, None, where, name) if found else ""
        if not found and not (answered and targets):
            return ""
        if not found:
            return (
                f"neard's RPC answers at {where}, but no process of this host listens there: it is in a "
                f"container, or the port is forwarded; {LAUNCHER_FIX}"
            )
        try:
            others = [one for one in found if not self._owns(child, one.inode)]
            if not others:
                return _other_user(child)
        except PermissionError:
            if has_ended(child):
                return f"neard (pid {child}) has ended, and another process listens on {where}"
            return (
                f"neard (pid {child}) cannot be looked into: it runs as another user than the guard, or the "
                "guard's user may not read its binary; run the guard as that user, let neard.binary change "
                "no user, and make the binary readable"
            )
        except OSError:
            # It has just ended: nobody's word counts for it.
            return f"neard (pid {child}) is gone, and another process listens on {where}"
        return self._stranger(others, child, where, name)

    def _owns(self, pid: int, inode: int) -> bool:
        folder, link = PROC / str(pid) / "fd", f"socket:[{inode}]"
        if self._found is not None and self._found[:2] == (pid, inode):
            with contextlib.suppress(OSError):
                if str((folder / self._found[2]).readlink()) == link:
                    return True
        for entry in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if str(entry.readlink()) == link:
                    self._found = (pid, inode, entry.name)
                    return True
        return False

    def _stranger(self, found: list[Listening], child: int | None, where: str, name: bool) -> str:
        inodes = frozenset(one.inode for one in found)
        if name and self._named[0] != inodes:
            self._named = (inodes, _owner_of(inodes))
        pid = self._named[1] if self._named[0] == inodes else None
        if pid is None:
            return (
                f"a process of user {found[0].uid}, which cannot be seen from here, listens on {where} and "
                "is not the neard that the guard has started: stop its unit or end it. If it comes with "
                f"neard.binary: {LAUNCHER_FIX}"
            )
        who = f"pid {pid} ({name_of(pid)}) listens on {where}"
        if is_descendant(pid, os.getpid()):
            between = f", and not pid {child} ({name_of(child)}) itself" if child is not None else ""
            return f"{who}{between}: {LAUNCHER_FIX}"
        return (
            f"{who} and was not started by this guard: stop its unit or end it. If it comes with "
            f"neard.binary: {LAUNCHER_FIX}"
        )


def answering(target: Address, port: int) -> list[Listening]:
    """The sockets to which the kernel gives a connection to this address: the most exact match wins.

    :raises OSError: the tables cannot be read.
    """
    wildcard = [ipaddress.IPv4Address(0)] if target.version == 4 else []
    everything = [one for one in _listening() if one.port == port]
    for address in (target, *wildcard, ipaddress.IPv6Address(0)):
        if found := [one for one in everything if one.address == address]:
            return found
    return []


def _targets(host: str) -> list[Address]:
    if host == "localhost":
        return [ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1")]
    try:
        return [_plain(ipaddress.ip_address(host.partition("%")[0]))]
    except ValueError:
        return []


def _listening() -> Iterator[Listening]:
    """Of both families. The kernel gives listening sockets first (tcp_seq_start in net/ipv4/tcp_ipv4.c)."""
    for table in TABLES:
        try:
            lines = (PROC / "net" / table).open()
        except FileNotFoundError:
            # No IPv6 on this host.
            if table == TABLES[0]:
                raise
            continue
        with lines:
            next(lines, None)
            for line in lines:
                fields = line.split()
                if fields[3] != LISTEN:
                    break
                address, _, port = fields[1].partition(":")
                yield Listening(_address(address), int(port, 16), int(fields[7]), int(fields[9]))


def _address(text: str) -> Address:
    """The kernel prints the address as words of 32 bits in the machine's own order of bytes."""
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return _plain(ipaddress.IPv4Address(raw) if len(raw) == 4 else ipaddress.IPv6Address(raw))


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped if mapped is not None else address


def _owner_of(inodes: frozenset[int]) -> int | None:
    """The first process seen that has one of the sockets open; ``None``: hidden, or not found in time."""
    links = {f"socket:[{inode}]" for inode in inodes}
    end = time.monotonic() + NAMING_S
    for process in PROC.iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if any(str(entry.readlink()) in links for entry in (process / "fd").iterdir()):
                return int(process.name)
        if time.monotonic() > end:
            return None
    return None


def _other_user(pid: int) -> str:
    """One that has changed its user has lost PR_SET_PDEATHSIG, which binds it to the guard: prctl(2)."""
    theirs = {}
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        name, _, values = line.partition(":")
        if name in ("Uid", "Gid"):
            theirs[name] = {int(value) for value in values.split()}
    if theirs == {"Uid": {os.geteuid()}, "Gid": {os.getegid()}}:
        return ""
    return (
        f"neard (pid {pid}) runs as another user or group than the guard, so it would outlive it; "
        "run the guard as that user, and let neard.binary change no user"
    )
