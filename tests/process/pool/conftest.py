"""One pool of real processes for all tests here: three Consul servers, stand-ins for neard, three hosts.

A test takes the pool settled (one active, two ready standbys) and leaves it so; after each one it is checked
that no two hosts had the key loaded at once and that no height was signed twice.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.demo.observer import ChainObserver
from hafailover.lab.pool import LabPool
from hafailover.lab.signers import overlaps

from .starting import settled_pool


@pytest.fixture(scope="package")
def whole_pool(consul_binary: Path) -> Iterator[LabPool]:
    with settled_pool(consul_binary) as pool:
        yield pool


@pytest.fixture(scope="package")
def observer(whole_pool: LabPool) -> Iterator[ChainObserver]:
    observer = ChainObserver(whole_pool.localnet.validators, whole_pool.account_id)
    observer.start()
    yield observer
    observer.stop()


@pytest.fixture
def pool(whole_pool: LabPool, observer: ChainObserver) -> Iterator[LabPool]:
    whole_pool.wait_settled(90)
    yield whole_pool
    for host in whole_pool.hosts:
        (host.node.home / "localneard.json").unlink(missing_ok=True)
        if host.link is not None:
            host.link.heal()
        for process in (host.agent, host.guard):
            if process is not None and process.is_alive():
                process.thaw()
        if not host.consul.is_alive():
            host.consul.start()
        host.start()
    assert overlaps(whole_pool.hosts, whole_pool.localnet.pool.public_key) == []
    assert observer.signed_twice() == []
