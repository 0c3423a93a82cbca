"""What a validator does at each head: it approves, makes its chunk, endorses the others', and produces.

All of it goes by mail to the accounts concerned, see `routing`. Mail that comes while no key is held is
swallowed.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from localneard.approvals import FROZEN_S, Approval, Approver, Votes
from localneard.block import Block
from localneard.chain import Accepted, Chain
from localneard.chunks import PRODUCERS_TOLD, Chunk, Endorsement, Pool
from localneard.clock import boottime
from localneard.config import ConsensusConfig
from localneard.evidence import DoubleSigns
from localneard.keys import Key
from localneard.producer import Producer
from localneard.routing import Body
from localneard.schedule import Epoch
from localneard.settings import LiveSettings
from localneard.signer import Signer
from localneard.sync import Sync
from localneard.wire import Message, WireError

if TYPE_CHECKING:
    from localneard.routing import Router

_CHUNKS_SEEN = 256

log = logging.getLogger("client")


class Duties:
    """The duties of one node, whether it holds a key or not."""

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        sync: Sync,
        settings: LiveSettings,
        consensus: ConsensusConfig,
        double_signs: DoubleSigns,
        publish: Callable[[Block, Accepted], None],
        tell_all: Callable[[Message], None],
    ) -> None:
        """Prepare; `publish` is given each block produced, `tell_all` sends a message to every peer."""
        self._chain = chain
        self._signer = signer
        self._sync = sync
        self._settings = settings
        self._double_signs = double_signs
        self._tell_all = tell_all
        self._router: Router | None = None
        self._votes = Votes()
        self._pool = Pool()
        self._approver = Approver(chain, consensus, lambda: sync.syncing, self._approve)
        self.producer = Producer(
            chain, signer, sync, settings, consensus, self._votes, self._pool, self._approver, publish
        )
        self._chunk_after_s = consensus.min_block_production_delay_s / 2
        self._chunk_timer: asyncio.TimerHandle | None = None
        # What a start finds on disk may have been worked on before.
        self._chunk_parent = chain.head.hash if chain.head == chain.genesis_block else ""
        self._key_since = 0.0
        self._endorsed = ""
        self._unsent: tuple[str, str, Body] | None = None
        self._seen: OrderedDict[tuple[int, str], Chunk] = OrderedDict()
        self.chunks_made = 0

    def start(self, router: "Router") -> None:
        """Begin, with the routes to others."""
        self._router = router
        self.refresh()

    def stop(self) -> None:
        """Do nothing more."""
        self.producer.stop()
        self._approver.stop()
        if self._chunk_timer is not None:
            self._chunk_timer.cancel()
        self._router = None

    def on_head(self) -> None:
        """Begin with a new head."""
        head = self._chain.head
        self._votes.forget_below(head.height)
        self._chunk_parent = head.hash
        self.refresh()
        for chunk in self._pool.chunks_on(head.hash):
            self._endorse(chunk)

    def on_key(self) -> None:
        """Go on with another key, or none."""
        # What the key's last holder signed before it gave the key up is still on its way.
        self._key_since = boottime() + 2 * self._settings.now.link_latency_s
        self.producer.wait(2 * self._settings.now.link_latency_s)
        self.refresh()

    def on_accounts(self) -> None:
        """Try again what could not be sent because nobody had told where that validator is."""
        if self._unsent is None or self._router is None:
            return
        parent, account_key, body = self._unsent
        if parent != self._chain.head.hash or self._router.send(account_key, body):
            self._unsent = None

    def refresh(self) -> None:
        """Set all timers anew, after a change of head, key, sync status or settings."""
        if self._router is None:
            return
        self._approver.refresh()
        self._schedule_chunk()
        self.producer.reschedule()

    # ---- mail ----

    def deliver(self, body: Body, own: bool) -> None:
        """Take in mail, from others after the rest of its way."""
        latency = 0.0 if own else self._settings.now.link_latency_s
        asyncio.get_running_loop().call_later(latency, self._take, body)

    def _take(self, body: Body) -> None:
        try:
            kind = body.get("k")
            if kind == "approval":
                self._on_approval(Approval.from_wire(body))
            elif kind == "chunk":
                self._on_chunk(Chunk.from_wire(body))
            elif kind == "endorsement":
                self._on_endorsement(Endorsement.from_wire(body))
        except ValueError as error:
            # Whoever passed it on need not have made it.
            log.warning("mail that is refused: %s", error)

    def _on_approval(self, approval: Approval) -> None:
        head = self._chain.head
        if self._signer.key is not None and self._votes.add(approval, head.height, boottime()):
            self.producer.reschedule()

    def _on_chunk(self, chunk: Chunk) -> None:
        self._compare(chunk)
        if self._signer.key is None or not self._pool.add_chunk(chunk):
            return
        self._endorse(chunk)
        self.producer.reschedule()

    def _on_endorsement(self, endorsement: Endorsement) -> None:
        if self._signer.key is not None and self._pool.add_endorsement(endorsement):
            self.producer.reschedule()

    # ---- what is sent ----

    def _seat(self, on: Block) -> tuple[Key, Epoch] | None:
        """Return the key and the epoch of what builds on a block, if the key has a seat there."""
        key = self._signer.key
        epoch = self._chain.following(on).epoch
        if key is None or self._router is None or not epoch.has(key.account_id, key.public_key):
            return None
        return key, epoch

    def _approve(self, head: Block, target: int) -> None:
        self._unsent = None
        if (seat := self._seat(head)) is None or self._router is None:
            return
        key, epoch = seat
        body = Approval.make(head.hash, target, key).to_wire()
        producer = epoch.producer(target).public_key
        if not self._router.send(producer, body):
            self._unsent = head.hash, producer, body

    def _schedule_chunk(self) -> None:
        if self._chunk_timer is not None:
            self._chunk_timer.cancel()
            self._chunk_timer = None
        if self._chunk_parent == self._chain.head.hash:
            due = self._chain.head_since + self._chunk_after_s
            delay = max(0.0, due - boottime())
            self._chunk_timer = asyncio.get_running_loop().call_later(delay, self._make_chunk, due)

    def _make_chunk(self, due: float) -> None:
        self._chunk_timer = None
        head = self._chain.head
        if self._sync.syncing:
            return
        # Once for each head, by whoever held the key when it was due.
        self._chunk_parent = ""
        late = boottime() - due > FROZEN_S or due < self._key_since
        if late or self._settings.now.freeze_producing or (seat := self._seat(head)) is None:
            return
        key, epoch = seat
        if self._chain.chunk_producer(head).public_key != key.public_key:
            return
        chunk = Chunk.make(head.hash, head.height + 1, key)
        self.chunks_made += 1
        for validator in epoch.validators:
            assert self._router is not None
            self._router.send(validator.public_key, chunk.to_wire())

    def _endorse(self, chunk: Chunk) -> None:
        head = self._chain.head
        if chunk.parent != head.hash or self._endorsed == head.hash or self._settings.now.freeze_producing:
            return
        if self._sync.syncing or (seat := self._seat(head)) is None:
            return
        key, epoch = seat
        if (chunk.height, chunk.public_key) != (head.height + 1, self._chain.chunk_producer(head).public_key):
            return
        self._endorsed = head.hash
        body = Endorsement.make(chunk, key).to_wire()
        told = {epoch.producer(chunk.height + ahead).public_key for ahead in range(PRODUCERS_TOLD)}
        for producer in sorted(told):
            assert self._router is not None
            self._router.send(producer, body)

    # ---- evidence ----

    def on_evidence(self, message: Message) -> None:
        """Take in two chunks by one key. Raises WireError if they are no such thing."""
        chunks = message.get("list")
        if (
            not isinstance(chunks, list)
            or len(chunks) != 2
            or not all(isinstance(one, dict) for one in chunks)
        ):
            raise WireError("evidence that makes no sense")
        try:
            for body in chunks:
                self._compare(Chunk.from_wire(body))
        except ValueError as error:
            raise WireError(str(error)) from None

    def _compare(self, chunk: Chunk) -> None:
        """Note a second chunk by one key for one height, and tell all."""
        place = chunk.height, chunk.public_key
        first = self._seen.setdefault(place, chunk)
        if len(self._seen) > _CHUNKS_SEEN:
            self._seen.popitem(last=False)
        # A node that starts anew at the very beginning makes the first chunk again.
        if first.hash == chunk.hash or chunk.height <= self._chain.genesis.height + 1:
            return
        seats = self._chain.genesis.validators
        account = next((one.account_id for one in seats if one.public_key == chunk.public_key), None)
        if account is not None and not self._double_signs.knows(*place):
            self._double_signs.record(chunk.height, account, chunk.public_key, [first.hash, chunk.hash])
            self._tell_all({"t": "chunks", "list": [first.to_wire(), chunk.to_wire()]})
