"""Consul with ACLs: which rules the agent's token needs, and that a missing one is named."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hafailover.core.beat import Beat, Phase
from hafailover.lab import ConsulCluster
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulLease, ConsulWatch
from hafailover.lock.errors import Kind
from hafailover.timing import PROFILES

from .fake_consul import SESSION, TOKEN, failure
from .pools import claim

pytestmark = pytest.mark.consul

BEAT = Beat(7, 1, "a", Phase.ACTIVE, 8.5)


@pytest.fixture(scope="module")
def secured(consul_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulCluster]:
    folder = tmp_path_factory.mktemp("consul-acl")
    with ConsulCluster(consul_binary, folder, servers=1, names=["host1"], acl=True) as cluster:
        cluster.start(60)
        yield cluster


class TestAcl:
    """A token that lacks a right: the text names the rule that it needs, as an operator would write it."""

    SESSION_RULE = 'session "host1" { policy = "write" }'
    SERVICE_RULE = 'service "hafailover" { policy = "write" }'

    def store(self, secured: ConsulCluster, account: str, *rules: str) -> ConsulLease:
        token = secured.create_token("\n".join(rules)) if rules else TOKEN
        address = Address(port=secured.server(0).http_port, token=token)
        return ConsulLease(address, account, "a", PROFILES["default"], "host1")

    @pytest.fixture
    def account(self) -> str:
        return f"pool-{uuid.uuid4().hex[:8]}.near"

    @staticmethod
    def key_rule(account: str) -> str:
        return f'key_prefix "hafailover/{account}/" {{ policy = "write" }}'

    def test_these_three_rules_suffice(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account, self.SESSION_RULE, self.SERVICE_RULE, self.key_rule(account))
        session = store.open_session()
        got = store.acquire(session)
        store.beat(session, Beat(got.term, 1, "a", Phase.ACTIVE, 8.5))
        store.renew(session)
        store.record_dropped(claim(3))
        store.forget_dropped(9)
        store.release(session, Beat(got.term, 2, "a", Phase.RELEASED, 8.5))
        store.destroy(session)

    def test_without_the_keys(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account, self.SESSION_RULE, self.SERVICE_RULE)
        session = store.open_session()
        calls: list[Callable[[], object]] = [
            lambda: store.acquire(session),
            lambda: store.beat(session, BEAT),
            lambda: store.release(session, BEAT),
            lambda: store.record_dropped(claim(3)),
        ]
        for call in calls:
            error = failure(call)
            assert error.kind is Kind.DENIED
            assert str(error).endswith(f"its token needs the rule: {self.key_rule(account)}")

    def test_without_the_session(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account, self.SERVICE_RULE, self.key_rule(account))
        error = failure(store.open_session)
        assert error.kind is Kind.DENIED
        assert self.SESSION_RULE in str(error)

    def test_without_the_service(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account, self.SESSION_RULE, self.key_rule(account))
        error = failure(store.open_session)
        assert error.kind is Kind.DENIED
        assert self.SERVICE_RULE in str(error)

    def test_with_a_token_that_does_not_exist(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account)
        calls: list[Callable[[], object]] = [store.open_session, store.feed, lambda: store.renew(SESSION)]
        for call in calls:
            assert failure(call).kind is Kind.DENIED
        assert failure(lambda: store.beat(SESSION, BEAT)).kind is Kind.DENIED

    def test_a_watch_without_the_keys_is_no_empty_lock(self, secured: ConsulCluster, account: str) -> None:
        """Taking a lock that must not be read for free would be worse than an error."""
        token = secured.create_token(self.SESSION_RULE)
        address = Address(port=secured.server(0).http_port, token=token)
        watch = ConsulWatch(address, account, 0.5)
        assert failure(lambda: watch.lock(None, 0.0)).kind is Kind.DENIED
