"""When this node produces a block.

Each height has one producer. The block after the head is due `min_block_production_delay` after it; for each
further `max - min` without a block, the producer of the next height may build on the same head. Times are
counted from when the head was produced, on the clock that goes on while the machine is suspended.
"""

import asyncio
import logging
from collections.abc import Callable

from localneard.block import Block
from localneard.chain import Accepted, Chain, Verdict
from localneard.clock import boottime
from localneard.config import ConsensusConfig
from localneard.log import fields
from localneard.settings import LiveSettings
from localneard.signer import Signer
from localneard.sync import Sync

# How many heights to look ahead for one's own turn: enough for a seat of a thousandth of the stake.
TURNS_AHEAD = 5000
# A timer that late means that the process did not run. What it knows is then old, and its mail is unread.
FROZEN_S = 0.5

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
        publish: Callable[[Block, Accepted], None],
    ) -> None:
        """Prepare; `publish` is given each block that was produced and is the new head."""
        self._chain = chain
        self._signer = signer
        self._sync = sync
        self._settings = settings
        self._publish = publish
        self._first_s = consensus.min_block_production_delay_s
        # A zero step would let all turns come at once.
        self._step_s = max(
            0.05, consensus.max_block_production_delay_s - consensus.min_block_production_delay_s
        )
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
        for height in range(first, first + TURNS_AHEAD):
            if epoch.producer(height).account_id == key.account_id:
                late = height - chain.head.height - 1
                due = chain.head_since + self._first_s + late * self._step_s
                return height, max(due, self._not_before)
        return None

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
        block = self._chain.propose(height, key)
        accepted = self._chain.accept(block)
        if accepted.verdict is not Verdict.HEAD:
            # Not again before the head moves: the same block would be refused again.
            log.error("cannot produce block %s: %s", fields(height=height), accepted.reason)
            return
        self.produced += 1
        log.info("produced block %s", fields(height=height, block_hash=block.hash))
        self._publish(block, accepted)
