"""What the tests of the agent's parts share: events as they come, and threads that stop with their test."""

from __future__ import annotations

import threading
from typing import Any, TypeVar, cast

from hafailover.core import events as ev
from hafailover.lock.errors import CallError
from hafailover.near.rpc import RpcError

from ..observe.tiny_consul import until

T = TypeVar("T")
E = TypeVar("E")


class Events:
    """Takes events from any thread."""

    def __init__(self) -> None:
        self.all: list[ev.Event] = []

    def __call__(self, event: ev.Event) -> None:
        self.all.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.all if isinstance(event, kind)]

    def wait(self, kind: type[E], number: int = 1) -> E:
        """The ``number``-th event of a kind, as soon as it has come."""
        until(lambda: len(self.of(kind)) >= number, f"{kind.__name__} number {number}")
        return self.of(kind)[number - 1]


def park() -> None:
    """Stops a thread that runs as long as its process does, without a word of it."""
    threading.Event().wait()


class Mortals:
    """Makes objects whose calls stop the calling thread once the test is over."""

    def __init__(self, over: threading.Event) -> None:
        self._over = over

    def __call__(self, inner: T) -> T:
        return cast(T, _Mortal(inner, self._over))


class _Mortal:
    def __init__(self, inner: Any, over: threading.Event) -> None:
        self._inner = inner
        self._over = over

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._stop_if_over()
            try:
                return getattr(self._inner, name)(*args, **kwargs)
            except (CallError, RpcError):
                self._stop_if_over()
                raise

        return call

    def _stop_if_over(self) -> None:
        if self._over.is_set():
            park()
