"""What the agent tells the outside of: its own changes, and drills that failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from hafailover.config.settings import Settings
from hafailover.core import foreign
from hafailover.core.effects import Effect
from hafailover.core.state import State
from hafailover.log import fields
from hafailover.notify.notice import Notice, What
from hafailover.notify.notifier import Notifier
from hafailover.notify.sources import read_channels
from hafailover.notify.watch import RoleWatch, foreign_signer
from hafailover.observe.metrics import Metrics
from hafailover.orders.documents import OrderBook

log = logging.getLogger(__name__)

FOR_HISTORY = (What.NOT_PRODUCING, What.PRODUCING)


class News:
    """Hands on what is news. Nothing here waits for a channel.

    A file that cannot be used costs its channels and not the agent, which must run: it is logged.

    :param record: takes what is news for the pool's history, too, whether or not there is a channel.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, record: Callable[[Notice], None] = lambda _: None
    ) -> None:
        channels, problems = read_channels(settings)
        for problem in problems:
            extra = fields(event="notification_failed", reason=problem)
            log.error("nobody is told by this channel: %s", problem, extra=extra)
        for channel in channels:
            metrics.expect_notifications(channel.name)
        self._record = record
        self._watch = RoleWatch(settings.node_name, settings.neard.validator_routing)
        self._notifier = Notifier(
            channels,
            settings.notify.events,
            settings.account_id,
            settings.node_name,
            settings.notify.repeat_after_s,
            settings.notify.give_up_s,
            metrics.notified,
        )
        self._looked = False
        self._last_drill = ""

    def start(self) -> None:
        self._notifier.start()

    def stop(self) -> None:
        self._notifier.stop()

    def step(self, before: State, after: State, effects: Sequence[Effect]) -> None:
        """Takes a step of the core. Nothing comes back from it, not even a defect: the lease goes on."""
        try:
            for notice in self._watch.step(before, after, effects):
                self._notifier.notify(notice)
                if notice.what in FOR_HISTORY:
                    self._record(notice)
            if foreign.is_alarm(after) and not foreign.is_alarm(before) and tells_for_the_pool(after):
                term = after.hold.term if after.hold is not None else 0
                text = foreign.text(after, after.last_now)
                self._notifier.notify(foreign_signer(after.config.account_id, text, term))
        except Exception:
            log.exception("a defect in the notifications; nobody is told of this step")

    def see(self, book: OrderBook, state: State) -> None:
        """Takes the orders, which hold the last drill's result: its command may run where no agent does."""
        last = book.last_drill
        at = last.at if last is not None else ""
        news = self._looked and at != self._last_drill
        self._looked, self._last_drill = True, at
        if last is not None and news and not last.ok and tells_for_the_pool(state):
            term = state.hold.term if state.hold is not None else 0
            self._notifier.drill_failed(last.kind, last.text, last.at, term)


def tells_for_the_pool(state: State) -> bool:
    """Whether this host is the one to tell what is nobody's own.

    That is the lock's holder, and where there is none the first by name of the hosts that are alive.
    """
    if state.hold is not None:
        return True
    if state.lock is None or state.lock.session is not None:
        return False
    own = state.config.node
    return own == min([own, *(member.node for member in state.members if member.alive)])
