"""The way to Consul: whether another can listen or answer there, and when the certificate ends."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass

from hafailover.lock.client import Address
from hafailover.lock.listener import StrangerError, check_listener, user_name

DEADLINE_S = 2.0


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """``user``: whose listener it is, on loopback; ``days_left``: of the certificate, with TLS."""

    tls: bool
    where: str
    loopback: bool = False
    user: str | None = None
    stranger: str | None = None
    """Why nothing is sent there."""
    days_left: float | None = None


def look_at_link(address: Address) -> LinkFacts | None:
    """``None`` where nobody answers, or TLS fails, which the calls to Consul say better."""
    where = f"{address.host}:{address.port}"
    tls = address.scheme == "https"
    try:
        with socket.create_connection((address.host, address.port), DEADLINE_S) as made:
            if tls:
                return LinkFacts(True, where, days_left=_days_left(address, made))
            loopback = ipaddress.ip_address(made.getpeername()[0].partition("%")[0]).is_loopback
            uid = check_listener(made, address.users)
            return LinkFacts(False, where, loopback, user_name(uid) if uid is not None else None)
    except StrangerError as error:
        return LinkFacts(False, where, True, stranger=str(error))
    except (OSError, ValueError):
        return None


def _days_left(address: Address, made: socket.socket) -> float | None:
    context = ssl.create_default_context(cafile=address.ca_file)
    if address.cert_file is not None:
        context.load_cert_chain(address.cert_file, address.key_file)
    with context.wrap_socket(made, server_hostname=address.host) as wrapped:
        certificate = wrapped.getpeercert() or {}
    end = certificate.get("notAfter")
    return (ssl.cert_time_to_seconds(end) - time.time()) / 86400 if isinstance(end, str) else None
