"""Tells systemd that a service is ready and alive. Nothing happens where systemd did not start it."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(message: str) -> None:
    """Sends ``READY=1``, ``WATCHDOG=1``, ``STATUS=...`` to the socket that systemd named, if it named one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.sendto(message.encode(), address)


def watchdog_interval_s() -> float | None:
    """How often to send ``WATCHDOG=1``: half of systemd's limit, in seconds; ``None`` if it sets none."""
    limit = os.environ.get("WATCHDOG_USEC", "")
    owner = os.environ.get("WATCHDOG_PID", "")
    if not limit.isdigit() or (owner and owner != str(os.getpid())):
        return None
    return int(limit) / 1e6 / 2
