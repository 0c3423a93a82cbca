"""Approvals: who may build on the head, and when (neard's doomslug, chain/chain/src/doomslug.rs).

Each validator that has processed a head approves the next height, and sends that to the account whose turn it
is. While no block comes it approves one height more after each skip delay. A block needs approvals of more
than two thirds of the stake. Each is sent once, to whoever holds the producer's key at that moment; a node
that takes the key later does not get it.

neard keeps on disk up to which height it has approved. Here a process that starts anew begins with the height
after its head.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from localneard.block import Block
from localneard.chain import Chain
from localneard.clock import boottime
from localneard.config import ConsensusConfig
from localneard.keys import Key, is_public_key, verify
from localneard.schedule import Epoch

MAX_HEIGHTS_AHEAD = 10_000
"""As in neard: how far above the head approvals are kept."""
_MAX_KEPT = 20_000
# A timer that late means that the process did not run. What it knows is then old, and its mail is unread.
FROZEN_S = 0.5


@dataclass(frozen=True)
class Approval:
    """A validator's leave to put a block of height `target` on the block `parent`."""

    parent: str
    target: int
    public_key: str
    signature: str

    @classmethod
    def make(cls, parent: str, target: int, key: Key) -> Self:
        """Sign one."""
        return cls(parent, target, key.public_key, key.sign(_digest(parent, target)))

    def to_wire(self) -> dict[str, Any]:
        """Return what `from_wire` takes."""
        return {
            "k": "approval",
            "parent": self.parent,
            "target": self.target,
            "key": self.public_key,
            "signature": self.signature,
        }

    @classmethod
    def from_wire(cls, body: dict[str, Any]) -> Self:
        """Return an approval from elsewhere. Raises ValueError if it makes no sense or is forged."""
        parent, target, key = body.get("parent"), body.get("target"), body.get("key")
        if not isinstance(parent, str) or len(parent) > 128 or type(target) is not int or target < 0:
            raise ValueError("an approval that makes no sense")
        signature = str(body.get("signature"))
        if not isinstance(key, str) or not is_public_key(key):
            raise ValueError("an approval without a key")
        if not verify(key, signature, _digest(parent, target)):
            raise ValueError("an approval with a bad signature")
        return cls(parent, target, key, signature)


def _digest(parent: str, target: int) -> bytes:
    return hashlib.sha256(f"approval {parent} {target}".encode()).digest()


class Votes:
    """The approvals that have reached this node."""

    def __init__(self) -> None:
        """Begin without any."""
        self._kept: dict[tuple[str, int], dict[str, float]] = {}
        self._count = 0

    def add(self, approval: Approval, head_height: int, now: float) -> bool:
        """Keep an approval for a height above the head; says whether it is a new one. `now` in seconds."""
        if not head_height < approval.target <= head_height + MAX_HEIGHTS_AHEAD or self._count >= _MAX_KEPT:
            return False
        votes = self._kept.setdefault((approval.parent, approval.target), {})
        if approval.public_key in votes:
            return False
        votes[approval.public_key] = now
        self._count += 1
        return True

    def forget_below(self, height: int) -> None:
        """Drop all for heights up to this one."""
        for place in [place for place in self._kept if place[1] <= height]:
            self._count -= len(self._kept.pop(place))

    def ready(self, parent: str, epoch: Epoch) -> list[tuple[int, float]]:
        """Return the heights above a block with enough approvals, lowest first, and since when they have."""
        found = []
        for (on, target), votes in self._kept.items():
            if on == parent and (since := epoch.passed_two_thirds(votes)) is not None:
                found.append((target, since))
        return sorted(found)


class Approver:
    """The timer behind the approvals of one node. It runs without a key, too: then it sends none."""

    def __init__(
        self,
        chain: Chain,
        consensus: ConsensusConfig,
        syncing: Callable[[], bool],
        approve: Callable[[Block, int], None],
    ) -> None:
        """Prepare; `approve` is told to approve a height on the head."""
        self._chain = chain
        self._syncing = syncing
        self._approve = approve
        self._min_s = max(consensus.max_block_production_delay_s, 0.05)
        self._step_s = self._min_s / 10
        self._max_s = max(consensus.max_block_wait_delay_s, self._min_s)
        self._timer: asyncio.TimerHandle | None = None
        self._tip = ""
        self._pending = False
        self._height = 0
        self._started = 0.0
        self._largest_target = 0

    def skip_delay(self) -> float:
        """Return how many seconds a height is waited for: more, the further the last final block is off."""
        ahead = self._height - self._chain.final.height
        return min(self._max_s, self._min_s + self._step_s * max(0, ahead - 2))

    def refresh(self) -> None:
        """Look at the head, and whether the node is in sync."""
        head = self._chain.head
        if head.hash != self._tip:
            self._tip = head.hash
            self._pending = True
            self._height = head.height + 1
            self._started = self._chain.head_since
        self.stop()
        if self._syncing():
            return
        if self._pending:
            self._pending = False
            # One who has approved a later height has told others that this one is over.
            if head.height >= self._largest_target:
                self._largest_target = head.height + 1
                self._approve(head, head.height + 1)
        due = self._started + self.skip_delay()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - boottime()), self._skip, due)

    def stop(self) -> None:
        """Approve no more, until `refresh`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _skip(self, due: float) -> None:
        now = boottime()
        self._timer = None
        if now - due > FROZEN_S:
            self._started = self._chain.head_since = now
        else:
            self._started = due
            self._height += 1
            self._largest_target = max(self._largest_target, self._height)
            self._approve(self._chain.head, self._height)
        self.refresh()
