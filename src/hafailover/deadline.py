"""One deadline for a whole HTTP exchange: connecting, the head, and a body that comes drop by drop.

A socket's timeout bounds one operation; a server that sends a byte now and then can make a call as long as it
likes. The sockets here look at the deadline of the call before all that they do.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from hafailover.clock import boottime

_call = threading.local()


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Within it, all that this thread's connections send and read ends ``seconds`` from now at the latest.

    One within another ends no later than that: calls can be bounded one by one, and together.
    """
    outer: float | None = getattr(_call, "end", None)
    end = boottime() + seconds
    _call.end = end if outer is None else min(end, outer)
    try:
        yield
    finally:
        _call.end = outer


def _left() -> float | None:
    end = getattr(_call, "end", None)
    if end is None:
        return None
    left = float(end - boottime())
    if left <= 0:
        raise TimeoutError("the answer did not end in time")
    return left


def _bound(sock: socket.socket) -> None:
    """The next operation has what is left of the call's time."""
    if (left := _left()) is not None:
        sock.settimeout(left)


class _Socket(socket.socket):
    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _bound(self)
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        _bound(self)
        super().sendall(*args, **kwargs)


class TlsSocket(ssl.SSLSocket):
    """For a context whose connections are used within :func:`deadline`."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _bound(self)
        return super().recv_into(*args, **kwargs)

    # ``sendall`` calls it for each part of what is long.
    def send(self, *args: Any, **kwargs: Any) -> int:
        _bound(self)
        return super().send(*args, **kwargs)


def open_socket(host: str, port: int) -> socket.socket:
    """A connection within :func:`deadline`, which all the addresses of ``host`` share.

    :raises OSError: nobody answers there in time.
    """
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    failure = OSError(f"{host} has no address")
    for number, (family, kind, protocol, _, address) in enumerate(found):
        made = _Socket(family, kind, protocol)
        try:
            left = _left()
            made.settimeout(None if left is None else left / (len(found) - number))
            made.connect(address)
            made.settimeout(_left())
            # What is short goes at once.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failure


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        plain = super()._new_conn()
        timeout = plain.gettimeout()
        bounded = _Socket(fileno=plain.detach())
        bounded.settimeout(timeout)
        return bounded


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = HTTPSConnection


def plain_pool(host: str, port: int) -> urllib3.HTTPConnectionPool:
    """Connections without TLS alone: an adapter makes a context for it, which takes longer than many calls.

    :raises ValueError: ``host`` cannot be one.
    """
    return _Pool(host, port, maxsize=1)


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """For a requests session whose calls are made within :func:`deadline`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = TlsSocket
        super().init_poolmanager(*args, **kwargs, ssl_context=context)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
