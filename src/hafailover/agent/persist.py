"""Trying again until it works: the one place where the agent waits for something that may not come."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_exponential
from tenacity.nap import sleep_using_event

from hafailover.clock import boottime
from hafailover.lock.errors import CallError
from hafailover.log import fields

log = logging.getLogger(__name__)
T = TypeVar("T")

SAY_EVERY_S = 30.0
"""How often a trouble that lasts is logged again."""


class Complaints:
    """Logs a trouble when it begins, every 30 s while it lasts, and once when it is over.

    One that takes turns between several texts has each of them logged every 30 s.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._said: dict[str, float] = {}
        self._since: float | None = None

    def trouble(self, text: str) -> None:
        now = boottime()
        if self._since is None:
            self._since = now
        if now - self._said.get(text, -SAY_EVERY_S) < SAY_EVERY_S:
            return
        lasted = f" (for {now - self._since:.0f} s now)" if now - self._since >= 1 else ""
        extra = fields(event="trouble", subject=self._subject, reason=text)
        log.warning("%s: %s%s", self._subject, text, lasted, extra=extra)
        self._said = {old: at for old, at in self._said.items() if now - at < SAY_EVERY_S} | {text: now}

    def fine(self) -> None:
        if self._since is not None:
            extra = fields(event="trouble_over", subject=self._subject)
            log.info("%s: works again after %.1f s", self._subject, boottime() - self._since, extra=extra)
        self._since, self._said = None, {}


def persist(
    function: Callable[[], T],
    stop: threading.Event,
    complaints: Complaints,
    longest_pause_s: float = 2.0,
) -> T:
    """Calls ``function`` until it succeeds, with growing pauses, and says so while it does not.

    :raises CallError: ``stop`` was set before it succeeded.
    """

    def complain(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        complaints.trouble(str(error))

    retrying = Retrying(
        retry=retry_if_exception_type(CallError),
        wait=wait_exponential(multiplier=0.1, min=0.1, max=longest_pause_s),
        stop=stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=complain,
        reraise=True,
    )
    result: T = retrying(function)
    complaints.fine()
    return result
