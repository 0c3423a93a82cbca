"""The agent's eyes on Consul: one thread for each thing watched, all by blocking queries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from hafailover.agent.persist import Complaints
from hafailover.clock import boottime
from hafailover.core import events as ev
from hafailover.core.views import LockView, Request
from hafailover.lock.base import LeaseWatch
from hafailover.lock.errors import CallError
from hafailover.lock.roster import RequestWatch
from hafailover.orders.desk import OrdersWatch
from hafailover.orders.documents import OrderBook

T = TypeVar("T")

WAIT_S = 10.0
"""How long one blocking query waits; every change ends it at once."""
PAUSE_S = 0.2
GAP_S = 3.0
"""A heartbeat watch that was broken for longer has forgotten when it saw what."""
HANDOVER_S = 15.0
"""So long at least the target of a handover watches with default consistency, and as long as the wish stands,
which may wait for its height or for a block that the target still lacks."""
AFTER_WISH_S = 5.0
"""The release comes after the answer, and with the answer the wish may end."""
REORDER_S = 2.0


class Watcher(threading.Thread, Generic[T]):
    """Repeats a blocking query and reports each answer.

    :param look: takes the index and the seconds to wait, returns the next index and what is there.
    """

    def __init__(
        self,
        name: str,
        look: Callable[[int | None, float], tuple[int, T]],
        report: Callable[[int, T], None],
        on_gap: Callable[[], None] | None = None,
        until: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(name=f"watch-{name}", daemon=True)
        self._look = look
        self._report = report
        self._on_gap = on_gap
        self._until = until
        self._complaints = Complaints(f"watching the {name}")

    def run(self) -> None:
        pause = threading.Event()
        index: int | None = None
        well_at = boottime()
        while self._until is None or not self._until():
            try:
                at, value = self._look(index, WAIT_S if index is not None else 0.0)
            except CallError as error:
                self._complaints.trouble(str(error))
                index = None
                pause.wait(PAUSE_S)
                continue
            self._complaints.fine()
            now = boottime()
            waited = now - well_at
            # A whole blocking query may pass without news; anything longer was trouble.
            if self._on_gap is not None and index is None and waited > GAP_S:
                self._on_gap()
            well_at = now
            # An index that goes backwards means a restored backup: start over, as Consul asks for.
            index = at if index is None or at >= index else None
            self._report(at, value)


class LeaseEyes:
    """Starts all watchers and passes what they see to the core, in order.

    :param open_watch: makes a connection of its own for each thread.
    :param see_orders: takes what operators have ordered, in the watch's thread.
    """

    def __init__(
        self,
        open_watch: Callable[[], LeaseWatch],
        open_requests: Callable[[], RequestWatch],
        open_orders: Callable[[], OrdersWatch],
        see_orders: Callable[[OrderBook], None],
        emit: Callable[[ev.Event], None],
    ) -> None:
        self._open_watch = open_watch
        self._open_requests = open_requests
        self._open_orders = open_orders
        self._see_orders = see_orders
        self._emit = emit
        self._lock = threading.Lock()
        self._lock_index = 0
        self._lock_at = 0.0
        self._closely = False
        """Whether the second watch at the lock runs."""
        self._fast_until = 0.0
        self._wish_stands = False

    def start(self) -> None:
        lock, heartbeat, dropped = self._open_watch(), self._open_watch(), self._open_watch()
        history = self._open_watch()
        requests = self._open_requests()
        Watcher("lock", lock.lock, self._lock_seen).start()
        Watcher(
            "heartbeat",
            heartbeat.heartbeat,
            lambda _, beat: self._emit(ev.BeatSeen(beat)),
            on_gap=lambda: self._emit(ev.WatchGap()),
        ).start()
        Watcher(
            "dropped terms",
            dropped.dropped,
            lambda _, claims: self._emit(ev.DroppedSeen(claims)),
        ).start()
        Watcher(
            "history's id",
            history.history,
            lambda _, seen: self._emit(ev.HistorySeen(seen)),
        ).start()
        Watcher(
            "wishes",
            requests.request,
            lambda _, request: self._request_seen(request),
        ).start()

        Watcher("orders", self._open_orders().orders, lambda _, book: self._see_orders(book)).start()

    def expect_handover(self) -> None:
        """For a while, watches the lock at Consul's leader as well: a release shows some 70 ms earlier."""
        with self._lock:
            running, self._closely = self._closely, True
            self._fast_until = max(self._fast_until, boottime() + HANDOVER_S)
        if not running:
            watch = self._open_watch()
            Watcher(
                "lock (handover)",
                lambda i, w: watch.lock(i, min(w, 2.0), True),
                self._lock_seen,
                until=self._handover_over,
            ).start()

    def _handover_over(self) -> bool:
        with self._lock:
            self._closely = self._wish_stands or boottime() < self._fast_until
            return not self._closely

    def _request_seen(self, request: Request | None) -> None:
        with self._lock:
            if self._wish_stands and request is None:
                self._fast_until = max(self._fast_until, boottime() + AFTER_WISH_S)
            self._wish_stands = request is not None
        self._emit(ev.RequestSeen(request))

    def _lock_seen(self, index: int, view: LockView) -> None:
        """Two watchers can be out of step: what the slower one brings late is no news."""
        with self._lock:
            now = boottime()
            if index < self._lock_index and now - self._lock_at < REORDER_S:
                return
            self._lock_index, self._lock_at = index, now
            self._emit(ev.LockSeen(view))
