"""The contract of looking at the lease, held against Consul and against the test double."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest

from hafailover.core.views import LockView
from hafailover.lock.base import LeaseStore

from .pools import Pool, active, claim, eventually, heartbeat

T = TypeVar("T")


class TestWatch:
    """Looks answer at once without an index; with one, when something has changed or the time is over."""

    def test_at_first_there_is_nothing(self, pool: Pool) -> None:
        watch = pool.watch()
        assert watch.lock(None, 0.0)[1] == LockView(None, None, 0)
        assert watch.heartbeat(None, 0.0)[1] is None
        assert watch.dropped(None, 0.0)[1] == frozenset()

    @pytest.mark.parametrize("fast", [False, True])
    def test_the_lock_wakes_on_acquisition_and_release(self, pool: Pool, a: LeaseStore, fast: bool) -> None:
        session = a.open_session()
        term = a.acquire(session).term
        eventually(lambda: pool.watch().lock(None, 0.0)[1].index == term)
        watch = pool.watch()
        at, view = watch.lock(None, 0.0, fast)
        assert view == LockView(session, "a", term)
        woken = in_thread(lambda: watch.lock(at, 2.0, fast))
        a.release(session, active(term))
        later, view = woken()
        assert later > at
        assert view.session is None
        assert view.index > term

    def test_the_heartbeat_wakes_on_each_beat(self, pool: Pool, a: LeaseStore) -> None:
        session = a.open_session()
        term = a.acquire(session).term
        a.beat(session, active(term))
        eventually(lambda: heartbeat(pool) == active(term))
        watch = pool.watch()
        at, _ = watch.heartbeat(None, 0.0)
        for number in (2, 3):
            woken = in_thread(partial(watch.heartbeat, at, 2.0))
            a.beat(session, active(term, number))
            at, stored = woken()
            assert stored is not None
            assert stored.beat == active(term, number)

    def test_the_dropped_terms_wake_it(self, pool: Pool, a: LeaseStore) -> None:
        a.record_dropped(claim(3))
        eventually(lambda: pool.watch().dropped(None, 0.0)[1] == {claim(3)})
        watch = pool.watch()
        at, _ = watch.dropped(None, 0.0)
        woken = in_thread(lambda: watch.dropped(at, 2.0))
        a.record_dropped(claim(4))
        assert woken()[1] == {claim(3), claim(4)}

    def test_without_news_it_ends_when_the_time_is_over(self, pool: Pool, a: LeaseStore) -> None:
        session = a.open_session()
        term = a.acquire(session).term
        eventually(lambda: pool.watch().lock(None, 0.0)[1].index == term)
        watch = pool.watch()
        at, view = watch.lock(None, 0.0)
        began = time.monotonic()
        later, same = watch.lock(at, 0.5)
        assert 0.4 < time.monotonic() - began < 2.0
        assert (later, same) == (at, view)


def in_thread(look: Callable[[], T]) -> Callable[[], T]:
    """Runs a blocking look beside the test; the result waits for what it saw."""
    seen: list[T] = []
    thread = threading.Thread(target=lambda: seen.append(look()))
    thread.start()
    time.sleep(0.1)

    def result() -> T:
        thread.join(10)
        assert seen, "the watch did not wake up"
        return seen[0]

    return result
