"""The API's documents, their verdict, and the schema that is published for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hafailover.core.views import LockView
from hafailover.lock.roster import Entry
from hafailover.observe.health import Answer
from hafailover.observe.overview import Overview, overview
from hafailover.observe.records import NodeRecord, TermRecord
from hafailover.web import documents
from hafailover.web.pool_watch import Seen, View

from ..core.bench import beat, stored

DOCS = Path(__file__).resolve().parents[3] / "docs"
NOW = 1000.0
OWN = NodeRecord(node="a", role="active", reason="term 20: signing", ready=True, lease_left_s=6.5)


def pool(roles: dict[str, str]) -> Overview:
    entries = [
        Entry(node, f"session-{node}", 5, {"node": node, "role": role, "ready": role != "syncing"})
        for node, role in roles.items()
    ]
    return overview(
        "pool.near", LockView("session-a", "a", 20), stored(beat(node="a", term=20)), entries, HISTORY
    )


WELL = {"a": "active", "b": "standby"}
HISTORY = [
    TermRecord(event="began", term=20, node="a", at="2026-01-02T03:04:05+00:00", height=7),
    TermRecord(
        event="ended", term=20, node="a", at="2026-01-02T03:05:05+00:00", cause="switchover asked for"
    ),
    TermRecord(event="began", term=30, node="b", at="2026-01-02T03:05:06+00:00", silent_s=0.2),
    TermRecord(event="drill", term=30, node="b", at="2026-01-02T03:06:06+00:00", ok=True, cause="neard"),
]


def view(roles: dict[str, str], age: float = 1.0, problem: str = "") -> View:
    return View(Seen(NOW - age, pool(roles), tuple(HISTORY)), problem)


@pytest.mark.parametrize(
    ("roles", "level"),
    [
        ({"a": "active", "b": "standby"}, "safe"),
        ({"a": "active", "b": "syncing"}, "at-risk"),
        ({"a": "active"}, "at-risk"),
        ({"a": "promoting", "b": "standby"}, "danger"),
        ({"a": "active", "b": "active", "c": "standby"}, "danger"),
        ({}, "danger"),
    ],
)
def test_the_verdict_has_a_level(roles: dict[str, str], level: str) -> None:
    assert documents.verdict(OWN, view(roles), NOW).level == level


def test_somebody_else_who_signs_is_a_danger() -> None:
    entries = [
        Entry("a", "session-a", 5, {"node": "a", "role": "active", "ready": True}),
        Entry("b", "session-b", 5, {"node": "b", "role": "standby", "ready": True, "foreign": "x signs"}),
    ]
    seen = overview("pool.near", LockView("session-a", "a", 20), stored(beat(node="a", term=20)), entries, [])
    found = documents.verdict(OWN, View(Seen(NOW, seen, ()), ""), NOW)
    assert (found.level, found.text[:9]) == ("danger", "x signs; ")


@pytest.mark.parametrize(
    ("grade", "level"), [("deaf", "danger"), ("still", "danger"), ("doubt", "at-risk"), ("good", "safe")]
)
def test_an_active_whose_work_does_not_arrive_is_a_danger(grade: str, level: str) -> None:
    production = {"grade": grade, "since": "13:02:11 UTC", "blocks": {"expected": 9, "recent_expected": 9}}
    entries = [
        Entry("a", "session-a", 5, {"node": "a", "role": "active", "production": production}),
        Entry("b", "session-b", 5, {"node": "b", "role": "standby", "ready": True}),
    ]
    seen = overview("pool.near", LockView("session-a", "a", 20), stored(beat(node="a", term=20)), entries, [])
    found = documents.verdict(OWN, View(Seen(NOW, seen, ()), ""), NOW)
    assert found.level == level


def test_what_is_old_is_no_verdict() -> None:
    young = view(WELL, documents.FRESH_S - 0.1, "no connection to Consul")
    assert documents.verdict(OWN, young, NOW).level == "safe"
    old = documents.verdict(OWN, view(WELL, documents.FRESH_S + 0.1, "no leader"), NOW)
    assert old.level == "unknown"
    assert old.text == "the pool cannot be seen (no leader); this host is active"
    assert documents.verdict(OWN, View(), NOW).level == "unknown"


@pytest.mark.parametrize("seen", [View(), view(WELL)])
def test_a_host_that_signs_without_a_lease_is_a_danger_whatever_consul_told(seen: View) -> None:
    forced = OWN.model_copy(update={"role": "forced"})
    found = documents.verdict(forced, seen, NOW)
    assert found.level == "danger"
    assert "without a lease" in found.text


@pytest.mark.parametrize(
    ("production", "told"),
    [
        (None, "nothing but people keeps others from signing"),
        (
            {"grade": "good", "blocks": {"produced": 9, "expected": 9, "last_s": 2.0}},
            "; it signs, and produces",
        ),
        ({"grade": "unknown", "unknown_s": 9.0}, "nothing but people keeps others from signing"),
        (
            {"grade": "still", "head_age_s": 41.0},
            "; it holds the key, but the chain stands still, or this site",
        ),
        (
            {"grade": "deaf", "since": "13:02:11 UTC", "blocks": {"expected": 9, "recent_expected": 9}},
            "; it holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC; if",
        ),
    ],
)
def test_what_a_host_without_a_lease_does_of_its_duties_is_told(production: Any, told: str) -> None:
    forced = NodeRecord.model_validate({"node": "a", "role": "forced", "production": production})
    found = documents.verdict(forced, View(), NOW)
    assert found.level == "danger"
    assert told in found.text
    assert " ago" not in found.text or production["grade"] == "still", "it is read out whenever it changes"


def test_the_published_schema_is_the_documents_own() -> None:
    assert (DOCS / "http-schema.json").read_text() == documents.schema_text(), "run: make docs"


def validator(name: str) -> Any:
    whole = documents.schema()
    kind = jsonschema.validators.validator_for(whole)
    kind.check_schema(whole)
    return kind({**whole, "oneOf": [{"$ref": f"#/$defs/{name}"}]})


@pytest.mark.parametrize("seen", [View(), view({}), view(WELL), view(WELL, 99.0, "gone")])
def test_every_answer_is_what_the_schema_says(seen: View) -> None:
    for last in (None, (NOW - 0.4, 0.012)):
        status = documents.status("pool.near", OWN, Answer(True, "fine"), last, seen, NOW)
        plain = json.loads(status.model_dump_json())
        validator("StatusDocument").validate(plain)
        assert plain["v"] == 1
    history = json.loads(documents.history("pool.near", "a", seen, NOW).model_dump_json())
    validator("HistoryDocument").validate(history)


@pytest.mark.parametrize("change", [{"v": 2}, {"verdict": {"level": "fine", "text": ""}}, {"healthy": "yes"}])
def test_the_schema_refuses_what_is_none(change: dict[str, Any]) -> None:
    status = documents.status("pool.near", OWN, Answer(True, "fine"), None, view(WELL), NOW)
    plain = json.loads(status.model_dump_json()) | change
    with pytest.raises(jsonschema.ValidationError):
        validator("StatusDocument").validate(plain)


def test_the_history_is_cut_to_its_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_CHANGES", 1)
    history = documents.history("pool.near", "a", view(WELL, 2.0), NOW)
    assert [change.term for change in history.changes] == [30]
    assert history.changes[0].from_node == "a"
    assert history.changes_total == 2
    assert [drill.cause for drill in history.drills] == ["neard"]
    assert history.age_s == 2.0
