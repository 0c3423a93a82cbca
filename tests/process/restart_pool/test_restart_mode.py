"""A pool whose neard cannot swap keys: a promotion stops neard and starts it with the key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.demo.observer import ChainObserver
from hafailover.lab.guardlog import gone_at, loaded_at
from hafailover.lab.pool import LabPool
from hafailover.lab.signers import overlaps
from hafailover.lab.waiting import wait_until

from ..pool.starting import settled_pool
from ..pool.waiting import other_active

pytestmark = [pytest.mark.consul, pytest.mark.timeout(240)]


@pytest.fixture
def pool(consul_binary: Path) -> Iterator[LabPool]:
    with settled_pool(consul_binary, promotion="restart") as pool:
        yield pool


def test_the_pool_fails_over_by_restarts(pool: LabPool) -> None:
    """First a neard that dies, then a host; never two signers, and the chain goes on with our blocks."""
    observer = ChainObserver(pool.localnet.validators, pool.account_id)
    observer.start()
    try:
        first = pool.wait_settled()
        at = boottime()
        pool.host(first).neard().signal(9)
        second = other_active(pool, first, 30)
        loaded = loaded_at(pool.host(second).guard_log, at)
        gone = gone_at(pool.host(first).guard_log, at)
        assert loaded is not None and gone is not None
        assert gone <= loaded
        assert pool.wait_settled(60) == second

        pool.host(second).kill_host()
        third = other_active(pool, second, 40)
        at = boottime()
        wait_until(
            lambda: observer.first_own_block(at) is not None, timeout_s=30, what=f"a block signed by {third}"
        )
        pool.host(second).start()
        assert pool.wait_settled(90) == third
    finally:
        observer.stop()
    assert overlaps(pool.hosts, pool.localnet.pool.public_key) == []
    assert observer.signed_twice() == []
