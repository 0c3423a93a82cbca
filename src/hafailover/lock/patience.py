"""How long Consul may fail while a handover is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hafailover.clock import boottime
from hafailover.lock.errors import CallError, Kind

CONSUL_S = 10.0
"""So long Consul may fail in a row, as while it elects a leader: the active may have begun by then. The wish
lives about as long without it."""
PASSING = (Kind.UNREACHABLE, Kind.SERVER)
"""Failures that pass by themselves."""


class Patience:
    """With a Consul that fails for a while, for calls that are made again and again."""

    def __init__(self) -> None:
        self._well_at = boottime()
        self.failure: CallError | None = None
        """Of the last calls; ``None`` where they were answered."""

    @contextmanager
    def may_fail(self) -> Iterator[None]:
        """Ends the block at a failure that may pass, as if nothing were.

        :raises CallError: it does not pass, or has not for :data:`CONSUL_S`.
        """
        try:
            yield
        except CallError as error:
            if error.kind not in PASSING or boottime() - self._well_at > CONSUL_S:
                raise
            self.failure = error
        else:
            self._well_at, self.failure = boottime(), None
