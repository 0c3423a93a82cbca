"""One connection to another node, after the handshake."""

import asyncio
import logging
from collections import OrderedDict
from typing import Any

from localneard.addresses import Address
from localneard.clock import boottime
from localneard.handshake import PeerHello
from localneard.wire import Message, WireError, age, pack

# More than this waiting to be sent means that the peer no longer reads.
MAX_UNSENT_BYTES = 8 << 20
_HASHES_KNOWN = 64
_TEXT_LIMIT = 128

log = logging.getLogger("network")


class Peer:
    """A connected node. `account_id` is whose validator key it says to hold."""

    def __init__(
        self, hello: PeerHello, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, dialed: bool
    ) -> None:
        """Take over a connection."""
        self.id = hello.peer_id
        self.run_id = hello.run_id
        self.listen = hello.listen
        self.tier = hello.tier
        self.account_key = hello.account_key
        """The validator key that the peer has proved to hold; over TIER1 alone."""
        self.dialed = dialed
        self.since = boottime()
        self.reach: dict[str, int] = {}
        """How many connections away the peer says that other nodes are."""
        self.reader = reader
        self.account_id: str | None = None
        self.height = 0
        """Of the highest block that the peer has told of."""
        self.heard_at = boottime()
        self.pinged_at = 0.0
        self.sent_bytes = 0
        self.received_bytes = 0
        self._writer = writer
        self._known: OrderedDict[str, None] = OrderedDict()
        self.update_head(hello.head)

    @property
    def remote(self) -> Address:
        """Where the connection comes from or goes to."""
        name = self._writer.get_extra_info("peername") or ("unknown", 0)
        return Address(str(name[0]), int(name[1]))

    def send(self, message: Message) -> None:
        """Send without waiting."""
        self.send_bytes(pack(message))

    def send_bytes(self, data: bytes) -> None:
        """Send a packed message without waiting; a peer that has not read for too long is cut off."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            log.info("peer %s does not read; closing the connection", self.id)
            self.close()
            return
        self.sent_bytes += len(data)
        self._writer.write(data)

    def close(self) -> None:
        """Cut the connection at once, whatever was still to be sent."""
        self._writer.transport.abort()

    def finish(self) -> None:
        """Close the connection after what was still to be sent."""
        self._writer.close()

    def knows(self, block_hash: str) -> bool:
        """Say whether the peer has told or was told of a block."""
        return block_hash in self._known

    def note_known(self, block_hash: str) -> None:
        """Keep in mind that the peer has a block."""
        self._known[block_hash] = None
        if len(self._known) > _HASHES_KNOWN:
            self._known.popitem(last=False)

    def update_head(self, value: Any) -> None:
        """Take in the head that the peer has told. Raises WireError if it is none."""
        if not (
            isinstance(value, list)
            and len(value) == 3
            and isinstance(value[0], int)
            and 0 <= value[0] < 1 << 63
            and isinstance(value[1], str)
            and len(value[1]) <= _TEXT_LIMIT
        ):
            raise WireError("a head that makes no sense")
        age(value[2])
        self.raise_head(value[0], value[1])

    def raise_head(self, height: int, block_hash: str) -> None:
        """Take in a block that the peer has; its head never goes back."""
        self.note_known(block_hash)
        self.height = max(self.height, height)
