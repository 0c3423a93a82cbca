"""Takes notices and gives each to the channels that want it: once, at once, and without waiting."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence

from hafailover.clock import boottime
from hafailover.log import fields
from hafailover.notify.channel import Channel
from hafailover.notify.lane import Lane, Outcome
from hafailover.notify.notice import Notice, message
from hafailover.notify.watch import drill_failed

log = logging.getLogger(__name__)

MOST_REMEMBERED = 1000


class Notifier:
    """For any thread.

    :param events: the kinds that are told.
    :param repeat_after_s: the same event of the same term is told again only so long after the last time.
    :param give_up_s: how long a message is tried, in seconds.
    :param count: takes a channel's name and what became of a message.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        events: Collection[str],
        account_id: str,
        node: str,
        repeat_after_s: float,
        give_up_s: float,
        count: Callable[[str, Outcome], None],
    ) -> None:
        self._lanes = [Lane(channel, give_up_s, count) for channel in channels]
        self._events = frozenset(events)
        self._account_id = account_id
        self._node = node
        self._repeat_after_s = repeat_after_s
        self._lock = threading.Lock()
        self._told: dict[tuple[str, int, str], tuple[float, int]] = {}
        """When an event was last told, and how often it was kept back since."""

    def start(self) -> None:
        """Starts a thread for each channel, and none without one."""
        for lane in self._lanes:
            lane.start()

    def notify(self, notice: Notice) -> None:
        """Tells it, unless it is not wanted or has been told. Never waits for a channel, and never raises."""
        if not self._lanes or notice.what not in self._events:
            return
        suppressed = self._turn(notice)
        if suppressed is None:
            return
        told = message(notice.again(suppressed), self._account_id, self._node)
        extra = fields(event="notification", kind=told.what, reason=notice.cause)
        log.debug("telling: %s", told.text, extra=extra)
        for lane in self._lanes:
            if lane.channel.takes(told.what):
                lane.put(told)

    def drill_failed(self, kind: str, text: str, at: str, term: int) -> None:
        """Tells of a drill that did not go as it should; see :func:`hafailover.notify.watch.drill_failed`."""
        self.notify(drill_failed(kind, text, at, term))

    def stop(self) -> None:
        """Sends nothing more, and says what is lost by it."""
        waiting = sum(lane.stop() for lane in self._lanes)
        if waiting:
            log.warning("%d notifications were not sent before the end", waiting)

    def _turn(self, notice: Notice) -> int | None:
        """How many like it were kept back before it; ``None`` if it has to be, too."""
        now = boottime()
        with self._lock:
            told_at, kept_back = self._told.get(notice.key, (None, 0))
            if told_at is not None and now - told_at < self._repeat_after_s:
                self._told[notice.key] = told_at, kept_back + 1
                return None
            self._told[notice.key] = now, 0
            if len(self._told) > MOST_REMEMBERED:
                del self._told[min(self._told, key=lambda key: self._told[key][0])]
            return kept_back
