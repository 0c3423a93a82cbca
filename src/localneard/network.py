"""The connections of a node: every known node is dialled, and a connection that falls silent is cut.

No peer can hold up another: nothing waits for a write, silence for `DEAD_AFTER_S` ends a connection, and
dialling has a deadline and a growing pause. That is TIER2; the connections of TIER1 are made here and handed
over.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

from localneard.addresses import Address, BootNode
from localneard.clock import boottime
from localneard.errors import NodeError
from localneard.handshake import TIER1, TIER2, Identity, shake_hands
from localneard.keys import Key, is_public_key
from localneard.peer import Peer
from localneard.peerbook import Entry, PeerBook
from localneard.tasks import spawn
from localneard.wire import Message, WireError, pack, read

CONNECT_TIMEOUT_S = 3.0
MAX_HANDSHAKE_TIMEOUT_S = 5.0
PING_INTERVAL_S = 2.0
DEAD_AFTER_S = 6.0
SILENT_S = 3.0
_TICK_S = 1.0
_DIAL_INTERVAL_S = 0.25
_MAX_DIALING = 16
_MAX_GREETING = 64
_RATE_TICKS = 10
MAX_DISTANCE = 6
"""In connections: a node that is said to be further off counts as out of reach."""
_MAX_REACH = 200

log = logging.getLogger("network")


class Handler(Protocol):
    """What the network asks of the node, and tells it. A WireError from `on_message` ends the connection."""

    def head_info(self) -> list[Any]:
        """Return height, hash and age in seconds of the head."""

    def own_account(self) -> str | None:
        """Return the account whose key is held."""

    def own_key(self) -> Key | None:
        """Return the validator key in use."""

    def on_message(self, peer: Peer, message: Message) -> None:
        """Handle a message that is not the network's own."""

    def on_connected(self, peer: Peer) -> None:
        """Handle a new TIER2 connection."""

    def on_gone(self, peer: Peer) -> None:
        """Handle the end of one."""

    def on_tier1(self, peer: Peer) -> None:
        """Take over a TIER1 connection that a peer has opened."""

    def on_peers(self) -> None:
        """Handle that a peer came, went, or told its head."""


class Network:
    """All connections of a node."""

    def __init__(
        self,
        identity: Identity,
        book: PeerBook,
        handler: Handler,
        *,
        max_peers: int,
        handshake_timeout_s: float,
    ) -> None:
        """Prepare; nothing is opened yet."""
        self.peers: dict[str, Peer] = {}
        self.max_peers = max_peers
        self._identity = identity
        self._book = book
        self._handler = handler
        self._handshake_timeout_s = min(handshake_timeout_s, MAX_HANDSHAKE_TIMEOUT_S)
        self._dialing: set[str] = set()
        self._greeting = 0
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._gone_sent = self._gone_received = 0
        self._totals: deque[tuple[float, int, int]] = deque(maxlen=_RATE_TICKS + 1)

    async def start(self, address: Address) -> None:
        """Listen, and begin to dial. Raises NodeError if the port cannot be had."""
        try:
            self._server = await asyncio.start_server(self._greet, address.host, address.port)
        except OSError as error:
            raise NodeError(
                f"network.addr {address}: cannot listen: {error.strerror}; is the port taken?"
            ) from None
        self._tasks = [spawn(self._dial_forever()), spawn(self._tick_forever())]

    def stop(self) -> None:
        """Close everything; what was still to be sent goes out before."""
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            self._server.close()
        for peer in list(self.peers.values()):
            peer.finish()

    # ---- sending ----

    def send_all(self, message: Message, *, without: Iterable[Peer] = ()) -> None:
        """Send to every peer but some."""
        left_out = {peer.id for peer in without}
        data = pack(message)
        for peer in list(self.peers.values()):
            if peer.id not in left_out:
                peer.send_bytes(data)

    def ping_all(self) -> None:
        """Tell every peer the head and the account now."""
        for peer in list(self.peers.values()):
            self._ping(peer)

    def next_hop(self, peer_id: str) -> Peer | None:
        """Return the peer through which a node is reached: itself, or the one that is nearest to it."""
        if (direct := self.peers.get(peer_id)) is not None:
            return direct
        near = [peer for peer in self.peers.values() if peer.reach.get(peer_id, MAX_DISTANCE) < MAX_DISTANCE]
        return min(near, key=lambda peer: peer.reach[peer_id], default=None)

    def _reach_for(self, peer: Peer) -> dict[str, int]:
        """Return how far other nodes are from here, without the ways that lead through this peer."""
        reach: dict[str, int] = {}
        for other in self.peers.values():
            if other is peer:
                continue
            for node, distance in other.reach.items():
                if distance + 1 < reach.get(node, MAX_DISTANCE):
                    reach[node] = distance + 1
        reach |= {other.id: 1 for other in self.peers.values() if other is not peer}
        reach.pop(peer.id, None)
        reach.pop(self._identity.key.public_key, None)
        return reach

    # ---- figures ----

    def known_accounts(self) -> list[tuple[str, Peer]]:
        """Return the accounts that peers say to hold a key for."""
        return [(peer.account_id, peer) for peer in self.peers.values() if peer.account_id is not None]

    def bytes_per_second(self) -> tuple[int, int]:
        """Return bytes sent and received per second, over the last ten seconds."""
        if len(self._totals) < 2:
            return 0, 0
        (start, sent, received), (end, sent_now, received_now) = self._totals[0], self._totals[-1]
        span = max(end - start, 0.001)
        return int((sent_now - sent) / span), int((received_now - received) / span)

    # ---- connecting ----

    async def _dial_forever(self) -> None:
        while True:
            for entry in self._book.due():
                if len(self._dialing) >= _MAX_DIALING or len(self.peers) >= self.max_peers:
                    break
                if entry.peer_id not in self.peers and entry.peer_id not in self._dialing:
                    self._dialing.add(entry.peer_id)
                    spawn(self._dial(entry))
            await asyncio.sleep(_DIAL_INTERVAL_S)

    async def _dial(self, entry: Entry) -> None:
        try:
            peer = await self._open(entry.peer_id, entry.address, TIER2)
        finally:
            self._dialing.discard(entry.peer_id)
        if peer is None:
            self._book.failed(entry.peer_id)
        else:
            await self._serve(peer)

    async def dial_tier1(self, node: BootNode) -> Peer | None:
        """Open a TIER1 connection; None if that fails."""
        return await self._open(node.peer_id, node.address, TIER1)

    async def _open(self, peer_id: str, address: Address, tier: int) -> Peer | None:
        writer = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(address.host, address.port)
            return await self._handshake(reader, writer, expected=peer_id, tier=tier)
        except (OSError, asyncio.IncompleteReadError, WireError) as error:
            level = logging.WARNING if isinstance(error, WireError) else logging.DEBUG
            log.log(level, "cannot connect to %s@%s: %s", peer_id, address, error)
            if writer is not None:
                writer.transport.abort()
            return None

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._greeting >= _MAX_GREETING or len(self.peers) >= self.max_peers:
            writer.transport.abort()
            return
        self._greeting += 1
        try:
            peer = await self._handshake(reader, writer, expected=None)
        except (OSError, asyncio.IncompleteReadError, WireError) as error:
            log.log(logging.WARNING if isinstance(error, WireError) else logging.DEBUG, "refused: %s", error)
            writer.transport.abort()
            return
        finally:
            self._greeting -= 1
        if peer.tier == TIER1:
            self._handler.on_tier1(peer)
            return
        # A task of its own: one that the server started would take its faults with it.
        spawn(self._serve(peer))

    async def _handshake(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        expected: str | None,
        tier: int = TIER2,
    ) -> Peer:
        async with asyncio.timeout(self._handshake_timeout_s):
            hello = await shake_hands(
                reader,
                writer,
                self._identity,
                self._handler.head_info(),
                dialing=expected is not None,
                expected=expected,
                tier=tier,
                account=self._handler.own_key(),
            )
        return Peer(hello, reader, writer, dialed=expected is not None)

    def _register(self, peer: Peer) -> bool:
        """Take in a new connection; of two to one node, both sides keep the same one."""
        old = self.peers.get(peer.id)
        if old is not None:
            stale = old.run_id != peer.run_id or boottime() - old.heard_at > SILENT_S
            # The one that the node with the smaller key has dialled stays.
            preferred = peer.dialed == (self._identity.key.public_key < peer.id)
            if not stale and not preferred:
                return False
            self._forget(old)
            old.close()
        self.peers[peer.id] = peer
        self._book.connected(peer.id, peer.listen)
        return True

    async def _serve(self, peer: Peer) -> None:
        if not self._register(peer):
            peer.close()
            return
        log.info("connected with %s@%s", peer.id, peer.remote)
        known = [[peer_id, address.host, address.port] for peer_id, address in self._book.addresses()]
        peer.send({"t": "peers", "list": known})
        if peer.listen is not None:
            news = [[peer.id, peer.listen.host, peer.listen.port]]
            self.send_all({"t": "peers", "list": news}, without=[peer])
        # All, since each now reaches this one through here.
        self.ping_all()
        self._handler.on_connected(peer)
        self._handler.on_peers()
        while True:
            try:
                message, size = await read(peer.reader)
                peer.heard_at = boottime()
                peer.received_bytes += size
                self._dispatch(peer, message)
            except (OSError, asyncio.IncompleteReadError) as error:
                log.debug("lost %s: %s", peer.id, error)
                break
            except WireError as error:
                log.warning("peer %s sent %s; closing the connection", peer.id, error)
                break
        peer.close()
        if self.peers.get(peer.id) is peer:
            self._forget(peer)
            self._book.failed(peer.id)
            log.info("disconnected from %s", peer.id)
            self.ping_all()
            self._handler.on_peers()

    def _forget(self, peer: Peer) -> None:
        del self.peers[peer.id]
        self._handler.on_gone(peer)
        self._gone_sent += peer.sent_bytes
        self._gone_received += peer.received_bytes

    def _dispatch(self, peer: Peer, message: Message) -> None:
        if message["t"] == "ping":
            peer.update_head(message.get("head"))
            account = message.get("account")
            peer.account_id = account if isinstance(account, str) and len(account) <= 64 else None
            peer.reach = _reach(message.get("reach"))
            self._handler.on_peers()
        elif message["t"] == "peers":
            self._hear_of(message.get("list"))
        else:
            self._handler.on_message(peer, message)

    def _hear_of(self, known: Any) -> None:
        try:
            found = [(str(peer_id), Address(str(host), int(port))) for peer_id, host, port in known]
        except (TypeError, ValueError):
            raise WireError("a list of peers that makes no sense") from None
        self._book.hear(
            (peer_id, address)
            for peer_id, address in found
            if is_public_key(peer_id) and 0 < address.port < 65536 and len(address.host) <= 255
        )

    # ---- keeping connections alive ----

    def _ping(self, peer: Peer) -> None:
        peer.pinged_at = boottime()
        peer.send(
            {
                "t": "ping",
                "head": self._handler.head_info(),
                "account": self._handler.own_account(),
                "reach": self._reach_for(peer),
            }
        )

    async def _tick_forever(self) -> None:
        last = boottime()
        while True:
            await asyncio.sleep(_TICK_S)
            now = boottime()
            # Frozen ourselves: what the peers have sent meanwhile is still to be read.
            frozen, last = now - last > 2 * _TICK_S, now
            for peer in list(self.peers.values()):
                if now - peer.heard_at > DEAD_AFTER_S and not frozen:
                    log.info("peer %s is silent; closing the connection", peer.id)
                    peer.close()
                elif now - peer.pinged_at >= PING_INTERVAL_S - 0.1:
                    self._ping(peer)
            sent = self._gone_sent + sum(peer.sent_bytes for peer in self.peers.values())
            received = self._gone_received + sum(peer.received_bytes for peer in self.peers.values())
            self._totals.append((now, sent, received))


def _reach(value: Any) -> dict[str, int]:
    """Return the distances that a peer has told. Raises WireError if they make no sense."""
    if not isinstance(value, dict) or len(value) > _MAX_REACH:
        raise WireError("distances that make no sense")
    if not all(type(distance) is int and distance > 0 for distance in value.values()):
        raise WireError("distances that make no sense")
    return value
