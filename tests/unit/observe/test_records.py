"""Records: what is written is what is read, and what others wrote wrongly does no harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hafailover.core.views import Member
from hafailover.lock.roster import Entry
from hafailover.observe.records import (
    Allowance,
    Budget,
    DutyRecord,
    NodeRecord,
    ProductionRecord,
    TermRecord,
    member_of,
    parse_history,
    parse_record,
)

RECORD = NodeRecord(
    node="a",
    role="standby",
    reason="ready",
    role_since="2026-01-02T03:04:05+00:00",
    ready=True,
    priority=7,
    height=120,
    lag=2,
    syncing=False,
    peers=5,
    neard_version="2.10.0",
    agent_version="0.1.0",
    profile="fast",
    public_key="ed25519:pool",
    term=20,
    lease_left_s=6.25,
    agent="0123",
    gates={"neard in sync": "neard is syncing", "neard has peers": None, "not drained": ""},
    timing="fence_after_s=6",
    disk_free_bytes=99 << 30,
    disk_free_ratio=0.125,
    clock_ahead_s=-2,
    foreign="somebody else signs",
    duties_due=9,
    duties_due_s=46.5,
    no_duty_since="13:02:11 UTC",
    production=ProductionRecord(
        grade="deaf",
        since="13:02:11 UTC",
        blocks=DutyRecord(produced=1, expected=2, recent_produced=3, recent_expected=4, last_s=0.5),
        endorsements=DutyRecord(epoch_produced=5, epoch_expected=6),
    ),
    state_dir="cannot be written to",
    prepared_for="wish-1",
    steady=False,
    blocks_lacking=4,
    guard_problem="a launcher",
    alarm="a key",
    routing_problem="TIER1 is on",
    node_key="ed25519:host",
    budget_unknown_s=60.5,
    budget_unknown="no answer within 5 s",
    budget=Budget(
        epoch_start=100,
        height=120,
        blocks_left=43_179,
        protocol=87,
        source="protocol_config",
        rows=[
            Allowance(
                rule="early_kickout",
                duty="chunks",
                shard=3,
                missed=60,
                missable=39,
                full=99,
                minutes=4.3,
                in_force=True,
                out_of_reach=False,
                lost=False,
                low=True,
            )
        ],
    ),
)
BEGAN = TermRecord(
    event="began", term=20, node="a", cause="host gone", from_node="b", height=119, waited_s=9.1, at="now"
)


def stored(data: dict[str, Any], session: str | None = "session-a", node: str = "a") -> Entry:
    """As it comes back from Consul."""
    return Entry(node, session, 30, json.loads(json.dumps(data)))


def test_a_record_comes_back_as_it_was() -> None:
    assert all(value not in (None, "", 0) for name, value in RECORD if name not in ("syncing", "steady")), (
        "nothing is left out"
    )
    assert parse_record(stored(RECORD.model_dump())) == RECORD
    assert parse_history([BEGAN.model_dump()]) == [BEGAN]


def test_what_a_newer_agent_writes_besides_is_ignored() -> None:
    assert parse_record(stored({**RECORD.model_dump(), "v": 2, "colour": "blue"})).reason == "ready"
    assert parse_history([{**BEGAN.model_dump(), "colour": "blue"}]) == [BEGAN]


def test_the_keys_name_is_the_hosts() -> None:
    """A record that claims another name must not stand for that other host."""
    assert parse_record(stored({"node": "b", "role": "active"})).node == "a"


def test_a_record_of_an_agent_from_before_a_field_was_known() -> None:
    old = {
        k: v for k, v in RECORD.model_dump().items() if not k.startswith(("disk", "clock", "timing", "gates"))
    }
    record = parse_record(stored(old))
    assert parse_record(stored({"role": "active"})).production is None
    assert (record.reason, record.disk_free_bytes, record.clock_ahead_s, record.gates) == (
        "ready",
        None,
        None,
        {},
    )


def test_little_is_enough() -> None:
    record = parse_record(stored({}))
    assert (record.node, record.role, record.ready) == ("a", "starting", False)


@pytest.mark.parametrize(
    "data",
    [{"height": "high"}, {"ready": "perhaps"}, {"role": None}, {"peers": []}, {"lease_left_s": "soon"}]
    + [
        {"production": wrong}
        for wrong in (
            "deaf",
            {"grade": 3},
            {"blocks": {"produced": -1}},
            {"chunks": {"expected": 1 << 63}},
            {"endorsements": {"last_s": -0.1}},
            {"blocks": [1, 2]},
        )
    ],
)
def test_a_record_that_makes_no_sense_shows_as_unknown_and_stands_for_nothing(data: dict[str, Any]) -> None:
    entry = stored({**RECORD.model_dump(), **data})
    record = parse_record(entry)
    assert (record.node, record.role, record.ready) == ("a", "unknown", False)
    assert "cannot be understood" in record.reason
    assert not member_of(entry).ready


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from([*NodeRecord.model_fields, *TermRecord.model_fields])


# A busy machine makes examples slowly, and that is no finding.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_anything_gives_a_host_by_its_name_and_a_history_without_it_or_with_it(data: dict[str, Any]) -> None:
    assert parse_record(stored(data)).node == "a"
    assert member_of(stored(data)).node == "a"
    good = [BEGAN.model_dump()]
    assert BEGAN in parse_history([*good, data])


def test_the_history_keeps_its_order_and_loses_only_what_makes_no_sense() -> None:
    entries = [{**BEGAN.model_dump(), "term": term} for term in (9, 10, 11)]
    assert [one.term for one in parse_history([entries[0], {"event": "began"}, *entries[1:]])] == [9, 10, 11]


def test_the_cores_view_of_a_host() -> None:
    assert member_of(stored(RECORD.model_dump())) == Member(
        node="a",
        alive=True,
        ready=True,
        priority=7,
        height=120,
        lag=2,
        role="standby",
        reason="ready",
        neard_version="2.10.0",
        prepared_for="wish-1",
        steady=False,
        blocks_lacking=4,
    )


def test_a_host_without_a_session_is_not_ready() -> None:
    member = member_of(stored(RECORD.model_dump(), session=None))
    assert not member.alive
    assert not member.ready
