"""The contract's fixtures: a pool in memory and one in Consul, and the stores of two of its nodes."""

import uuid

import pytest

from hafailover.lock.base import LeaseStore

from .pools import ConsulPool, Pool, memory_pool


@pytest.fixture(params=["memory", pytest.param("consul", marks=pytest.mark.consul)])
def pool(request: pytest.FixtureRequest) -> Pool:
    if request.param == "memory":
        return memory_pool()
    cluster = request.getfixturevalue("consul_single")
    return ConsulPool(cluster.server(0), f"pool-{uuid.uuid4().hex[:12]}.near")


@pytest.fixture
def a(pool: Pool) -> LeaseStore:
    return pool.lease("a")


@pytest.fixture
def b(pool: Pool) -> LeaseStore:
    return pool.lease("b")
