"""Catching up with the other nodes, and saying whether one has.

As in neard: until there are `min_num_peers` peers the node counts as syncing, unless
`network.skip_sync_wait`; once it has begun, losing peers does not make it syncing again, being behind them by
more than `sync_height_threshold` does.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from typing import Any

from localneard.block import Block
from localneard.chain import Chain, Verdict
from localneard.clock import boottime
from localneard.config import Config
from localneard.network import Network
from localneard.peer import Peer
from localneard.settings import LiveSettings
from localneard.wire import Message, WireError, age

BATCH_BLOCKS = 100
ANSWER_TIMEOUT_S = 3.0
AVOID_S = 5.0
# Blocks go from node to node by themselves; only what has not come by then is asked for.
GRACE_S = 0.2
# A gap that small may be a block on its way, for as long as this.
BEHIND_FOR_S = 1.0
FAR_BEHIND_BLOCKS = 10
_CHECK_INTERVAL_S = 1.0
_BLOCKS_AT_ONCE = 20

log = logging.getLogger("sync")

Receive = Callable[[Block, float, Peer], Verdict]


class Status(IntEnum):
    """neard's sync states with the numbers of its metric (chain/client-primitives/src/types.rs)."""

    NO_SYNC = 0
    AWAITING_PEERS = 1
    BLOCK_SYNC = 7


class Sync:
    """The task that looks at the peers' heads and fetches what is missing."""

    def __init__(
        self,
        chain: Chain,
        network: Network,
        config: Config,
        settings: LiveSettings,
        receive: Receive,
        on_status: Callable[[], None],
    ) -> None:
        """Prepare; `receive` takes in a fetched block, `on_status` is called when the status changes."""
        self._chain = chain
        self._network = network
        self._settings = settings
        self._receive = receive
        self._on_status = on_status
        self._peers_needed = 0 if config.network.skip_sync_wait else config.consensus.min_num_peers
        self._threshold = config.consensus.sync_height_threshold
        self.status = Status.AWAITING_PEERS if self._peers_needed else Status.NO_SYNC
        self._wake = asyncio.Event()
        self._behind_since: float | None = None
        self._avoided: dict[str, float] = {}
        self._pending: dict[tuple[str, int], asyncio.Future[tuple[list[Block], float]]] = {}
        self._asked = 0

    @property
    def syncing(self) -> bool:
        """Whether the node counts as syncing."""
        return self.status is not Status.NO_SYNC

    @property
    def requirement(self) -> str:
        """What neard's near_sync_requirements_current says."""
        if not self._network.peers:
            return "NoPeers"
        return "SyncNeeded" if self.syncing else "AlreadyCaughtUp"

    @property
    def highest_known(self) -> int:
        """The highest height that a peer has told of, or one's own."""
        return max([self._chain.head.height, *(peer.height for peer in self._network.peers.values())])

    def wake(self) -> None:
        """Look at the peers' heads now."""
        self._wake.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_INTERVAL_S):
                    await self._wake.wait()
            self._wake.clear()
            if self.status is Status.AWAITING_PEERS and len(self._network.peers) < self._peers_needed:
                continue
            await self._look()

    def answered(self, peer: Peer, message: Message) -> None:
        """Take in a peer's answer to `sync`. Raises WireError if it makes no sense."""
        blocks, head_age = message.get("blocks"), age(message.get("age"))
        if not isinstance(blocks, list):
            raise WireError("an answer to sync that makes no sense")
        try:
            parsed = [Block.from_wire(values) for values in blocks]
        except ValueError as error:
            raise WireError(str(error)) from None
        number = message.get("n")
        pending = self._pending.get((peer.id, number)) if isinstance(number, int) else None
        if pending is not None and not pending.done():
            pending.set_result((parsed, head_age))

    async def _look(self) -> None:
        peer = self._best_peer()
        lag = 0 if peer is None else peer.height - self._chain.head.height
        if peer is None or lag <= 0:
            self._behind_since = None
            self._set(Status.NO_SYNC)
            return
        now = boottime()
        if self._behind_since is None:
            self._behind_since = now
        for_s = now - self._behind_since
        began = self.status is Status.AWAITING_PEERS
        if lag > self._threshold and (began or lag > FAR_BEHIND_BLOCKS or for_s > BEHIND_FOR_S):
            self._set(Status.BLOCK_SYNC)
        elif began:
            self._set(Status.NO_SYNC)
        if not self.syncing and for_s < GRACE_S:
            asyncio.get_running_loop().call_later(GRACE_S - for_s + 0.01, self.wake)
            return
        await self._fetch(peer)
        self._wake.set()

    def _best_peer(self) -> Peer | None:
        now = boottime()
        self._avoided = {peer_id: until for peer_id, until in self._avoided.items() if until > now}
        fit = [peer for peer in self._network.peers.values() if peer.id not in self._avoided]
        return max(fit, key=lambda peer: peer.height, default=None)

    async def _fetch(self, peer: Peer) -> None:
        """Fetch from one peer until one's head is as high as the peer's."""
        cursor: list[str] = []
        while self._chain.head.height < peer.height:
            answer = await self._ask(peer, [*cursor, *self._chain.locator()])
            if not answer or not answer[0] or not await self._take(peer, *answer):
                log.info("peer %s does not have what it told of", peer.id)
                self._avoided[peer.id] = boottime() + AVOID_S
                return
            # On a fork the head stays until the fork is the higher one: go on from where the answer ended.
            cursor = [answer[0][-1].hash]

    async def _take(self, peer: Peer, blocks: list[Block], head_age: float) -> bool:
        due = boottime()
        for number, block in enumerate(blocks):
            if self._receive(block, head_age, peer) in (Verdict.INVALID, Verdict.ORPHAN):
                return False
            if speed := self._settings.now.sync_blocks_per_s:
                due += 1 / speed
                await asyncio.sleep(max(0.0, due - boottime()))
            elif number % _BLOCKS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return True

    async def _ask(self, peer: Peer, locator: list[str]) -> tuple[list[Block], float] | None:
        self._asked += 1
        key = (peer.id, self._asked)
        self._pending[key] = asyncio.get_running_loop().create_future()
        peer.send({"t": "sync", "n": self._asked, "locator": locator})
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._pending[key]
        except TimeoutError:
            return None
        finally:
            del self._pending[key]

    def _set(self, status: Status) -> None:
        if status is not self.status:
            log.info("sync status %s -> %s", self.status.name, status.name)
            self.status = status
            self._on_status()


def answer_sync(chain: Chain, message: Message, age_s: float) -> dict[str, Any]:
    """Return the answer to a peer's `sync`. Raises WireError if that makes no sense."""
    locator = message.get("locator")
    if (
        not isinstance(locator, list)
        or len(locator) > 256
        or not all(isinstance(one, str) for one in locator)
    ):
        raise WireError("a locator that makes no sense")
    blocks = chain.blocks_after(locator, BATCH_BLOCKS)
    return {"t": "chain", "n": message.get("n"), "blocks": [one.to_wire() for one in blocks], "age": age_s}
