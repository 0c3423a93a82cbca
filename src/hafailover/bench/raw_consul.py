"""What Consul itself takes to hand a lock from one session to another, for comparison."""

from __future__ import annotations

import threading

from hafailover.clock import boottime
from hafailover.core.beat import Beat, Phase
from hafailover.lab.pool import LabPool
from hafailover.lock.consul import ConsulLease, ConsulWatch
from hafailover.timing import PROFILES

ACCOUNT = "raw.near"
WAIT_S = 5.0


def raw_handover_ms(pool: LabPool, runs: int) -> list[float]:
    """Release by one host to acquisition by another, both over python-consul2, in milliseconds."""
    profile = PROFILES["default"]
    first, second = (host.consul_address for host in pool.hosts[:2])
    one = ConsulLease(first, ACCOUNT, "raw1", profile)
    two = ConsulLease(second, ACCOUNT, "raw2", profile)
    watch = ConsulWatch(second, ACCOUNT, WAIT_S)
    session_one, session_two = one.open_session(), two.open_session()
    results = []
    try:
        for sequence in range(runs):
            one.feed()
            two.feed()
            term = one.acquire(session_one).term
            index, _ = watch.lock(None, 0.0, fast=True)
            taken = threading.Event()
            got: list[tuple[float, int]] = []

            def take(
                index: int = index, taken: threading.Event = taken, got: list[tuple[float, int]] = got
            ) -> None:
                at: int | None = index
                for _ in range(10):
                    at, view = watch.lock(at, WAIT_S, fast=True)
                    if view.session is None:
                        term = two.acquire(session_two).term
                        got.append((boottime(), term))
                        taken.set()
                        return

            thread = threading.Thread(target=take, daemon=True)
            thread.start()
            # The query must wait at Consul before the release, or it would measure nothing.
            threading.Event().wait(0.3)
            released = boottime()
            one.release(session_one, Beat(term, sequence + 1, "raw1", Phase.RELEASED, profile.gone_within_s))
            if taken.wait(WAIT_S):
                at, next_term = got[0]
                results.append((at - released) * 1000)
                beat = Beat(next_term, 1, "raw2", Phase.RELEASED, profile.gone_within_s)
                two.release(session_two, beat)
            thread.join(WAIT_S)
    finally:
        one.destroy(session_one)
        two.destroy(session_two)
    return results
