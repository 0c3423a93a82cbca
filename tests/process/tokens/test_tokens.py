"""A pool whose Consul has ACLs, each host with the published policy alone; and what Consul forgets."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.demo.observer import ChainObserver
from hafailover.lab.errors import LabError
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.signers import overlaps
from hafailover.lab.waiting import wait_until
from hafailover.lock.policy import operator_policy
from hafailover.near.rpc import Production
from hafailover.observe.cost import cost

from ..pool.starting import settled_pool
from ..pool.test_commands import command
from ..pool.waiting import log_since, logged, role, size, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(300)]

TWO_BEATS_S = 2.0
SLACK_S = 8.0
"""For two busy cores, and the looks of the test itself."""


@pytest.fixture(scope="module")
def whole_pool(consul_binary: Path) -> Iterator[LabPool]:
    with settled_pool(consul_binary, acl=True) as pool:
        yield pool


@pytest.fixture(scope="module")
def observer(whole_pool: LabPool) -> Iterator[ChainObserver]:
    observer = ChainObserver(whole_pool.localnet.validators, whole_pool.account_id)
    observer.start()
    yield observer
    observer.stop()


@pytest.fixture
def pool(whole_pool: LabPool, observer: ChainObserver) -> Iterator[LabPool]:
    whole_pool.wait_settled(90)
    pids = [host.running_agent().pid for host in whole_pool.hosts]
    yield whole_pool
    assert [host.running_agent().pid for host in whole_pool.hosts] == pids, "an agent was restarted"
    assert overlaps(whole_pool.hosts, whole_pool.localnet.pool.public_key) == []
    assert observer.signed_twice() == []


def missed(observer: ChainObserver, before: Production | None) -> int:
    """How many of the pool's blocks were not made since ``before``."""
    found = cost(before, observer.production())
    assert found is not None, "the epoch has changed in between: try again"
    return found.blocks_missed


def delete_token(pool: LabPool, token: str) -> None:
    server, manager = pool.consul.server(0), pool.consul.management_token
    accessor = server.request("GET", "/v1/acl/token/self", token=token)["AccessorID"]
    server.request("DELETE", f"/v1/acl/token/{accessor}", token=manager)


def token_of(host: FailoverHost) -> Path:
    assert host.token_file is not None
    return host.token_file


def test_the_published_policies_are_enough_for_agents_and_commands(pool: LabPool) -> None:
    active = pool.wait_settled()
    asked = pool.host(active)
    other = standbys(pool, active)[0]
    own = token_of(asked).read_text()
    rules = operator_policy(pool.account_id, asked.consul.name)
    operator = pool.consul.create_token("\n".join(rules), "operator")
    try:
        # Commands read the file at their start; the agent goes on with what it has.
        token_of(asked).write_text(operator)
        done = [
            command(asked, *words)
            for words in (
                ("status",),
                ("history",),
                ("pause", "--for", "60s"),
                ("resume",),
                ("drain", other.name),
                ("undrain", other.name),
                ("switchover", "--at-once", "--to", other.name),
            )
        ]
    finally:
        token_of(asked).write_text(own)
    assert [one.returncode for one in done] == [0] * len(done), [one.stdout + one.stderr for one in done]
    assert pool.wait_settled(60) == other.name


def test_a_rotation_costs_nothing(pool: LabPool, observer: ChainObserver) -> None:
    """The documented procedure, on all hosts: new token into the file, SIGHUP, and the old one is deleted."""
    active, term = pool.wait_settled(), pool.look().term
    before, at = observer.production(), boottime()
    for host in pool.hosts:
        mark, old = size(host.agent_log), token_of(host).read_text()
        token_of(host).write_text(pool.new_token(host))
        host.running_agent().signal(signal.SIGHUP)
        logged(host.agent_log, "a new token for Consul is in use", 10, mark)
        delete_token(pool, old)
    # Longer than any check, fence or session lives without what the token is for.
    wait_until(lambda: boottime() - at > 40, timeout_s=60, what="time to pass")
    assert (pool.wait_settled(), pool.look().term) == (active, term)
    assert missed(observer, before) == 0
    for host in pool.hosts:
        assert "fenced" not in log_since(host.agent_log, 0)


def test_a_token_that_is_deleted_before_the_agent_is_told_costs_nothing_either(
    pool: LabPool, observer: ChainObserver
) -> None:
    active, term = pool.wait_settled(), pool.look().term
    host, before, at = pool.host(active), observer.production(), boottime()
    old = token_of(host).read_text()
    token_of(host).write_text(pool.new_token(host))
    delete_token(pool, old)
    wait_until(lambda: boottime() - at > 20, timeout_s=40, what="time to pass")
    assert (pool.wait_settled(), pool.look().term) == (active, term)
    assert missed(observer, before) == 0


def test_a_deleted_token_without_a_new_one_is_called_that(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = standbys(pool, active)[0]
    mark, old = size(host.agent_log), token_of(host).read_text()
    delete_token(pool, old)
    logged(host.agent_log, "Consul does not know the token; consul.token_file", 15, mark)
    assert old not in host.agent_log.read_text()
    token_of(host).write_text(pool.new_token(host))
    # Until then Consul cannot carry out what is done to the service: its registration has the deleted token.
    logged(host.agent_log, "the agent's check is registered with the new token", 15, mark)
    assert pool.wait_settled(60) == active


def deregister(pool: LabPool, host: FailoverHost) -> None:
    """As ``consul services deregister`` does."""
    token = pool.consul.management_token
    services = host.consul.request("GET", "/v1/agent/services", token=token)
    ours = [id_ for id_, one in services.items() if one["Service"].startswith("hafailover-")]
    assert ours
    for id_ in ours:
        host.consul.request("PUT", f"/v1/agent/service/deregister/{id_}", token=token)


def session_of(pool: LabPool, host: FailoverHost) -> str | None:
    """The session that holds the host's record."""
    path = f"/v1/kv/hafailover/{pool.account_id}/nodes/{host.name}"
    (entry,) = host.consul.request("GET", path, token=pool.consul.management_token)
    session = entry.get("Session")
    return str(session) if session else None


def test_a_standby_whose_service_was_deregistered_is_back_by_itself(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = standbys(pool, active)[0]
    before = session_of(pool, host)
    at = boottime()
    deregister(pool, host)
    wait_until(
        lambda: session_of(pool, host) not in (None, before),
        timeout_s=TWO_BEATS_S + SLACK_S,
        what="another session of its own",
    )
    assert boottime() - at < TWO_BEATS_S + SLACK_S
    assert role(pool, host.name) != "gone"
    assert pool.wait_settled(30) == active


def test_an_active_whose_service_was_deregistered_ends_its_term_and_is_back(pool: LabPool) -> None:
    """Whoever takes the lock then, the same host or another: a new term begins, and all three are there."""
    active = pool.wait_settled()
    term = pool.look().term
    deregister(pool, pool.host(active))
    wait_until(lambda: pool.look().term not in (None, term), timeout_s=30, what="another term")
    pool.wait_settled(60)


def test_a_consul_without_its_data_folder_as_after_a_rollback(pool: LabPool) -> None:
    """Of a standby's host, by the manual: its agent makes all again that was registered."""
    active = pool.wait_settled()
    host, other = standbys(pool, active)
    host.consul.terminate()
    wait_until(lambda: role(pool, host.name) == "gone", timeout_s=30, what="the end of its session")
    shutil.rmtree(host.consul.folder / "data")
    manager = pool.consul.management_token
    other.consul.request(
        "PUT",
        f"/v1/agent/force-leave/{host.consul.name}",
        params={"prune": ""},
        token=manager,
        timeout_s=20.0,
    )
    host.consul.start()
    # The server is a new one, which needs a token of its own again, as its operator would give it.
    token = pool.consul.management_token

    def own_token() -> bool:
        try:
            host.consul.request("PUT", "/v1/agent/token/agent", json={"Token": token}, token=token)
        except LabError:
            return False
        return True

    wait_until(own_token, timeout_s=60, what="the server's own token")
    assert pool.wait_settled(180) == active
