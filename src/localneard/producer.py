"""When this node produces a block.

Each height has one producer. It produces when approvals of more than two thirds of the stake have reached it,
but not before `min_block_production_delay` after the head. Without a chunk that enough have endorsed it waits
a sixth of a skip delay more. Times are counted from when the head was produced, on the clock that goes on
while the machine is suspended.
"""

import asyncio
import logging
from collections.abc import Callable

from localneard.approvals import FROZEN_S, Approver, Votes
from localneard.block import Block
from localneard.chain import Accepted, Chain, Verdict
from localneard.chunks import Pool
from localneard.clock import boottime
from localneard.config import ConsensusConfig
from localneard.log import fields
from localneard.settings import LiveSettings
from localneard.signer import Signer
from localneard.sync import Sync

# As in neard (doomslug.rs, `ready_to_produce_block`).
_CHUNK_WAIT = 6

log = logging.getLogger("client")


class Producer:
    """The timer for this node's next turn."""

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        sync: Sync,
        settings: LiveSettings,
        consensus: ConsensusConfig,
        votes: Votes,
        pool: Pool,
        approver: Approver,
        publish: Callable[[Block, Accepted], None],
    ) -> None:
        """Prepare; `publish` is given each block that was produced and is the new head."""
        self._chain = chain
        self._signer = signer
        self._sync = sync
        self._settings = settings
        self._publish = publish
        self._first_s = consensus.min_block_production_delay_s
        self._votes = votes
        self._pool = pool
        self._approver = approver
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self.produced = 0

    def wait(self, seconds: float) -> None:
        """Produce nothing for a while; takes effect with the next `reschedule`."""
        self._not_before = boottime() + seconds

    def reschedule(self) -> None:
        """Set the timer anew, after a change of head, key, sync status or settings."""
        self.stop()
        turn = self._next_turn()
        if turn is not None:
            height, due = turn
            now = boottime()
            at = max(due, now)
            self._timer = asyncio.get_running_loop().call_later(at - now, self._fire, height, at)

    def stop(self) -> None:
        """Produce no more, until `reschedule`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next_turn(self) -> tuple[int, float] | None:
        key = self._signer.key
        if key is None or self._sync.syncing or self._settings.now.freeze_producing:
            return None
        chain = self._chain
        epoch = chain.following(chain.head).epoch
        if not epoch.has(key.account_id, key.public_key):
            return None
        # A height that a peer has told of was produced already, by whomever.
        first = max(chain.head.height, self._sync.highest_known) + 1
        for height, since in self._votes.ready(chain.head.hash, epoch):
            if height >= first and epoch.producer(height).public_key == key.public_key:
                due = max(chain.head_since + self._first_s, since, self._not_before)
                if not self._endorsements():
                    due += self._approver.skip_delay() / _CHUNK_WAIT
                return height, due
        return None

    def _endorsements(self) -> str:
        """Return who has endorsed the chunk on the head, "" if there is none to put in."""
        head, epoch = self._chain.head, self._chain.following(self._chain.head).epoch
        producer = self._chain.chunk_producer(head).public_key
        return self._pool.endorsements(head.hash, head.height + 1, producer, epoch)

    def _fire(self, height: int, at: float) -> None:
        self._timer = None
        now = boottime()
        if now - at > FROZEN_S:
            self._chain.head_since = now
            self.reschedule()
            return
        turn = self._next_turn()
        if turn is None or turn[0] != height:
            self.reschedule()
            return
        self._produce(height)

    def _produce(self, height: int) -> None:
        key = self._signer.key
        assert key is not None
        block = self._chain.propose(height, key, self._endorsements())
        accepted = self._chain.accept(block)
        if accepted.verdict is not Verdict.HEAD:
            # Not again before the head moves: the same block would be refused again.
            log.error("cannot produce block %s: %s", fields(height=height), accepted.reason)
            return
        self.produced += 1
        log.info("produced block %s", fields(height=height, block_hash=block.hash))
        self._publish(block, accepted)
