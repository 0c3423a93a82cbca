"""A channel's own thread: messages in order, tried again for a while, and never waited for by anybody."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Literal

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential
from tenacity.nap import sleep_using_event

from hafailover.agent.persist import Complaints
from hafailover.clock import boottime
from hafailover.log import fields
from hafailover.notify.channel import Channel, SendError
from hafailover.notify.notice import Message

log = logging.getLogger(__name__)

Outcome = Literal["sent", "failed", "dropped"]
MOST_WAITING = 50
"""Messages kept for a channel that does not take them; the oldest goes when another comes."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class Lane:
    """:param give_up_s: how long a message is tried, in seconds.

    :param count: takes the channel's name and what became of a message.
    """

    def __init__(
        self,
        channel: Channel,
        give_up_s: float,
        count: Callable[[str, Outcome], None],
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.channel = channel
        self._give_up_s = give_up_s
        self._count = count
        self._first_pause_s = first_pause_s
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._complaints = Complaints(f"notifications by {channel.name}")

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"notify-{self.channel.name}", daemon=True).start()

    def put(self, message: Message) -> None:
        """Takes a message; never waits for what is sent meanwhile."""
        left_out = None
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                left_out = self._waiting.popleft()
            self._waiting.append(message)
            self._changed.notify()
        if left_out is not None:
            self._count(self.channel.name, "dropped")
            log.warning("notifications by %s: %s left out, too many wait", self.channel.name, left_out.what)

    def stop(self) -> int:
        """Sends nothing more; how many messages were waiting."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
            return len(self._waiting)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._changed:
                while not self._waiting and not self._stop.is_set():
                    self._changed.wait(1.0)
                message = self._waiting.popleft() if self._waiting else None
            if message is not None and not self._stop.is_set():
                self._deliver(message)

    def _deliver(self, message: Message) -> None:
        name = self.channel.name
        end = boottime() + self._give_up_s
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, SendError) and not error.final),
            wait=wait_random_exponential(multiplier=self._first_pause_s, max=LONGEST_PAUSE_S),
            stop=lambda _: boottime() >= end or self._stop.is_set(),
            sleep=sleep_using_event(self._stop),
            before_sleep=self._complain,
            reraise=True,
        )
        try:
            retrying(self.channel.send, message)
        except SendError as error:
            self._count(name, "failed")
            extra = fields(event="notification_failed", channel=name, reason=str(error))
            log.error("notifications by %s: %s is given up: %s", name, message.what, error, extra=extra)
            return
        self._count(name, "sent")
        self._complaints.fine()
        log.info("notifications by %s: %s is sent", name, message.what)

    def _complain(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        self._complaints.trouble(str(error))
