"""Who answers on a loopback address: the users of the sockets there, as the kernel tells them.

A port of loopback that is free belongs to whoever takes it first. While Consul is down, any user of the
machine can answer in its place, take the token, and call every beat a success.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import pwd
import socket
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
CONSUL = "consul"
"""The user that packages of Consul make for it."""
LISTEN = "0A"
NOBODY = 65534
"""How the kernel shows a user that has no number in this user namespace."""

IP = ipaddress.IPv4Address | ipaddress.IPv6Address


class StrangerError(Exception):
    """Not Consul's user listens where Consul is to be. The text names user, setting and fix."""


@dataclass(frozen=True, slots=True)
class Row:
    """A socket of /proc/net/tcp or tcp6, addresses as they stand there."""

    local: str
    remote: str
    state: str
    uid: int
    inode: int


def uid_of(user: str) -> int:
    """A user's number.

    :param user: name or number.
    :raises KeyError: there is no such user.
    """
    return int(user) if user.isascii() and user.isdecimal() else pwd.getpwnam(user).pw_uid


def believed(user: str | None) -> frozenset[int]:
    """Whose listener is taken for Consul's: root's, this process's own user's, and that of ``user``.

    Root could read the token anyway, and so could whoever is this process's user.

    :param user: name or number; ``None``: consul, if there is such a user.
    :raises KeyError: there is no such user.
    """
    always = {0, os.geteuid()}
    try:
        return frozenset({*always, uid_of(CONSUL if user is None else user)})
    except KeyError:
        if user is not None:
            raise
        return frozenset(always)


def check_listener(connected: socket.socket, users: Iterable[int]) -> int | None:
    """Looks who is at the other end, if that is on loopback; nothing may have been sent yet.

    :param connected: a TCP socket. :param users: whose listener will do.
    :returns: the listener's user; ``None`` where the other end is not on loopback.
    :raises StrangerError: another user's, or nobody's.
    """
    host, port = connected.getpeername()[:2]
    there = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(there, "ipv4_mapped", None) or there
    if not mapped.is_loopback:
        return None
    here = ipaddress.ip_address(connected.getsockname()[0].partition("%")[0])
    where = f"{host}:{port}"
    try:
        rows = list(_rows(port))
    except (OSError, ValueError) as error:
        raise StrangerError(
            f"who listens on {where} cannot be seen ({error}), so nothing is sent there; /proc/net/tcp must "
            "be readable, or use https in consul.address"
        ) from None
    found = _listeners(rows, mapped, port)
    if not found:
        raise StrangerError(
            f"nobody listens on {where} in this network namespace, so nothing is sent to whoever answers; "
            "correct consul.address, or use https there"
        )
    # A listener may have gone since, and Consul's have come: what has accepted this connection counts, too.
    accepted = _peer(rows, (mapped, port), (here, connected.getsockname()[1]))
    strangers = [row.uid for row in (*found, *accepted) if row.uid not in users]
    if strangers:
        raise StrangerError(_text(where, strangers[0]))
    return found[0].uid


def _text(where: str, uid: int) -> str:
    text = (
        f"{user_name(uid)} listens on {where}, where Consul is to be, so nothing is sent there; end that "
        "process, or set consul.user to the user that Consul runs as, or use https in consul.address"
    )
    if uid == NOBODY:
        text += " (a unit with PrivateUsers= sees every other user as this one)"
    return text


@functools.lru_cache(maxsize=32)
def user_name(uid: int) -> str:
    """A user for people."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with number {uid}"


def _rows(port: int) -> Iterator[Row]:
    """The sockets with this local port. Listening ones come first in each table, as the kernel has it."""
    mark = f":{port:04X} "
    for table in TABLES:
        try:
            text = table.read_text()
        except FileNotFoundError:
            # A kernel without IPv6.
            continue
        for line in text.splitlines()[1:]:
            if mark in line:
                words = line.split()
                row = Row(words[1], words[2], words[3], int(words[7]), int(words[9]))
                if row.local.endswith(mark.rstrip()):
                    yield row


def _listeners(rows: Iterable[Row], ip: IP, port: int) -> list[Row]:
    """Those that a connection to this address goes to: the kernel takes the most precise."""
    listening = [row for row in rows if row.state == LISTEN]
    any_address = [ipaddress.IPv4Address(0)] if ip.version == 4 else []
    for address in (*_forms(ip), *map(_hex, any_address), _hex(ipaddress.IPv6Address(0))):
        found = [row for row in listening if row.local == f"{address}:{port:04X}"]
        if found:
            return found
    return []


def _peer(rows: Iterable[Row], server: tuple[IP, int], client: tuple[IP, int]) -> list[Row]:
    """The other end of our connection, once a process has accepted it."""
    clients = {_hex(client[0]), *_forms(client[0])}
    return [
        row
        for row in rows
        if row.inode != 0
        and row.state != LISTEN
        and row.local in {f"{address}:{server[1]:04X}" for address in _forms(server[0])}
        and row.remote in {f"{address}:{client[1]:04X}" for address in clients}
    ]


def _forms(ip: IP) -> list[str]:
    """An address as the tables may hold it: an IPv4 address may stand in the table of IPv6."""
    if ip.version == 6:
        return [_hex(ip)]
    return [_hex(ip), _hex(ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + ip.packed))]


def _hex(ip: IP) -> str:
    """Words of 32 bits, each in the machine's own order."""
    raw = ip.packed
    words = (int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, len(raw), 4))
    return "".join(f"{word:08X}" for word in words)
