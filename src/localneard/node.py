"""A node: its chain, its peers, its key, and what passes between them."""

import asyncio
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localneard.accounts import AccountRecord, Accounts
from localneard.block import Block
from localneard.chain import Accepted, Chain, Verdict
from localneard.clock import boottime, wall_ns
from localneard.config import Config
from localneard.duties import Duties
from localneard.evidence import DoubleSigns, KeyEvents
from localneard.genesis import Genesis
from localneard.gossip import Gossip, accounts_message
from localneard.handshake import Identity
from localneard.keys import Key
from localneard.log import fields
from localneard.network import Network
from localneard.peer import Peer
from localneard.peerbook import PeerBook
from localneard.reload import SIGNER_FIELD, Reloader, Updatable
from localneard.routing import Router
from localneard.settings import POLL_INTERVAL_S, LiveSettings
from localneard.signer import Signer
from localneard.store import Store
from localneard.summary import Summary
from localneard.sync import Sync, answer_sync
from localneard.tasks import panic, spawn
from localneard.tier1 import Tier1
from localneard.wire import Message, WireError, age

# A block that was told of may come by itself from elsewhere; after this it is asked for.
ASK_AFTER_S = 0.05
_NEAR_HEAD_BLOCKS = 50

log = logging.getLogger("client")


@dataclass(frozen=True)
class Files:
    """What a home holds, read and checked. `config` is with what the command line puts in place of it."""

    home: Path
    config: Config
    config_as_read: Config
    genesis: Genesis
    node_key: Key
    updatable: Updatable


class Node:
    """Everything that runs in one process, for one event loop."""

    def __init__(self, files: Files, settings: LiveSettings, store: Store, folder: Path) -> None:
        """Put the parts together; needs a running event loop. Nothing is opened to the network yet."""
        self.files = files
        self.config = files.config
        self.settings = settings
        self.started = boottime()
        self.chain = Chain(files.genesis, store)
        self.double_signs = DoubleSigns(folder)
        self.signer = Signer(KeyEvents(folder))
        self.reloader = Reloader(files.home, files.updatable, self._apply)
        self.stop_reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        network = files.config.network
        public = [one.address for one in network.public_addrs if one.peer_id == files.node_key.public_key]
        listen = public[0] if public else network.addr
        identity = Identity(
            files.node_key, files.genesis.chain_id, files.genesis.hash, listen, os.urandom(16).hex()
        )
        self.network = Network(
            identity,
            PeerBook(folder, files.node_key.public_key, network.boot_nodes),
            self,
            max_peers=network.max_num_peers,
            handshake_timeout_s=network.handshake_timeout_s,
        )
        self.sync = Sync(
            self.chain, self.network, files.config, settings, self._receive_synced, self._on_change
        )
        own_id = files.node_key.public_key
        self.accounts = Accounts(one.public_key for one in files.genesis.validators)
        self._gossip = Gossip(lambda: settings.now.gossip_per_s)
        self.tier1 = Tier1(
            network.tier1,
            own_id,
            network.public_addrs,
            self.accounts,
            self.own_key,
            self.network.dial_tier1,
            lambda peer, message: self.router.receive(peer, message, tier1=True),
        )
        self.duties = Duties(
            self.chain,
            self.signer,
            self.sync,
            settings,
            files.config.consensus,
            self.double_signs,
            self._publish,
            self.network.send_all,
        )
        self.producer = self.duties.producer
        self.router = Router(
            own_id, self.network, self.tier1, self.accounts, self._own_public_key, self.duties.deliver
        )
        self._advertising = asyncio.Lock()
        self.summary = Summary(self)
        self._expected_shutdown = files.config.expected_shutdown
        self._pending_drop: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._eaten: list[bytearray] = []

    async def start(self) -> None:
        """Take the key, open the network and begin. Raises NodeError."""
        self.signer.on_change = self._on_key
        self.settings.on_change = self.duties.refresh
        self._check_tracked_shards(self.files.updatable.key)
        self.signer.set(self.files.updatable.key, "start")
        await self.network.start(self.config.network.addr)
        self.duties.start(self.router)
        self._tasks = [
            spawn(self.sync.run()),
            spawn(self._poll_settings()),
            spawn(self.summary.run()),
            spawn(self._connect_tier1_forever()),
            spawn(self._advertise_forever()),
        ]
        self.sync.wake()
        self._on_change()

    def stop(self) -> None:
        """Sign no more and leave the network."""
        self.duties.stop()
        if self._pending_drop is not None:
            self._pending_drop.cancel()
        self.signer.on_change = self.settings.on_change = lambda: None
        self.signer.set(None, "exit")
        self.tier1.stop()
        self.network.stop()
        for task in self._tasks:
            task.cancel()

    def reload(self) -> None:
        """Do what SIGHUP asks for."""
        if self.settings.lose_sighup():
            return
        self.reloader.reload(refuse=self.settings.now.refuse_reload)

    @property
    def validates(self) -> bool:
        """Whether the key's account has a seat in the head's epoch, with this very key."""
        key = self.signer.key
        return key is not None and self.chain.head_epoch.has(key.account_id, key.public_key)

    # ---- what the network asks ----

    def head_info(self) -> list[Any]:
        """Return height, hash and age of the head."""
        return [self.chain.head.height, self.chain.head.hash, self._head_age()]

    def own_account(self) -> str | None:
        """Return the account whose key is held."""
        return None if self.signer.key is None else self.signer.key.account_id

    def own_key(self) -> Key | None:
        """Return the validator key in use."""
        return self.signer.key

    def _own_public_key(self) -> str | None:
        return None if self.signer.key is None else self.signer.key.public_key

    def on_connected(self, peer: Peer) -> None:
        """Tell a new peer all that is known of validators' nodes: that is not held back."""
        if self.accounts.records:
            peer.send(accounts_message(self.accounts.records.values()))

    def on_gone(self, peer: Peer) -> None:
        """Forget what was to be told to a peer."""
        self._gossip.forget(peer)

    def on_tier1(self, peer: Peer) -> None:
        """Take over a TIER1 connection that a peer has opened."""
        spawn(self.tier1.serve(peer))

    def on_peers(self) -> None:
        """Look whether a peer is ahead."""
        if self.sync.syncing or self.sync.highest_known > self.chain.head.height:
            self.sync.wake()

    def on_message(self, peer: Peer, message: Message) -> None:
        """Handle a message. Raises WireError if it makes no sense."""
        kind = message["t"]
        if kind == "block":
            self._on_block(peer, message)
        elif kind == "have":
            self._on_have(peer, message)
        elif kind == "get":
            block = self.chain.block(str(message.get("hash")))
            if block is not None:
                peer.send(self._block_message(block))
        elif kind == "sync":
            peer.send(answer_sync(self.chain, message, self._head_age()))
        elif kind == "chain":
            self.sync.answered(peer, message)
        elif kind == "routed":
            self.router.receive(peer, message, tier1=False)
        elif kind == "accounts":
            self._on_accounts(peer, message)
        elif kind == "chunks":
            self.duties.on_evidence(message)

    def _on_block(self, peer: Peer, message: Message) -> None:
        produced_at = boottime() - age(message.get("age"))
        try:
            block = Block.from_wire(message.get("block"))
        except ValueError as error:
            raise WireError(str(error)) from None
        # The rest of its way: nothing of it is known here until it has come.
        latency = self.settings.now.link_latency_s
        asyncio.get_running_loop().call_later(latency, self._arrive, peer, block, produced_at)

    def _arrive(self, peer: Peer, block: Block, produced_at: float) -> None:
        peer.raise_head(block.height, block.hash)
        self._receive(block, boottime() - produced_at, peer)
        self.on_peers()

    def _on_have(self, peer: Peer, message: Message) -> None:
        height, block_hash = message.get("height"), message.get("hash")
        if not isinstance(height, int) or not isinstance(block_hash, str) or len(block_hash) > 64:
            raise WireError("a have without height and hash")
        peer.raise_head(height, block_hash)
        if self.chain.block(block_hash) is None and abs(height - self.chain.head.height) <= _NEAR_HEAD_BLOCKS:
            asyncio.get_running_loop().call_later(ASK_AFTER_S, self._ask_for, peer, block_hash)
        self.on_peers()

    def _ask_for(self, peer: Peer, block_hash: str) -> None:
        if self.chain.block(block_hash) is None:
            peer.send({"t": "get", "hash": block_hash})

    # ---- validators' nodes ----

    def _on_accounts(self, peer: Peer, message: Message) -> None:
        records = message.get("list")
        if not isinstance(records, list) or len(records) > len(self.files.genesis.validators):
            raise WireError("records of accounts that make no sense")
        try:
            for one in records:
                told = AccountRecord.from_wire(one)
                news = self.accounts.insert(told, wall_ns())
                if news is not None:
                    # Who has told it need not hear it again, unless it is contradicted.
                    self._pass_on(news, [peer] if news is told else [])
        except ValueError as error:
            raise WireError(str(error)) from None
        self.duties.on_accounts()

    def _pass_on(self, record: AccountRecord, without: list[Peer]) -> None:
        for one in list(self.network.peers.values()):
            if one not in without:
                self._gossip.offer(one, record)

    async def _advertise(self) -> None:
        """Say that the key is here: to the peers at once, to others as they pass it on."""
        async with self._advertising:
            key = self.signer.key
            if key is None:
                return
            proxies = await self.tier1.connect_proxies()
            if self.signer.key != key:
                return
            record = self.accounts.set_local(key, self.files.node_key.public_key, proxies, wall_ns())
            if record is not None:
                self.network.send_all(accounts_message([record]))
                self.duties.on_accounts()

    async def _advertise_forever(self) -> None:
        while True:
            await self._advertise()
            await asyncio.sleep(max(1.0, self.config.network.tier1.advertise_proxies_interval_s))

    async def _connect_tier1_forever(self) -> None:
        while True:
            await self.tier1.connect()
            await asyncio.sleep(max(0.1, self.config.network.tier1.connect_interval_s))

    # ---- blocks ----

    def _receive_synced(self, block: Block, age_s: float, peer: Peer) -> Verdict:
        return self._receive(block, age_s, peer, relay=False)

    def _receive(self, block: Block, age_s: float, peer: Peer, *, relay: bool = True) -> Verdict:
        accepted = self.chain.accept(block, age_s)
        if accepted.conflicts:
            self._note_conflicts(block, accepted)
            # Nobody takes a second block for the chain, so it would not spread as the first does.
            self.network.send_all(self._block_message(block), without=[peer])
        elif accepted.verdict in (Verdict.HEAD, Verdict.SIDE) and relay:
            knowing = [one for one in self.network.peers.values() if one.knows(block.hash)]
            self.network.send_all(
                {"t": "have", "height": block.height, "hash": block.hash}, without=[peer, *knowing]
            )
        if accepted.verdict is Verdict.INVALID:
            log.warning("invalid block %s", fields(height=block.height, peer=peer.id, reason=accepted.reason))
        elif accepted.verdict is Verdict.HEAD:
            self._on_head()
        return accepted.verdict

    def _note_conflicts(self, block: Block, accepted: Accepted) -> None:
        hashes = [*accepted.conflicts, block.hash]
        self.double_signs.record(block.height, block.author, block.public_key, hashes)

    def _publish(self, block: Block, accepted: Accepted) -> None:
        if accepted.conflicts:
            self._note_conflicts(block, accepted)
        for peer in self.network.peers.values():
            peer.note_known(block.hash)
        self.network.send_all(self._block_message(block))
        self._on_head()

    def _on_head(self) -> None:
        self.duties.on_head()
        shutdown = self._expected_shutdown
        if shutdown is not None and self.chain.head.height >= shutdown and not self.stop_reason.done():
            log.info("expected shutdown %s", fields(head=self.chain.head.height, expected_shutdown=shutdown))
            self.stop_reason.set_result("ClientActor died")

    def _block_message(self, block: Block) -> Message:
        behind = max(0, self.chain.head.timestamp - block.timestamp) / 1e9
        return {"t": "block", "block": block.to_wire(), "age": self._head_age() + behind}

    def _head_age(self) -> float:
        return round(max(0.0, boottime() - self.chain.head_since), 6)

    # ---- the key and the settings ----

    def _apply(self, new: Updatable) -> None:
        """Apply what a reload has read; a drop may have been told to take its time."""
        if self._pending_drop is not None:
            self._pending_drop.cancel()
            self._pending_drop = None
        self._expected_shutdown = new.values["expected_shutdown"]
        delay = self.settings.now.drop_delay_s
        if new.key is None and self.signer.key is not None and delay > 0:
            self._pending_drop = asyncio.get_running_loop().call_later(delay, self._take_key, None)
        else:
            self._take_key(new.key)

    def _take_key(self, key: Key | None) -> None:
        self._check_tracked_shards(key)
        self.signer.set(key, "reload")
        logging.getLogger("near_client").info("updated validator key %s", fields(field_name=SIGNER_FIELD))

    def _check_tracked_shards(self, key: Key | None) -> None:
        """Do as neard: on the public networks a validator that tracks all shards is a fatal mistake."""
        all_shards = self.config.tracked_shards_config == "AllShards"
        if key is None or not all_shards or not self.files.genesis.is_public_network:
            return
        if self.chain.head_epoch.seat(key.account_id) is not None:
            panic(
                f"validator {key.account_id} of {self.files.genesis.chain_id} tracks all shards; "
                "set tracked_shards_config to NoShards or ShadowValidator in config.json"
            )
        log.warning("tracked_shards_config is AllShards, which a validator of this network must not have")

    def _on_key(self) -> None:
        self.duties.on_key()
        if self.signer.key is not None and self._tasks:
            spawn(self._advertise())
        self._on_change()

    def _on_change(self) -> None:
        self.duties.refresh()
        self.network.ping_all()

    async def _poll_settings(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            self.settings.refresh()
            if self.settings.now.eat_mib:
                # Zeroes are not written before they are needed, which is what makes a page count.
                self._eaten.append(bytearray(b"x") * (self.settings.now.eat_mib << 20))
