"""Looks at neard: once a second, sooner after a failure, and closely when this host is about to sign."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hafailover.agent.persist import Complaints
from hafailover.clock import boottime, until_next
from hafailover.core import events as ev
from hafailover.core.views import NeardView
from hafailover.near.headclock import HeadClock
from hafailover.near.rpc import NeardRpc, RpcError, Status

log = logging.getLogger(__name__)

EVERY_S = 1.0
CLOSELY_EVERY_S = 0.05
AGAIN_S = 0.25
"""After a failure, which may have taken a call's whole deadline. With a second on top, an active would give
way although its neard answered again: it had not been asked."""
PEERS_EVERY_S = 10.0
MOST_BLOCKS = 20
"""Blocks read at most in one look; older ones say nothing about who signs now."""


class NeardWatch:
    """Polls neard's RPC in a thread and reports what it says.

    :param open_rpc: makes the connection; called anew after every failure.
    """

    def __init__(
        self, open_rpc: Callable[[], NeardRpc], account_id: str, emit: Callable[[ev.Event], None]
    ) -> None:
        self._open_rpc = open_rpc
        self._account_id = account_id
        self._emit = emit
        self._closely = False
        self._wake = threading.Event()
        self._complaints = Complaints("neard's RPC")
        self._rpc: NeardRpc | None = None
        self._uptime_s = -1
        self._shadow: bool | None = None
        self._peers: int | None = None
        self._peers_at = 0.0
        self._seen_height: int | None = None
        self._head = HeadClock()
        self.clock_ahead_s: int | None = None
        """This host's wall clock against the chain's timestamps, in whole seconds; for people."""

    def start(self) -> None:
        threading.Thread(target=self._run, name="neard-watch", daemon=True).start()

    def closely(self, on: bool) -> None:
        """Looks every 50 ms and reads new blocks, or goes back to once a second."""
        self._closely = on
        self._wake.set()

    def _run(self) -> None:
        while True:
            closely = self._closely
            answered = self._look(closely)
            usual = until_next(EVERY_S) if answered else AGAIN_S
            self._wake.wait(CLOSELY_EVERY_S if closely else usual)
            self._wake.clear()

    def _look(self, closely: bool) -> bool:
        """Whether neard answered."""
        try:
            if self._rpc is None:
                self._rpc = self._open_rpc()
            looked_at = boottime()
            status = self._rpc.status()
            self._learn_more(self._rpc, status)
            self._complaints.fine()
            self._emit(ev.NeardSeen(self._view(status, looked_at)))
            self._read_blocks(self._rpc, status.height, closely)
            return True
        except RpcError as error:
            if self._rpc is not None:
                self._rpc.close()
                self._rpc = None
            self._uptime_s = -1
            self._complaints.trouble(str(error))
            self._emit(ev.NeardFailed(str(error)))
            return False

    def _learn_more(self, rpc: NeardRpc, status: Status) -> None:
        """What changes seldom: asked of each new process, and the peers now and then."""
        new_process = self._uptime_s < 0 or status.uptime_s < self._uptime_s
        self._uptime_s = status.uptime_s
        now = boottime()
        if not new_process and now - self._peers_at < PEERS_EVERY_S and self._peers:
            return
        # Counted from the last whole multiple: the looks are not equally far apart.
        self._peers_at = now - now % PEERS_EVERY_S
        try:
            self._peers = rpc.peers()
            if new_process:
                tracked = rpc.tracked_shards()
                self._shadow = tracked == {"ShadowValidator": self._account_id}
        except RpcError as error:
            # An old neard may lack a method; what is not known does not count against it.
            log.debug("neard does not tell more of itself: %s", error)

    def _view(self, status: Status, looked_at: float) -> NeardView:
        head = self._head.look(status.height, status.head_made_at, status.syncing)
        ahead = self._head.wall_ahead_s()
        self.clock_ahead_s = round(ahead) if ahead is not None else None
        return NeardView(
            height=status.height,
            syncing=status.syncing,
            public_key=status.public_key,
            version=status.version,
            peers=self._peers,
            shadow=self._shadow,
            head_age_s=head.age_s,
            steady=head.steady,
            live=head.live,
            blocks_lacking=head.lacking,
            node_key=status.node_key,
            looked_at=looked_at,
        )

    def _read_blocks(self, rpc: NeardRpc, height: int, closely: bool) -> None:
        if not closely:
            self._seen_height = None
            return
        first = self._seen_height if self._seen_height is not None else height
        self._seen_height = height
        for number in range(max(first + 1, height - MOST_BLOCKS), height + 1):
            try:
                author = rpc.block_author(number)
            except RpcError as error:
                log.debug("block %d cannot be read: %s", number, error)
                continue
            if author == self._account_id:
                self._emit(ev.OwnBlockSeen(number))
