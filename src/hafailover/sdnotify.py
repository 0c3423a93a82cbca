"""Tells systemd that a service is ready and alive. Nothing happens where systemd did not start it."""

from __future__ import annotations

import os
import socket
import threading

ANNOUNCE_S = 10.0


def notify(message: str, wait_s: float = 0) -> bool:
    """Sends ``WATCHDOG=1``, ``STATUS=...`` to the socket that systemd named, if it named one.

    :param wait_s: how long to wait for a systemd that does not read; with 0 the message is lost instead.
    :returns: whether it was sent.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(wait_s)
            sock.sendto(message.encode(), address)
    except OSError:
        return False
    return True


def announce(message: str) -> None:
    """Sends what must not be lost, such as ``READY=1``, and never waits: a thread does where it must."""
    if not notify(message) and os.environ.get("NOTIFY_SOCKET"):
        threading.Thread(target=notify, args=(message, ANNOUNCE_S), name="announce", daemon=True).start()


def watchdog_limit_s() -> float | None:
    """How long systemd waits for a sign of life, in seconds; ``None`` if it does not wait for any."""
    limit = os.environ.get("WATCHDOG_USEC", "")
    owner = os.environ.get("WATCHDOG_PID", "")
    if not (limit.isascii() and limit.isdigit()) or int(limit) == 0 or (owner and owner != str(os.getpid())):
        return None
    return int(limit) / 1e6


def watchdog_interval_s() -> float | None:
    """How often to send ``WATCHDOG=1``: half of systemd's limit, in seconds; ``None`` if it sets none."""
    limit = watchdog_limit_s()
    return limit / 2 if limit is not None else None
