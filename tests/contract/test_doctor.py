"""The examination of a real Consul with ACLs: each missing right is named, and nothing is left behind."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hafailover.doctor.checks import consul as consul_check
from hafailover.doctor.checks import rights as rights_check
from hafailover.doctor.facts.consul import NODE_RULE, OPERATOR_RULE, look_at_consul
from hafailover.doctor.facts.latency import READS, WRITES, measure
from hafailover.doctor.facts.pool import consul_nodes, look_at_pool, pool_public_key
from hafailover.doctor.facts.rights import try_rights
from hafailover.doctor.finding import Severity
from hafailover.lab import ConsulCluster
from hafailover.lock.client import Address, connect
from hafailover.lock.commits import NEVER
from hafailover.lock.errors import CallError
from hafailover.lock.keys import PoolKeys
from hafailover.lock.policy import agent_rule, host_policy
from hafailover.lock.roster import Roster

pytestmark = pytest.mark.consul

TO_SEE_MORE = (agent_rule("host1"), NODE_RULE, OPERATOR_RULE)


@pytest.fixture(scope="module")
def secured(consul_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulCluster]:
    folder = tmp_path_factory.mktemp("consul-doctor")
    with ConsulCluster(consul_binary, folder, servers=1, names=["host1"], acl=True) as cluster:
        cluster.start(60)
        yield cluster


@pytest.fixture
def account() -> str:
    return f"pool-{uuid.uuid4().hex[:8]}.near"


def address(secured: ConsulCluster, *rules: str) -> Address:
    return Address(port=secured.server(0).http_port, token=secured.create_token("\n".join(rules)))


def enough(account: str) -> list[str]:
    return host_policy(account, "a", "host1")


def missing(secured: ConsulCluster, account: str, *rules: str) -> dict[str, str]:
    """The rules to add, with how severe it is that they are missing."""
    found = rights_check.judge(try_rights(address(secured, *rules), account, "a"))
    bad = [one for one in found if one.severity is not Severity.OK]
    return {one.remedy.partition("policy: ")[2]: str(one.severity) for one in bad}


def as_manager(secured: ConsulCluster, path: str) -> object:
    return secured.server(0).request("GET", path, token=secured.management_token)


def test_the_policy_of_the_manual_is_enough(secured: ConsulCluster, account: str) -> None:
    assert missing(secured, account, *enough(account)) == dict.fromkeys(TO_SEE_MORE, "info")
    assert missing(secured, account, *enough(account), *TO_SEE_MORE) == {}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_rule_that_is_missing_is_named(secured: ConsulCluster, account: str, number: int) -> None:
    rules = [*enough(account), *TO_SEE_MORE]
    rule = rules.pop(number)
    assert missing(secured, account, *rules) == {rule: "error"}


def test_a_right_that_is_taken_from_the_lock_alone(secured: ConsulCluster, account: str) -> None:
    """The token may write its own key below the prefix; only a trial of the lock itself shows the fault."""
    lock = f'key "{PoolKeys(account).lock}" {{ policy = "read" }}'
    found = rights_check.judge(try_rights(address(secured, *enough(account), lock), account, "a"))
    (wrong,) = [one for one in found if one.severity is Severity.ERROR]
    assert (wrong.id, wrong.remedy) == ("rights.key-lock", f"add to its policy: {PoolKeys(account).rule}")


def test_a_token_that_does_not_exist(secured: ConsulCluster, account: str) -> None:
    stranger = Address(port=secured.server(0).http_port, token=str(uuid.uuid4()))
    found = rights_check.judge(try_rights(stranger, account, "a"))
    assert sum(one.severity is Severity.ERROR for one in found) == 3
    assert str(stranger.token.value) not in repr(found)


def test_nothing_is_left_behind_and_nothing_of_the_pools_is_touched(
    secured: ConsulCluster, account: str
) -> None:
    where = address(secured, *enough(account))
    keys = PoolKeys(account)
    consul = connect(where, 2.0)
    for key in (keys.lock, keys.heartbeat):
        consul.kv.put(key, "as it was")
    before = as_manager(secured, f"/v1/kv/{keys.prefix}?recurse")

    try_rights(where, account, "a")
    measure(where, account, "a", 2.0)

    assert as_manager(secured, f"/v1/kv/{keys.prefix}?recurse") == before
    assert as_manager(secured, "/v1/session/list") == []
    assert "doctor" not in json.dumps(as_manager(secured, "/v1/agent/services"))


def test_a_condition_that_no_key_meets_creates_none(secured: ConsulCluster, account: str) -> None:
    consul = connect(address(secured, *enough(account)), 2.0)
    key = PoolKeys(account).lock
    assert consul.kv.put(key, "never", cas=NEVER) is False
    assert consul.kv.get(key)[1] is None


def test_the_time_that_calls_take(secured: ConsulCluster, account: str) -> None:
    found = measure(address(secured, *enough(account)), account, "a", 5.0)
    assert (len(found.reads), len(found.writes), found.failed) == (READS, WRITES, ())
    assert min(found.reads + found.writes) > 0
    read_only = PoolKeys(account).rule.replace("write", "read")
    of_reader = measure(address(secured, read_only), account, "a", 5.0)
    assert (of_reader.writes, of_reader.may_write) == ((), False)


def test_consul_as_a_token_with_every_right_sees_it(secured: ConsulCluster, account: str) -> None:
    server = secured.server(0)
    facts = look_at_consul(address(secured, *enough(account), *TO_SEE_MORE))
    assert facts.why == ()
    assert facts.leader == server.rpc_address
    assert facts.peers == (facts.leader,)
    assert facts.raft is not None
    assert [(one.node, one.voter) for one in facts.raft] == [("host1", True)]
    (member,) = facts.members
    assert (member.name, member.state) == ("host1", "alive")
    assert (member.serf_port, member.rpc_port) == (server.serf_port, server.rpc_port)
    local = facts.local
    assert local is not None
    assert (local.acls, local.leaves_on_terminate, local.cleans_up_servers) == (True, False, False)
    assert local.tuning is not None
    assert local.tuning.multiplier == 1
    # One server alone; autopilot calls it well only some seconds after its start.
    warned = {one.id for one in consul_check.judge(facts) if one.severity is Severity.WARNING}
    assert {"consul.servers"} <= warned <= {"consul.servers", "consul.health"}


def test_consul_as_the_agents_token_sees_it(secured: ConsulCluster, account: str) -> None:
    facts = look_at_consul(address(secured, *enough(account)))
    assert (facts.raft, facts.autopilot, facts.members, facts.local) == (None, None, (), None)
    found = consul_check.judge(facts)
    skipped = {one.id: one.text for one in found if one.severity is Severity.SKIPPED}
    assert set(skipped) == {"consul.voters", "consul.health", "consul.members", "consul.agent"}
    assert OPERATOR_RULE in skipped["consul.voters"]
    assert OPERATOR_RULE in skipped["consul.health"]
    assert NODE_RULE in skipped["consul.members"]
    assert "agent" in skipped["consul.agent"]


def test_the_pool_and_where_its_hosts_are(secured: ConsulCluster, account: str) -> None:
    where = address(secured, *enough(account))
    roster = Roster(where, account, 2.0)
    session = roster.open_wish_session()
    try:
        assert roster.publish("a", session, {"node": "a", "role": "standby"})
        roster.record_public_key("ed25519:k")
        assert consul_nodes(where, account) == {"a": "host1"}
        assert pool_public_key(where, account) == "ed25519:k"
        assert [host.node for host in look_at_pool(where, account).hosts] == ["a"]
    finally:
        roster.close_session(session)


def test_a_consul_that_is_not_there(account: str) -> None:
    nobody = Address(port=1)
    looks: list[Callable[[], object]] = [
        lambda: look_at_consul(nobody),
        lambda: try_rights(nobody, account, "a"),
        lambda: measure(nobody, account, "a", 0.5),
        lambda: consul_nodes(nobody, account),
    ]
    for look in looks:
        with pytest.raises(CallError, match="no connection to Consul"):
            look()
