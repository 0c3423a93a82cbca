"""What Consul has forgotten of a host is made again, and no other host's right reaches it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hafailover.core.beat import Beat, Phase
from hafailover.lab import ConsulCluster, LabError
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulLease
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.keys import OLD_SERVICE, service_name
from hafailover.lock.policy import host_policy
from hafailover.lock.token import Token
from hafailover.timing import PROFILES, with_changes

from .fake_consul import failure
from .pools import eventually

pytestmark = pytest.mark.consul

CHECK_TTL_S = 2.0
PROFILE = with_changes(PROFILES["default"], {"check_ttl_s": CHECK_TTL_S})


@pytest.fixture(scope="module")
def secured(consul_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulCluster]:
    folder = tmp_path_factory.mktemp("consul-registration")
    with ConsulCluster(consul_binary, folder, servers=1, names=["host1"], acl=True) as cluster:
        cluster.start(60)
        yield cluster


@pytest.fixture
def account() -> str:
    return f"pool-{uuid.uuid4().hex[:8]}.near"


def rules(account: str, node: str = "a") -> list[str]:
    """A host's whole policy."""
    return host_policy(account, node, "host1")


class Pool:
    """One host of a pool of its own, and a hand in Consul that may do everything."""

    def __init__(self, cluster: ConsulCluster, account: str, *more: str) -> None:
        self.cluster = cluster
        self.account = account
        self.token = cluster.create_token("\n".join([*rules(account), *more]))

    def lease(self, token: str | None = None) -> ConsulLease:
        address = Address(port=self.cluster.server(0).http_port, token=token or self.token)
        return ConsulLease(address, self.account, "a", PROFILE, "host1")

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        as_whom = token or self.cluster.management_token
        return self.cluster.server(0).request(method, path, json=body, token=as_whom)

    def services(self) -> dict[str, str]:
        """Names by id, of this host's agent."""
        found = self.ask("GET", "/v1/agent/services")
        return {id_: one["Service"] for id_, one in found.items() if self.account in id_}

    def lives(self, session: str) -> bool:
        return bool(self.ask("GET", f"/v1/session/info/{session}"))


@pytest.fixture
def pool(secured: ConsulCluster, account: str) -> Pool:
    return Pool(secured, account)


def test_a_service_is_named_after_pool_and_host(pool: Pool) -> None:
    pool.lease().open_session()
    assert list(pool.services().values()) == [f"hafailover-{pool.account}--a"]


def test_a_service_that_was_deregistered_is_registered_again_and_the_lost_session_is_learned(
    pool: Pool,
) -> None:
    store = pool.lease()
    session = store.open_session()
    (service,) = pool.services()
    pool.ask("PUT", f"/v1/agent/service/deregister/{service}")
    assert eventually(lambda: not pool.lives(session)), "Consul ends a session with its check"
    store.feed()
    assert list(pool.services()) == [service]
    assert failure(lambda: store.renew(session)).kind is Kind.SESSION_GONE
    assert pool.lives(store.open_session())


def test_a_check_alone_that_was_deregistered_comes_back(pool: Pool) -> None:
    store = pool.lease()
    store.open_session()
    (service,) = pool.services()
    pool.ask("PUT", f"/v1/agent/check/deregister/service:{service}")
    store.feed()
    assert pool.ask("GET", "/v1/agent/checks")[f"service:{service}"]["Status"] == "passing"


def test_a_restarted_agent_feeds_the_very_check_of_its_session(pool: Pool) -> None:
    session = pool.lease().open_session()
    before = pool.services()
    again = pool.lease()
    again.resume(session)
    assert pool.services() == before
    for _ in range(6):
        assert not eventually(lambda: not pool.lives(session), CHECK_TTL_S / 4)
        again.feed()


def test_a_session_that_is_gone_is_not_resumed(pool: Pool) -> None:
    store = pool.lease()
    session = store.open_session()
    store.destroy(session)
    assert failure(lambda: pool.lease().resume(session)).kind is Kind.SESSION_GONE


def test_what_earlier_agents_registered_is_removed(pool: Pool) -> None:
    pool.lease().open_session()
    (old,) = pool.services()
    store = pool.lease()
    session = store.open_session()
    assert len(pool.services()) == 2
    store.sweep()
    assert old not in pool.services()
    assert len(pool.services()) == 1
    assert pool.lives(session)


class TestRotation:
    """A token is replaced under a running agent, and the old one deleted."""

    def lease(self, pool: Pool, file: Path) -> ConsulLease:
        token = Token(pool.token, file.read_text, "consul.token_file")
        address = Address(port=pool.cluster.server(0).http_port, token=token)
        return ConsulLease(address, pool.account, "a", PROFILE, "host1")

    def delete(self, pool: Pool, token: str) -> None:
        accessor = pool.ask("GET", "/v1/acl/token/self", None, token)["AccessorID"]
        pool.ask("DELETE", f"/v1/acl/token/{accessor}")

    @pytest.fixture
    def file(self, pool: Pool, tmp_path: Path) -> Path:
        file = tmp_path / "token"
        file.write_text(pool.token)
        return file

    def test_the_old_one_is_deleted_first(self, pool: Pool, file: Path) -> None:
        """Nothing fails where the file has the new one: the lease goes on, and the check with it."""
        store = self.lease(pool, file)
        session = store.open_session()
        term = store.acquire(session).term
        file.write_text(pool.cluster.create_token("\n".join(rules(pool.account))))
        self.delete(pool, pool.token)
        for number in range(1, 7):
            store.beat(session, Beat(term, number, "a", Phase.ACTIVE, 8.5))
            store.feed()
            assert not eventually(lambda: not pool.lives(session), CHECK_TTL_S / 4)
        assert len(pool.services()) == 1

    def test_a_frozen_agent_is_noticed_with_the_old_one_gone(self, pool: Pool, file: Path) -> None:
        """Consul's agent reports the check with the token that it was registered with."""
        store = self.lease(pool, file)
        session = store.open_session()
        file.write_text(pool.cluster.create_token("\n".join(rules(pool.account))))
        self.delete(pool, pool.token)
        store.feed()
        store.feed()
        assert pool.lives(session)
        assert eventually(lambda: not pool.lives(session), CHECK_TTL_S + 3.0)

    def test_a_restarted_agent_registers_its_check_with_the_new_one(self, pool: Pool, file: Path) -> None:
        session = self.lease(pool, file).open_session()
        new = pool.cluster.create_token("\n".join(rules(pool.account)))
        pool.lease(new).resume(session)
        self.delete(pool, pool.token)
        assert pool.lives(session)
        assert eventually(lambda: not pool.lives(session), CHECK_TTL_S + 3.0)

    def test_without_a_new_one_in_the_file_it_says_so(self, pool: Pool, file: Path) -> None:
        store = self.lease(pool, file)
        store.open_session()
        self.delete(pool, pool.token)
        # Consul's server goes by its cache of tokens for a moment.
        assert eventually(lambda: _denied(store.feed), 5.0)
        error = failure(store.feed)
        assert "Consul does not know the token; consul.token_file holds no other one" in str(error)


def _denied(call: Callable[[], object]) -> bool:
    try:
        call()
    except CallError as error:
        return error.kind is Kind.DENIED
    return False


class TestUpgrade:
    """From the version whose hosts of all pools shared one service's name."""

    OLD_RULE = f'service "{OLD_SERVICE}" {{ policy = "write" }}'

    @pytest.fixture
    def pool(self, secured: ConsulCluster, account: str) -> Pool:
        return Pool(secured, account, self.OLD_RULE)

    def old_session(self, pool: Pool) -> str:
        id_ = f"{OLD_SERVICE}-a-{pool.account}"
        check = {"TTL": f"{CHECK_TTL_S}s", "Status": "passing"}
        body = {"Name": OLD_SERVICE, "ID": id_, "Check": check}
        pool.ask("PUT", "/v1/agent/service/register", body, pool.token)
        session = {"Checks": ["serfHealth", f"service:{id_}"], "TTL": "15s", "LockDelay": "0s"}
        return str(pool.ask("PUT", "/v1/session/create", session, pool.token)["ID"])

    def test_a_session_from_before_goes_on_and_its_service_gets_the_new_name(self, pool: Pool) -> None:
        session = self.old_session(pool)
        store = pool.lease()
        store.resume(session)
        assert list(pool.services().values()) == [service_name(pool.account, "a")]
        for _ in range(6):
            assert not eventually(lambda: not pool.lives(session), CHECK_TTL_S / 4)
            store.feed()

    def test_a_registration_from_before_is_removed(self, pool: Pool) -> None:
        self.old_session(pool)
        store = pool.lease()
        store.open_session()
        store.sweep()
        assert list(pool.services().values()) == [service_name(pool.account, "a")]

    def test_without_the_right_to_the_old_name_both_are_named(
        self, secured: ConsulCluster, pool: Pool
    ) -> None:
        session = self.old_session(pool)
        token = secured.create_token("\n".join(rules(pool.account)))
        error = failure(lambda: pool.lease(token).resume(session))
        assert error.kind is Kind.DENIED
        assert f'service "{service_name(pool.account, "a")}"' in str(error)
        assert self.OLD_RULE in str(error)


class TestAnotherPool:
    """With the token of a host of another pool on the same Consul, and that pool's documented policy."""

    @pytest.fixture
    def stranger(self, secured: ConsulCluster) -> Pool:
        # Of another machine: its right to sessions is of another Consul node.
        other = Pool(secured, f"other-{uuid.uuid4().hex[:8]}.near")
        policy = [rule.replace('"host1"', '"host2"') for rule in rules(other.account)]
        other.token = secured.create_token("\n".join(policy))
        return other

    def critical(self, stranger: Pool, service: str, check: str) -> None:
        body = {
            "Node": "host1",
            "Address": "127.0.0.1",
            "SkipNodeUpdate": True,
            "Check": {
                "Node": "host1",
                "CheckID": check,
                "ServiceID": service,
                "Name": "x",
                "Status": "critical",
            },
        }
        with contextlib.suppress(LabError):
            stranger.ask("PUT", "/v1/catalog/register", body, stranger.token)

    def own_service(self, stranger: Pool) -> str:
        """In the catalogue, where the right to one's own service's name is enough for any node."""
        id_ = f"own-{stranger.account}"
        service = {"Service": service_name(stranger.account, "a"), "ID": id_}
        body = {"Node": "host1", "Address": "127.0.0.1", "SkipNodeUpdate": True, "Service": service}
        stranger.ask("PUT", "/v1/catalog/register", body, stranger.token)
        return id_

    def test_it_cannot_make_this_pools_check_critical(self, pool: Pool, stranger: Pool) -> None:
        store = pool.lease()
        session = store.open_session()
        (service,) = pool.services()
        name = service_name(pool.account, "a")
        own = self.own_service(stranger)
        # What it can know: names are in the manual, the id is in no answer that it gets.
        for guess in (name, f"{OLD_SERVICE}-a-{pool.account}"):
            self.critical(stranger, guess, f"service:{guess}")
            self.critical(stranger, own, f"service:{guess}")
        # And had it found the id out, the service is still not its own.
        self.critical(stranger, service, f"service:{service}")
        assert pool.lives(session)
        term = store.acquire(session).term
        store.beat(session, Beat(term, 1, "a", Phase.ACTIVE, 8.5))

    def test_it_sees_neither_the_checks_id_nor_the_session(self, pool: Pool, stranger: Pool) -> None:
        session = pool.lease().open_session()
        (service,) = pool.services()
        seen = ""
        for path in (
            "/v1/agent/services",
            "/v1/agent/checks",
            "/v1/health/node/host1",
            "/v1/health/state/any",
            "/v1/catalog/node/host1",
            "/v1/catalog/services",
            f"/v1/catalog/service/{service_name(pool.account, 'a')}",
            "/v1/session/list",
            "/v1/session/node/host1",
            f"/v1/session/info/{session}",
        ):
            with contextlib.suppress(LabError):
                seen += str(stranger.ask("GET", path, None, stranger.token))
        assert service not in seen
        assert session not in seen
