"""The pool by its hosts' records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafailover.doctor.checks.pool import judge, judge_own
from hafailover.doctor.finding import Severity
from hafailover.observe.overview import Overview
from hafailover.observe.records import DutyRecord, NodeRecord, ProductionRecord

from .said import bad, one

A = NodeRecord(
    node="a",
    role="active",
    ready=True,
    neard_version="2.10.0",
    agent_version="0.1.0",
    profile="default",
    public_key="ed25519:k",
)
B = A.model_copy(update={"node": "b", "role": "standby"})
C = B.model_copy(update={"node": "c"})
GOOD = Overview("pool.near", True, "a signs", "a", 7, None, (A, B, C))


def with_hosts(*hosts: NodeRecord, active: str | None = "a") -> Overview:
    return replace(GOOD, hosts=hosts, active=active, verdict="the verdict")


def changed(host: NodeRecord, **values: object) -> NodeRecord:
    return host.model_copy(update=values)


def test_a_pool_that_is_well() -> None:
    assert {finding.severity for finding in judge(GOOD)} == {Severity.OK}
    assert judge_own(GOOD, "a", "0.1.0") == []


def test_before_anybody_has_joined() -> None:
    empty = replace(GOOD, hosts=(), active=None)
    assert [finding.severity for finding in judge(empty)] == [Severity.INFO]
    assert bad(judge_own(empty, "a", "0.1.0")) == {"pool.self": Severity.WARNING}


def test_nobody_signs_or_two_say_so() -> None:
    assert bad(judge(with_hosts(changed(A, role="standby"), B, active=None))) == {
        "pool.active": Severity.ERROR
    }
    assert bad(judge(with_hosts(A, changed(B, role="active"), C)))["pool.active"] is Severity.ERROR


def test_somebody_else_signs() -> None:
    told = changed(B, foreign="somebody else signs for pool.near: 3 blocks")
    for active in ("a", None):
        [finding] = [one for one in judge(with_hosts(A, told, C, active=active)) if one.id == "pool.active"]
        assert finding.severity is Severity.ERROR
        assert "somebody else signs" in finding.text


def test_an_active_that_does_nothing() -> None:
    idle = changed(A, duties_due=9, duties_due_s=46.0, no_duty_since="13:02:11 UTC")
    assert bad(judge(with_hosts(idle, B, C))) == {"pool.active": Severity.ERROR}
    assert bad(judge(with_hosts(changed(idle, duties_due_s=44.0), B, C))) == {}


def test_an_active_whose_work_does_not_arrive() -> None:
    due = DutyRecord(expected=9, recent_expected=9)
    deaf = changed(A, production=ProductionRecord(grade="deaf", since="13:02:11 UTC", blocks=due))
    [finding] = [one for one in judge(with_hosts(deaf, B, C)) if one.id == "pool.active"]
    assert finding.severity is Severity.ERROR
    assert "a holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC" in finding.text
    assert "TIER1" in finding.remedy


def test_an_active_of_which_nobody_knows_whether_it_produces() -> None:
    untold = changed(
        A, production=ProductionRecord(grade="unknown", unknown_s=41.0, why="no answer within 5 s")
    )
    [finding] = [one for one in judge(with_hosts(untold, B, C)) if one.id == "pool.active"]
    assert finding.severity is Severity.WARNING
    assert "whether it produces is not known: neard has not told for 41 s" in finding.text


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (changed(B, role="gone", ready=False), {"pool.host": Severity.ERROR, "pool.standby": Severity.ERROR}),
        (
            changed(B, role="unknown", ready=False),
            {"pool.host": Severity.ERROR, "pool.standby": Severity.ERROR},
        ),
        (
            changed(B, role="fenced", ready=False),
            {"pool.host": Severity.ERROR, "pool.standby": Severity.ERROR},
        ),
        (changed(B, ready=False), {"pool.host": Severity.WARNING, "pool.standby": Severity.ERROR}),
        (changed(B, role="drained", ready=False), {"pool.standby": Severity.ERROR}),
    ],
)
def test_a_host_that_could_not_take_over(host: NodeRecord, expected: dict[str, Severity]) -> None:
    assert bad(judge(with_hosts(A, host))) == expected
    # With another one, only the host itself is told of.
    without = {name: severity for name, severity in expected.items() if name != "pool.standby"}
    assert bad(judge(with_hosts(A, host, C))) == without


def test_a_host_that_is_alone() -> None:
    found = judge(with_hosts(A))
    assert bad(found) == {"pool.standby": Severity.ERROR}
    assert one(found, "pool.alike").severity is Severity.SKIPPED


def test_orders_that_stand() -> None:
    found = judge(replace(GOOD, paused="until noon", plan="to b: waiting", drained=("c by me",)))
    assert bad(found) == {"pool.paused": Severity.WARNING, "pool.drained": Severity.WARNING}
    assert one(found, "pool.plan").severity is Severity.INFO


@pytest.mark.parametrize("name", ["agent_version", "neard_version", "profile"])
def test_hosts_that_differ(name: str) -> None:
    assert bad(judge(with_hosts(A, B, changed(C, **{name: "other"})))) == {"pool.alike": Severity.WARNING}


def test_what_the_guards_have_seen() -> None:
    found = judge(with_hosts(A, B, changed(C, alarm="a neard has the key", guard_problem="a launcher")))
    assert bad(found) == {"pool.alarm": Severity.ERROR, "pool.guard": Severity.ERROR}
    assert one(found, "pool.alarm").node == one(found, "pool.guard").node == "c"
    assert one(found, "pool.guard").text == "a launcher"
    assert bad(judge(with_hosts(A, B, changed(C, role="gone", ready=False, alarm="of old")))) == {
        "pool.host": Severity.ERROR
    }


def test_one_node_key_on_two_hosts_names_both_and_the_fix() -> None:
    """A home that was copied: peers take the two neards for one."""
    found = judge(
        with_hosts(*(changed(h, node_key=k) for h, k in ((A, "ed25519:1"), (B, "ed25519:2"), (C, ""))))
    )
    assert bad(found) == {}

    found = judge(with_hosts(changed(A, node_key="ed25519:1"), B, changed(C, node_key="ed25519:1")))

    assert bad(found) == {"pool.node_key": Severity.ERROR}
    assert "a and c have the same node key (ed25519:1...)" in one(found, "pool.node_key").text
    assert "move node_key.json away" in one(found, "pool.node_key").remedy


def test_hosts_with_different_keys() -> None:
    assert bad(judge(with_hosts(A, B, changed(C, public_key="ed25519:x")))) == {"pool.key": Severity.ERROR}


def test_an_agent_that_was_not_restarted_after_its_upgrade() -> None:
    found = judge_own(GOOD, "b", "0.2.0")
    assert bad(found) == {"pool.self": Severity.WARNING}
    assert "systemctl restart hafailover" in found[0].remedy


def test_what_is_no_record_is_said() -> None:
    found = judge(replace(GOOD, junk="2 keys of the pool in Consul, left out as no record: x, y"))
    assert bad(found) == {"pool.records": Severity.WARNING}
    assert "x, y" in one(found, "pool.records").text


@pytest.mark.parametrize("change", [{"stuck": "Consul does not commit"}, {"beat_still_s": 6.0}])
def test_a_pool_whose_beats_stand_still_is_not_well(change: dict[str, object]) -> None:
    found = judge(replace(GOOD, verdict="the verdict", **change))  # type: ignore[arg-type]
    assert bad(found) == {"pool.active": Severity.ERROR}
    assert one(found, "pool.active").text == "the verdict"
