"""A loopback server that answers every request with the bytes of the present example, and hangs up."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ..unit.near.servers import Peer, Server

DRIP_S = 0.02
DRIP_PIECES = 250
"""Five seconds in all, far more than any deadline here."""


class Answering:
    """Serves within its ``with`` block, on a port of its own."""

    def __init__(self) -> None:
        self._server = Server(self._handle)
        self.host = self._server.host
        self.port = self._server.port
        self.data = b""
        self.dripping = False
        """The answer comes byte by byte, its last one again and again; an empty one never comes."""
        self.request = b""
        """The last request that was read."""

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def says(self, data: bytes, *, dripping: bool = False) -> None:
        self.data, self.dripping = data, dripping

    def _handle(self, peer: Peer) -> None:
        data, self.request = self.data, peer.request
        if not self.dripping:
            peer.send(data)
            return
        for number in range(DRIP_PIECES):
            if self.data is not data or peer.stopped:
                return
            if data:
                peer.send(data[number : number + 1] or data[-1:])
            peer.wait(DRIP_S)
