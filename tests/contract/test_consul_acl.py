"""Consul with ACLs: which rules the agent's token needs, and that a missing one is named."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from consul.base import ACLPermissionDenied

from hafailover.core.beat import Beat, Phase
from hafailover.core.views import Request
from hafailover.lab import ConsulCluster
from hafailover.lock.client import Address, connect
from hafailover.lock.consul import ConsulLease, ConsulWatch
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.keys import PoolKeys
from hafailover.lock.policy import host_policy, operator_policy, service_rule, session_rule
from hafailover.lock.roster import Roster
from hafailover.observe.look import Look
from hafailover.orders.desk import Desk
from hafailover.orders.documents import Drain, Drill, Pause, Plan
from hafailover.timing import PROFILES

from .fake_consul import SESSION, TOKEN, failure

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

    SESSION_RULE = session_rule("host1")

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

    def test_the_policy_of_a_host_suffices(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account, *host_policy(account, "a", "host1"))
        session = store.open_session()
        store.sweep()
        again = self.store(secured, account, *host_policy(account, "a", "host1"))
        again.resume(session)
        again.feed()
        got = store.acquire(session)
        store.beat(session, Beat(got.term, 1, "a", Phase.ACTIVE, 8.5))
        store.renew(session)
        store.record_dropped(3, "a")
        store.forget_dropped(9)
        store.release(session, Beat(got.term, 2, "a", Phase.RELEASED, 8.5))
        store.destroy(session)

    def test_without_the_keys(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account, self.SESSION_RULE, service_rule(account, "a"))
        session = store.open_session()
        calls: list[Callable[[], object]] = [
            lambda: store.acquire(session),
            lambda: store.beat(session, BEAT),
            lambda: store.release(session, BEAT),
            lambda: store.record_dropped(3, "a"),
        ]
        for call in calls:
            error = failure(call)
            assert error.kind is Kind.DENIED
            assert str(error).endswith(f"its token needs the rule: {self.key_rule(account)}")

    def test_without_the_session(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account, service_rule(account, "a"), self.key_rule(account))
        error = failure(store.open_session)
        assert error.kind is Kind.DENIED
        assert self.SESSION_RULE in str(error)

    def test_without_the_service(self, secured: ConsulCluster, account: str) -> None:
        store = self.store(secured, account, self.SESSION_RULE, self.key_rule(account))
        error = failure(store.open_session)
        assert error.kind is Kind.DENIED
        assert service_rule(account, "a") in str(error)

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


class TestOperator:
    """The commands' token: sees everything, gives orders and wishes, and cannot touch the lease."""

    @pytest.fixture
    def account(self) -> str:
        return f"pool-{uuid.uuid4().hex[:8]}.near"

    def address(self, secured: ConsulCluster, rules: list[str]) -> Address:
        return Address(port=secured.server(0).http_port, token=secured.create_token("\n".join(rules)))

    def test_its_policy_suffices(self, secured: ConsulCluster, account: str) -> None:
        address = self.address(secured, operator_policy(account, "host1"))
        for call in COMMANDS.values():
            call(address, account)

    @pytest.mark.parametrize("number", range(4))
    def test_without_one_line_what_fails_names_it(
        self, secured: ConsulCluster, account: str, number: int
    ) -> None:
        rules = operator_policy(account, "host1")
        missing = rules.pop(number)
        address = self.address(secured, rules)
        said = []
        for call in COMMANDS.values():
            try:
                call(address, account)
            except CallError as error:
                assert error.kind is Kind.DENIED
                said.append(str(error))
        # A command opens its session before it knows which Consul node that is bound to.
        name = missing.replace("host1", "NODE") if missing.startswith("session") else missing
        assert said
        assert all(text.endswith(f"its token needs the rule: {name}") for text in said)

    def test_it_cannot_touch_the_lease(self, secured: ConsulCluster, account: str) -> None:
        keys = PoolKeys(account)
        consul = connect(self.address(secured, operator_policy(account, "host1")), 2.0)
        for key in (keys.lock, keys.heartbeat, f"{keys.nodes}a", f"{keys.dropped}3", f"{keys.history}3"):
            with pytest.raises(ACLPermissionDenied):
                consul.kv.put(key, "x")


def _switchover(address: Address, account: str) -> None:
    roster = Roster(address, account, 2.0)
    with roster.wish(Request("r1", "b", 10), lambda _: None) as session:
        assert session is not None
        roster.renew_session(session)
        roster.answer_to("r1")


def _pause(address: Address, account: str) -> None:
    desk = Desk(address, account, 2.0)
    desk.pause(Pause(id="p1", until="2030-01-01T00:00:00+00:00", for_s=60.0))
    assert desk.resume()


def _drain(address: Address, account: str) -> None:
    desk = Desk(address, account, 2.0)
    desk.drain(Drain(id="d1", node="a"))
    assert desk.undrain("a")


def _plan(address: Address, account: str) -> None:
    desk = Desk(address, account, 2.0)
    desk.plan(Plan(id="p1", to="a", term=3), 0)
    desk.drill(Drill(id="d1", kind="agent", node="a", term=3))
    assert desk.end_drill()


COMMANDS: dict[str, Callable[[Address, str], object]] = {
    "status": lambda address, account: Look(address, account).take(),
    "history": lambda address, account: Roster(address, account, 2.0).history(),
    "orders": lambda address, account: Desk(address, account, 2.0).read(),
    "switchover": _switchover,
    "pause": _pause,
    "drain": _drain,
    "plan": _plan,
}
