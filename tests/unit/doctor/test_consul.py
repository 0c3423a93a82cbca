"""Consul as it is to be, and everything that can be wrong with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafailover.agent.advice import Tuning
from hafailover.doctor.checks.consul import judge, judge_with_commit, unreachable
from hafailover.doctor.checks.latency import judge_tuning
from hafailover.doctor.facts import consul as facts
from hafailover.doctor.facts.consul import (
    Autopilot,
    Commit,
    ConsulFacts,
    LocalAgent,
    Member,
    RaftServer,
    try_a_commit,
)
from hafailover.doctor.finding import Severity
from hafailover.lock.errors import CallError, Kind
from hafailover.timing import PROFILES

from ..observe.tiny_consul import ACCOUNT, TinyConsul
from .said import bad, ids, one

PEERS = tuple(f"192.0.2.{number}:8300" for number in (1, 2, 3))
LOCAL = LocalAgent("c1", "1.8.7", Tuning(1, server=True), True, False, False)
GOOD = ConsulFacts(
    leader=PEERS[0],
    peers=PEERS,
    raft=tuple(RaftServer(f"c{number}", peer, True) for number, peer in enumerate(PEERS, 1)),
    autopilot=Autopilot(True, 1, ()),
    members=tuple(Member(f"c{number}", f"192.0.2.{number}", 8301, "alive", 8300) for number in (1, 2, 3)),
    local=LOCAL,
)


def test_three_servers_that_are_well() -> None:
    assert bad(judge(GOOD)) == {}
    assert {finding.severity for finding in judge(GOOD)} == {Severity.OK}


def test_no_leader() -> None:
    assert bad(judge(replace(GOOD, leader=""))) == {"consul.leader": Severity.ERROR}


@pytest.mark.parametrize(("number", "text"), [(1, "one server"), (2, "2 servers"), (4, "4 servers")])
def test_a_number_of_servers_that_bears_too_little(number: int, text: str) -> None:
    found = judge(replace(GOOD, peers=tuple(f"192.0.2.{n}:8300" for n in range(number))))
    assert bad(found) == {"consul.servers": Severity.WARNING}
    assert text in one(found, "consul.servers").text


def test_a_server_without_a_vote() -> None:
    assert GOOD.raft is not None
    raft = (*GOOD.raft[:2], replace(GOOD.raft[2], voter=False))
    found = judge(replace(GOOD, raft=raft))
    assert bad(found) == {"consul.voters": Severity.WARNING}
    assert "c3 has no vote" in one(found, "consul.voters").text


@pytest.mark.parametrize(("tolerance", "severity"), [(0, Severity.ERROR), (1, Severity.WARNING)])
def test_a_server_that_is_not_well(tolerance: int, severity: Severity) -> None:
    found = judge(replace(GOOD, autopilot=Autopilot(False, tolerance, ("c2",))))
    assert bad(found) == {"consul.health": severity}
    assert "c2" in one(found, "consul.health").text


def test_a_member_that_has_failed_or_left() -> None:
    members = (
        GOOD.members[0],
        replace(GOOD.members[1], state="failed"),
        replace(GOOD.members[2], state="left"),
    )
    found = judge(replace(GOOD, members=members))
    assert bad(found) == {"consul.members": Severity.ERROR}
    assert [finding.node for finding in found if finding.id == "consul.members"] == ["c2", "c3", ""]


def test_an_agent_that_leaves_and_servers_that_are_removed() -> None:
    found = judge(replace(GOOD, local=replace(LOCAL, leaves_on_terminate=True, cleans_up_servers=True)))
    assert bad(found) == {"consul.agent": Severity.WARNING, "consul.autopilot": Severity.WARNING}


def test_without_acls() -> None:
    found = judge(replace(GOOD, local=replace(LOCAL, acls=False)))
    assert bad(found) == {}
    assert one(found, "consul.acl").severity is Severity.INFO


def test_what_the_token_may_not_see_is_skipped_with_the_rule() -> None:
    why = (
        'reading Raft\'s configuration: Consul denied it; its token needs the rule: operator = "read"',
        'reading the servers\' health: Consul denied it; its token needs the rule: operator = "read"',
    )
    found = judge(replace(GOOD, raft=None, autopilot=None, members=(), local=None, why=why))
    assert bad(found) == {}
    assert ids(found, Severity.SKIPPED) == [
        "consul.voters",
        "consul.health",
        "consul.members",
        "consul.agent",
    ]
    assert 'operator = "read"' in one(found, "consul.voters").text


def test_nobody_there() -> None:
    (found,) = unreachable(CallError(Kind.UNREACHABLE, "no connection to Consul"), "http://127.0.0.1:8500")
    assert (found.id, found.severity) == ("consul.reach", Severity.ERROR)
    assert "http://127.0.0.1:8500" in found.remedy


def test_a_consul_that_runs_is_not_to_be_started() -> None:
    full = (
        "renewing the session: Consul answered 429, perhaps since ... (limits.http_max_conns_per_client ...)"
    )
    (found,) = unreachable(CallError(Kind.SERVER, full), "http://127.0.0.1:8500")
    assert "start Consul" not in found.remedy


@pytest.mark.parametrize(
    ("tuning", "severity"),
    [(Tuning(1, True), Severity.OK), (Tuning(5, True), Severity.WARNING), (None, Severity.SKIPPED)],
)
def test_fence_after_against_the_time_of_an_election(tuning: Tuning | None, severity: Severity) -> None:
    (found,) = judge_tuning(tuning, PROFILES["default"])
    assert (found.id, found.severity) == ("timing.fence", severity)


def test_a_consul_that_carries_writes_out() -> None:
    assert one(judge_with_commit(GOOD, Commit()), "consul.commits").severity is Severity.OK


def test_a_consul_that_does_not_is_an_error_whatever_else_is_well() -> None:
    found = one(judge_with_commit(GOOD, Commit("no answer in time", "stop Consul on c1")), "consul.commits")
    assert (found.severity, found.text) == (Severity.ERROR, "stop Consul on c1")


def test_nothing_says_that_consul_is_well_where_a_write_hangs() -> None:
    found = judge_with_commit(GOOD, Commit("no answer in time", "stop Consul on c1"))
    assert not {"consul.leader", "consul.health"} & {one.id for one in found}
    no_leader = judge_with_commit(replace(GOOD, leader=""), Commit("no answer in time", "stop it"))
    assert bad(no_leader)["consul.leader"] is Severity.ERROR


def test_a_token_that_may_not_try_it() -> None:
    found = one(judge_with_commit(GOOD, Commit("Consul denied it")), "consul.commits")
    assert found.severity is Severity.SKIPPED
    assert "Consul denied it" in found.text


class TestTheTry:
    def test_well(self, consul: TinyConsul) -> None:
        assert try_a_commit(consul.address, ACCOUNT, "a") == Commit()

    def test_hangs(self, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(facts, "COMMIT_S", 0.2)
        consul.hangs.set()
        tried = try_a_commit(consul.address, ACCOUNT, "a")
        assert "stop Consul on 127.0.0.1:8300" in tried.stuck

    def test_no_leader_is_another_finding(self, consul: TinyConsul) -> None:
        consul.down = True
        tried = try_a_commit(consul.address, ACCOUNT, "a")
        assert (bool(tried.failed), tried.stuck) == (True, "")
