"""TIER1: connections between validators that carry their mail alone (network_state/tier1.rs in neard).

A connection is made with both validator keys. There is at most one for each node, and at most one for each
key: a second one is refused while the first stands. And nothing asks whether the other side is still there. A
peer whose process ends closes it, or its kernel does; one whose machine vanishes leaves it standing until TCP
gives up, some 15 minutes later, and all that is sent to its key meanwhile goes nowhere.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterable

from localneard.accounts import Accounts
from localneard.addresses import BootNode
from localneard.clock import boottime
from localneard.config import Tier1Config
from localneard.keys import Key
from localneard.log import fields
from localneard.peer import Peer
from localneard.tasks import spawn
from localneard.wire import Message, WireError, read

# Two nodes that dial each other at once must keep the same one of both connections.
_AT_ONCE_S = 3.0

log = logging.getLogger("network")

Dial = Callable[[BootNode], Awaitable[Peer | None]]


class Tier1:
    """The TIER1 connections of a node."""

    def __init__(
        self,
        config: Tier1Config,
        own_id: str,
        public_addrs: Collection[BootNode],
        accounts: Accounts,
        own_key: Callable[[], Key | None],
        dial: Dial,
        on_mail: Callable[[Peer, Message], None],
    ) -> None:
        """Prepare; `own_key` gives the validator key in use, `dial` opens a connection or returns None."""
        self._config = config
        self._own_id = own_id
        self._public = public_addrs
        self._accounts = accounts
        self._own_key = own_key
        self._dial = dial
        self._on_mail = on_mail
        self.by_peer: dict[str, Peer] = {}
        self.by_account: dict[str, Peer] = {}
        self.refused_accounts = 0

    def stop(self) -> None:
        """Close all."""
        for peer in list(self.by_peer.values()):
            peer.finish()

    def link_for(self, account_key: str) -> Peer | None:
        """Return the connection for what is sent to a key: its own holder's, else a proxy's."""
        if (direct := self.by_account.get(account_key)) is not None:
            return direct
        record = self._accounts.records.get(account_key)
        proxies = () if record is None else record.proxies
        return next((self.by_peer[one.peer_id] for one in proxies if one.peer_id in self.by_peer), None)

    async def serve(self, peer: Peer) -> None:
        """Take in a connection after its handshake, and stay until it ends."""
        if not self._register(peer):
            peer.close()
            return
        log.info("TIER1 %s", fields(peer=peer.id, account_key=peer.account_key or "", outbound=peer.dialed))
        while True:
            try:
                message, size = await read(peer.reader)
                peer.received_bytes += size
                if message["t"] != "routed":
                    raise WireError("what is no mail over TIER1")
                self._on_mail(peer, message)
            except (OSError, asyncio.IncompleteReadError) as error:
                log.debug("lost TIER1 %s: %s", peer.id, error)
                break
            except WireError as error:
                log.warning("TIER1 peer %s sent %s; closing the connection", peer.id, error)
                break
        peer.close()
        self._forget(peer)

    async def connect_proxies(self) -> tuple[BootNode, ...]:
        """Connect with the nodes that `public_addrs` names; returns those that can pass mail on."""
        others = [one for one in self._public if one.peer_id not in (self._own_id, *self.by_peer)]
        await asyncio.gather(*(self._open(one) for one in others))
        return tuple(
            one
            for one in self._public
            if one.peer_id in self.by_peer or (one.peer_id == self._own_id and self._config.enable_inbound)
        )

    async def connect(self) -> None:
        """Close what is no longer needed, and connect with the proxies of other validators."""
        if not self._config.enable_outbound:
            return
        key = self._own_key()
        safe = self._needed(key)
        kept = set(safe.values())
        if key is not None:
            kept |= {one.peer_id for one in self._public}
        for peer in list(self.by_peer.values()):
            if peer.id not in kept:
                peer.finish()
                self._forget(peer)
        if key is None:
            return
        wanted: list[BootNode] = []
        for record in self._accounts.records.values():
            proxies = [one for one in record.proxies if one.peer_id not in (self._own_id, *self.by_peer)]
            if record.account_key != key.public_key and record.account_key not in safe and proxies:
                wanted.append(random.choice(proxies))  # noqa: S311 - no secret
        random.shuffle(wanted)
        unique = {one.peer_id: one for one in wanted}
        first: Iterable[BootNode] = list(unique.values())[: self._config.new_connections_per_attempt]
        await asyncio.gather(*(self._open(one) for one in first))

    def _needed(self, key: Key | None) -> dict[str, str]:
        """Return the node through which each validator key is reached, of the connections that stand."""
        safe: dict[str, str] = {}
        if key is not None:
            for peer in sorted(self.by_peer.values(), key=lambda one: one.since, reverse=True):
                for record in self._accounts.records.values():
                    if peer.dialed and any(one.peer_id == peer.id for one in record.proxies):
                        safe[record.account_key] = peer.id
        for account_key, peer in self.by_account.items():
            if key is not None or not peer.dialed:
                safe[account_key] = peer.id
        return safe

    async def _open(self, node: BootNode) -> None:
        peer = await self._dial(node)
        if peer is not None:
            spawn(self.serve(peer))
            # So that it is registered when this returns.
            await asyncio.sleep(0)

    def _register(self, peer: Peer) -> bool:
        if not peer.dialed and not self._config.enable_inbound:
            return False
        old = self.by_peer.get(peer.id)
        if old is not None:
            at_once = boottime() - old.since < _AT_ONCE_S and old.dialed != peer.dialed
            # The one that the node with the smaller key has dialled stays.
            if not at_once or peer.dialed != (self._own_id < peer.id):
                return False
            old.close()
            self._forget(old)
        if peer.account_key is not None:
            if peer.account_key in self.by_account:
                self.refused_accounts += 1
                shown = fields(account_key=peer.account_key, peer=peer.id)
                log.info("TIER1 AlreadyConnectedAccount %s", shown)
                return False
            self.by_account[peer.account_key] = peer
        self.by_peer[peer.id] = peer
        return True

    def _forget(self, peer: Peer) -> None:
        if self.by_peer.get(peer.id) is peer:
            del self.by_peer[peer.id]
        if peer.account_key is not None and self.by_account.get(peer.account_key) is peer:
            del self.by_account[peer.account_key]
