"""An old validator signs with the pool's key while a new pool starts: nothing of Consul's tells of it."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.demo.observer import ChainObserver
from hafailover.lab.pool import LabPool
from hafailover.lab.process import ManagedProcess
from hafailover.lab.signers import holdings
from hafailover.lab.waiting import wait_until
from hafailover.localnet.running import log_path, run_command

pytestmark = [pytest.mark.consul, pytest.mark.timeout(300)]

LONG_ENOUGH_S = 45.0
"""Without the rule a new pool armed after the longest wait of 15.65 s, and some seconds for its start."""


@pytest.fixture
def pool(consul_binary: Path) -> Iterator[LabPool]:
    folder = Path(tempfile.mkdtemp(prefix="hafailover-"))
    pool = LabPool(folder, consul_binary, links=False)
    try:
        pool.start_network(lambda _: None)
        yield pool
    finally:
        pool.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def observer(pool: LabPool) -> Iterator[ChainObserver]:
    observer = ChainObserver(pool.localnet.validators, pool.account_id)
    observer.start()
    yield observer
    observer.stop()


@pytest.fixture
def old_validator(pool: LabPool) -> Iterator[ManagedProcess]:
    """A neard with the pool's key that no guard runs, in the home of the pool's third host."""
    node = pool.hosts[2].node
    shutil.copy(pool.localnet.pool.credential, node.home / "validator_key.json")
    process = ManagedProcess.start(
        "old-validator", run_command(pool.localnet, node), log_path=log_path(pool.localnet, node)
    )
    yield process
    process.kill()


def test_a_new_pool_does_not_arm_while_an_old_validator_signs(
    pool: LabPool, old_validator: ManagedProcess, observer: ChainObserver
) -> None:
    hosts = pool.hosts[:2]
    wait_until(lambda: observer.own_blocks() > 0, timeout_s=60, what="a block of the old validator")
    for host in hosts:
        host.start()
    time.sleep(LONG_ENOUGH_S)

    key = pool.localnet.pool.public_key
    assert [one for host in hosts for one in holdings(host, key)] == []
    view = pool.look()
    assert not view.ok
    assert view.active is None
    assert f"somebody else signs for {pool.account_id}" in view.verdict
    assert "nobody signs" not in view.verdict
    assert any("look for another neard with this key" in host.reason for host in view.hosts)

    old_validator.kill()
    wait_until(
        lambda: (seen := pool.try_look()) is not None and seen.active is not None,
        timeout_s=90,
        what=lambda: f"a host that signs: {pool.look().verdict}",
    )
    wait_until(
        lambda: (seen := pool.try_look()) is not None and "somebody else" not in seen.verdict,
        timeout_s=30,
        what="the end of the alarm",
    )
    assert observer.signed_twice() == []
