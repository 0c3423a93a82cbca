"""Somebody else signs with the key of a pool that starts: nothing of Consul tells of it, the chain does."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.demo.observer import ChainObserver
from hafailover.lab.consul import ConsulCluster
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.process import ManagedProcess
from hafailover.lab.signers import holdings, overlaps
from hafailover.lab.waiting import wait_until
from hafailover.localnet.running import log_path, run_command
from hafailover.lock.client import Address
from hafailover.observe.look import Look

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


def run_cli(host: FailoverHost, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hafailover", *words, "--config", host.config],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_operators_order_overrides_it_for_one_term(
    pool: LabPool, old_validator: ManagedProcess, observer: ChainObserver
) -> None:
    """With the old validator still there, two sign: that is what the order says it risks."""
    host = pool.hosts[0]
    wait_until(lambda: observer.own_blocks() > 0, timeout_s=60, what="a block of the old validator")
    host.start()

    def said() -> str:
        view = pool.try_look()
        return view.verdict if view is not None else ""

    wait_until(
        lambda: "somebody else signs" in said(), timeout_s=60, what=lambda: f"the verdict, not {said()}"
    )
    refused = run_cli(host, "allow-first-term", "--account", "another")
    assert refused.returncode == 5, refused.stderr
    allowed = run_cli(host, "allow-first-term", "--account", pool.account_id)
    assert allowed.returncode == 0, allowed.stderr
    wait_until(
        lambda: (seen := pool.try_look()) is not None and seen.active == host.name,
        timeout_s=60,
        what=lambda: f"{host.name} to sign: {said()}",
    )
    wait_until(
        lambda: not list(host.folder.glob("first-term-*")), timeout_s=10, what="the end of the order's file"
    )
    assert "is the first on record, by order of" in host.agent_log.read_text()
    assert old_validator.is_alive()


def test_two_pools_with_a_consul_of_their_own_each(
    pool: LabPool, observer: ChainObserver, consul_binary: Path
) -> None:
    """The third host was given another Consul cluster by mistake."""
    first, stray = pool.hosts[:2], pool.hosts[2]
    key = pool.localnet.pool.public_key
    with ConsulCluster(consul_binary, pool.folder / "other", servers=1, names=["stray"]) as other:
        other.start()
        alone = FailoverHost(pool.folder / "stray", pool.localnet, stray.node, other.servers[0], link=False)
        for host in first:
            host.start()
        wait_until(
            lambda: (seen := pool.try_look()) is not None and seen.active is not None,
            timeout_s=90,
            what="an active of the first pool",
        )
        try:
            alone.start()
            time.sleep(LONG_ENOUGH_S)
            assert holdings(alone, key) == []
            look = Look(Address(port=other.servers[0].http_port), pool.account_id)
            assert f"somebody else signs for {pool.account_id}" in look.take().verdict
            own = pool.look()
            assert own.ok, own.verdict
            for host in first:
                host.stop()
            wait_until(lambda: look.take().active == stray.name, timeout_s=90, what="the other pool to sign")
            assert overlaps([*first, alone], key) == []
            assert observer.signed_twice() == []
        finally:
            alone.stop()
