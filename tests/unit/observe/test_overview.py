"""Who signs, who could, and whether that is safe: from what Consul holds to the verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console

from hafailover.core.beat import Phase, StoredBeat
from hafailover.core.views import LockView
from hafailover.lock.roster import Entry
from hafailover.observe.overview import Overview, overview
from hafailover.observe.records import TermRecord
from hafailover.observe.render import render

from .pool import beat

HELD = LockView("session-a", "a", 20)
ACTIVE = StoredBeat(beat("a", 20), 21)


def host(node: str, role: str = "standby", ready: bool = True, alive: bool = True, **more: Any) -> Entry:
    data = {"node": node, "role": role, "ready": ready, **more}
    return Entry(node, f"session-{node}" if alive else None, 30, data)


def look(
    *entries: Entry,
    lock: LockView = HELD,
    stored: StoredBeat | None = ACTIVE,
    history: tuple[TermRecord, ...] = (),
) -> Overview:
    return overview("pool.near", lock, stored, list(entries), list(history))


A = host("a", "active")


def test_one_active_and_a_ready_standby_are_good() -> None:
    view = look(A, host("b"), host("c"))
    assert view.ok
    assert (view.active, view.term) == ("a", 20)
    assert view.verdict == "a signs, and b and c are ready to take over"
    assert look(A, host("b"), host("c", ready=False)).verdict == "a signs, and b is ready to take over"


def test_an_alarm_of_a_guard_is_never_good() -> None:
    """A neard that had a key that its guard had not given to it, also on a host that stands by."""
    view = look(A, host("b"), host("c", alarm="pid 4711 (neard) shows the pool's key"))
    assert not view.ok
    assert view.verdict.startswith("ALARM on c: see the warnings; a signs")
    assert any(
        "c: ALARM: pid 4711 (neard) shows the pool's key; see docs/runbook.md" in w for w in view.warnings
    )
    assert look(A, host("b"), host("c", alive=False, alarm="of a host that is gone")).ok


def test_why_a_guard_would_not_load_the_key_is_a_warning() -> None:
    view = look(A, host("b"), host("c", ready=False, guard_problem="pid 4711 (neard) listens"))
    assert view.ok
    assert "c: its guard would not load the key: pid 4711 (neard) listens" in view.warnings


def test_a_neard_that_runs_with_another_routing_than_the_settings_is_a_warning() -> None:
    view = look(A, host("b", routing_problem="its neard was started with TIER1 on\x1b[2J" + "x" * 999))
    assert view.ok
    (said,) = [one for one in view.warnings if "TIER1" in one]
    assert said.startswith("b: its neard was started with TIER1 on")
    assert said.endswith("x; run `hafailover prepare-home` there, then restart neard (the active last)")
    assert "\x1b" not in said
    assert len(said) < 600


@pytest.mark.parametrize(
    "others",
    [
        [],
        [host("b", ready=False)],
        [host("b", alive=False)],
        [host("b", "fenced", ready=False), host("c", ready=True, alive=False)],
    ],
    ids=["none", "not ready", "gone", "several"],
)
def test_an_active_without_a_ready_standby_is_not_good(others: list[Entry]) -> None:
    view = look(A, *others)
    assert not view.ok
    assert view.active == "a"
    assert view.verdict == "a signs, but no standby is ready to take over"


def test_two_that_say_they_are_active_are_named() -> None:
    view = look(A, host("b", "active"), host("c"))
    assert not view.ok
    assert view.verdict.startswith("a and b both say that they are active")


@pytest.mark.parametrize(
    ("entries", "lock", "stored", "told"),
    [
        ([], LockView(None, None, 0), None, "no host has ever joined this pool"),
        ([host("b"), host("c")], LockView(None, None, 0), None, "no host of this pool signs"),
        ([A, host("b")], LockView(None, "a", 20), ACTIVE, "no host of this pool signs"),
        ([A, host("b")], HELD, None, "no host of this pool signs"),
        ([A, host("b")], HELD, StoredBeat(beat("a", 20, Phase.WAITING), 21), "no host of this pool signs"),
        ([A, host("b")], HELD, StoredBeat(beat("a", 20, Phase.RELEASED), 21), "no host of this pool signs"),
        (
            [host("a", "fenced"), host("b")],
            HELD,
            ACTIVE,
            "no host of this pool signs: a holds the lock but does not say that it is active",
        ),
        (
            [host("a", "active", alive=False), host("b")],
            HELD,
            ACTIVE,
            "no host of this pool signs: a holds the lock",
        ),
        ([host("a", "promoting"), host("b")], HELD, None, "no host of this pool signs yet: a is about to"),
    ],
)
def test_no_active_is_not_good(
    entries: list[Entry], lock: LockView, stored: StoredBeat | None, told: str
) -> None:
    view = look(*entries, lock=lock, stored=stored)
    assert not view.ok
    assert view.verdict.startswith(told)
    assert (view.active, view.term, view.active_since) == (None, None, None)


FOREIGN = "somebody else signs for pool.near: 3 blocks"


@pytest.mark.parametrize(
    ("entries", "lock", "told"),
    [
        ([host("b", "promoting", foreign=FOREIGN), host("c")], LockView("s", "b", 20), FOREIGN),
        (
            [host("b"), host("c", foreign=FOREIGN)],
            LockView(None, None, 0),
            f"{FOREIGN}; no host of this pool",
        ),
        ([A, host("b"), host("c", foreign=FOREIGN)], HELD, f"{FOREIGN}; a signs, and b and c are ready"),
    ],
)
def test_somebody_else_who_signs_comes_first_and_is_not_good(
    entries: list[Entry], lock: LockView, told: str
) -> None:
    view = look(*entries, lock=lock)
    assert not view.ok
    assert view.verdict.startswith(told)
    assert "nobody signs" not in view.verdict


def test_what_a_host_that_is_gone_said_of_others_is_old() -> None:
    assert look(A, host("b"), host("c", alive=False, foreign=FOREIGN)).ok


IDLE = {"duties_due": 9, "no_duty_since": "13:02:11 UTC"}


@pytest.mark.parametrize(
    ("values", "good", "duties", "verdict"),
    [
        ({}, True, "", "a signs, and b is ready to take over"),
        ({**IDLE, "duties_due_s": 44.9}, True, "0 of 9 duties were seen done since 13:02:11 UTC", "over"),
        (
            {**IDLE, "duties_due_s": 45.0},
            False,
            "0 of 9 duties",
            "but 0 of 9 duties were seen done since 13:02",
        ),
        ({**IDLE, "duties_due": 0, "duties_due_s": 0.0}, True, "no duty was due since 13:02:11 UTC", "over"),
    ],
)
def test_since_when_the_active_did_no_duty(
    values: dict[str, Any], good: bool, duties: str, verdict: str
) -> None:
    view = look(host("a", "active", ready=True, **values), host("b"))
    assert view.ok is good
    assert view.duties.startswith(duties)
    assert verdict in view.verdict
    if duties and good:
        assert view.duties in shown(view)


DEAF = {
    "grade": "deaf",
    "since": "13:02:11 UTC",
    "blocks": {"produced": 0, "expected": 9, "recent_produced": 0, "recent_expected": 9},
    "endorsements": {"produced": 1, "expected": 60, "recent_produced": 1, "recent_expected": 60},
}


def test_an_active_whose_work_does_not_arrive_is_not_good_and_says_why() -> None:
    view = look(host("a", "active", ready=True, production=DEAF), host("b"))
    assert not view.ok
    assert view.producing is False
    assert view.active == "a"
    assert view.verdict == (
        "a holds the key, and nothing of it arrives: 0 of 9 blocks, 1 of 60 endorsements since 13:02:11 UTC; "
        "b is ready to take over"
    )
    for words in ("peers may still send to the host before it", "docs/runbook.md#hafailovernotproducing"):
        assert words in view.production
        assert words in " ".join(shown(view).split())
    alone = look(host("a", "active", ready=True, production=DEAF))
    assert alone.verdict.endswith("13:02:11 UTC; no standby is ready to take over")


@pytest.mark.parametrize(
    ("routing", "signs_s", "likely", "unlikely"),
    [
        ("relayed", 20.0, "the news of the new holder may not have reached all validators yet", "TIER1"),
        ("relayed", 300.0, "the neard of the host before it may still name itself as the holder", "TIER1"),
        ("direct", 20.0, "peers may still send to the host before it (TIER1", "standby.restart_after_drop"),
        ("direct", 3600.0, "look at its neard's peers, port and load", "TIER1"),
        ("of a newer version", 20.0, "if the key came here lately", "standby.restart_after_drop"),
    ],
)
@pytest.mark.parametrize("grade", ["deaf", "doubt"])
def test_the_likely_cause_is_that_of_the_routing(
    grade: str, routing: str, signs_s: float, likely: str, unlikely: str
) -> None:
    deaf = {**DEAF, "grade": grade, "routing": routing, "signs_s": signs_s}
    view = look(host("a", "active", ready=True, production=deaf), host("b"))
    assert likely in view.production
    assert unlikely not in view.production


@pytest.mark.parametrize("routing", ["relayed", "direct"])
def test_what_was_done_since_the_key_came_is_no_matter_of_the_host_before(routing: str) -> None:
    missed = {"produced": 30, "expected": 40, "recent_produced": 0, "recent_expected": 8}
    deaf = {
        "grade": "deaf",
        "since": "13:02:11 UTC",
        "endorsements": missed,
        "routing": routing,
        "signs_s": 50.0,
    }
    view = look(host("a", "active", ready=True, production=deaf), host("b"))
    assert "look at its neard's peers, port and load" in view.production
    assert "the host before it" not in view.production


def test_a_doubt_is_not_good_either() -> None:
    view = look(host("a", "active", ready=True, production={**DEAF, "grade": "doubt"}), host("b"))
    assert (view.ok, view.producing) == (False, False)
    assert "a holds the key, and what it does is not seen to arrive yet: 0 of 9 blocks" in view.verdict


@pytest.mark.parametrize(
    ("alone", "told", "what_to_do"),
    [
        (False, "but the chain stands still, or this site is cut off from it", "this site's uplink"),
        (True, "but its neard stands still while other hosts' go on", "look at its neard"),
    ],
)
def test_a_chain_that_stands_still_is_not_good(alone: bool, told: str, what_to_do: str) -> None:
    done = {"produced": 13, "expected": 13, "last_s": 40.4}
    still = {"grade": "still", "since": "13:02:11 UTC", "blocks": done, "head_age_s": 41.3, "alone": alone}
    view = look(host("a", "active", ready=True, production=still), host("b"))
    assert (view.ok, view.producing) == (False, False)
    assert view.verdict == f"a holds the key, {told}: last block 41 s ago; b is ready to take over"
    assert what_to_do in view.production


@pytest.mark.parametrize(
    ("grade", "told", "producing"),
    [
        ("good", "signs, and produces (last block 12 s ago, 39 of 39 duties)", True),
        ("not due", "signs, and no duty has been due since 13:02:11 UTC", None),
        ("of a newer version", "", None),
    ],
)
def test_an_active_that_produces_or_has_nothing_to(grade: str, told: str, producing: bool | None) -> None:
    done = {"produced": 13, "expected": 13, "last_s": 12.4}
    production = {
        "grade": grade,
        "since": "13:02:11 UTC",
        "blocks": done,
        "chunks": done,
        "endorsements": done,
    }
    view = look(host("a", "active", ready=True, production=production), host("b"))
    assert view.ok
    assert (view.production, view.producing) == (told, producing)
    assert view.verdict == "a signs, and b is ready to take over"
    if told:
        assert f"a {told}" in shown(view)


@pytest.mark.parametrize(
    ("grade", "told", "what_to_do", "producing"),
    [
        (
            "no validator",
            "the account is no validator of this epoch: nothing is due",
            "price of a seat",
            None,
        ),
        (
            "other key",
            "the account's stake is with another key: nothing that it signs counts",
            "stake again",
            False,
        ),
    ],
)
def test_a_pool_that_works_for_nothing_is_not_good(
    grade: str, told: str, what_to_do: str, producing: bool | None
) -> None:
    production = {"grade": grade, "since": "13:02:11 UTC"}
    view = look(host("a", "active", ready=True, production=production), host("b"))
    assert (view.ok, view.producing) == (False, producing)
    assert view.verdict == f"a holds the key, but {told}; b is ready to take over"
    assert what_to_do in view.production


def test_an_active_of_which_nobody_knows_whether_it_produces_is_not_good() -> None:
    untold = {"grade": "unknown", "since": "13:02:11 UTC", "unknown_s": 41.2, "why": "no answer within 5 s\n"}
    view = look(host("a", "active", ready=True, production=untold), host("b"))
    assert (view.ok, view.producing) == (False, None)
    assert view.verdict == (
        "a signs; whether it produces is not known: neard has not told for 41 s (no answer within 5 s\\n); "
        "b is ready to take over"
    )
    assert "docs/runbook.md#hafailoverproductionunknown" in view.production
    assert view.production in " ".join(shown(view).split())
    soon = look(host("a", "active", ready=True, production={**untold, "unknown_s": 29.0}), host("b"))
    assert (soon.ok, soon.production, soon.producing) == (True, "", None)


def test_a_host_that_does_half_of_its_duties_is_warned_of_and_wakes_nobody() -> None:
    few = {"produced": 60, "expected": 99, "long_produced": 60, "long_expected": 99}
    half = {**few, "expected": 900, "produced": 500, "long_produced": 55, "long_expected": 100, "last_s": 2.4}
    good = {"grade": "good", "blocks": few, "endorsements": half}
    view = look(host("a", "active", ready=True, production=good), host("b"))
    assert (view.ok, view.producing) == (True, True)
    told = "55 % of its duties: 55 of the last 100 endorsements"
    assert view.production == f"signs, and produces {told} (last endorsement 2 s ago, 560 of 999 duties)"
    [warned] = [one for one in view.warnings if "seat" in one]
    assert warned.startswith(f"a produces {told}; under 80% in an epoch may cost the seat")
    assert warned in " ".join(shown(view).split())
    enough = {**good, "endorsements": {**half, "long_produced": 80}}
    view = look(host("a", "active", ready=True, production=enough), host("b"))
    assert not any("seat" in one for one in view.warnings)
    assert "signs, and produces (last" in view.production
    standby = look(A, host("b", production=good))
    assert not any("seat" in one for one in standby.warnings), "it does not sign"


def test_what_was_done_in_this_epoch_is_told() -> None:
    blocks = {"epoch_produced": 431, "epoch_expected": 432}
    endorsements = {"epoch_produced": 5200, "epoch_expected": 5201}
    production = {"grade": "not due", "blocks": blocks, "endorsements": endorsements}
    view = look(host("a", "active", ready=True, production=production), host("b"))
    assert view.this_epoch == "in this epoch 431 of 432 blocks, 5200 of 5201 endorsements"
    assert view.this_epoch in shown(view)
    assert look(A, host("b")).this_epoch == ""
    assert look(host("a", "active", production={"grade": "not due"}), host("b")).this_epoch == ""


def test_what_a_host_that_does_not_sign_says_of_its_production_is_nothing() -> None:
    view = look(A, host("b", production=DEAF))
    assert (view.ok, view.production) == (True, "")


LOW = {
    "epoch_start": 100,
    "height": 1120,
    "blocks_left": 42_179,
    "protocol": 87,
    "source": "protocol_config",
    "rows": [
        {
            "rule": "early_kickout",
            "duty": "chunks",
            "shard": 3,
            "missed": 60,
            "missable": 39,
            "full": 99,
            "minutes": 4.3,
            "in_force": True,
            "out_of_reach": False,
            "lost": False,
            "low": True,
        }
    ],
}


def test_a_low_budget_is_told_and_is_no_fault_of_the_pool() -> None:
    view = look(host("a", "active", budget=LOW), host("b"))
    assert view.ok
    text = "budget low: 39 of 99 chunks may still be missed on shard 3"
    assert [text in warning for warning in view.warnings] == [True]
    assert text in " ".join(shown(view).split())
    plain = json.loads(json.dumps(view.to_plain()))
    assert plain["budget"] == LOW == plain["hosts"][0]["budget"]
    # A standby's neard tells as well, where the active's does not.
    assert any(text in warning for warning in look(A, host("b", budget=LOW)).warnings)
    enough = {**LOW, "rows": [{**LOW["rows"][0], "low": False}]}  # type: ignore[index]
    assert look(host("a", "active", budget=enough), host("b", budget=LOW)).warnings == ()


def test_what_may_be_missed_on_each_shard_is_shown_whether_it_is_low_or_not() -> None:
    enough = {**LOW, "rows": [{**LOW["rows"][0], "missed": 9, "missable": 90, "low": False}]}  # type: ignore[index]
    view = look(host("a", "active", budget=enough), host("b"))
    assert (view.ok, view.warnings) == (True, ())
    text = "chunks that may still be missed in this epoch before EarlyKickout: 90 of 99 on shard 3"
    assert view.early_kickout == text
    assert text in [line.strip() for line in shown(view).splitlines()]
    assert look(A, host("b")).early_kickout == ""
    assert "EarlyKickout" not in shown(look(A, host("b")))


def test_a_budget_that_has_not_been_known_for_long_is_a_warning_and_no_fault_of_the_pool() -> None:
    silent: dict[str, Any] = {"budget_unknown_s": 700.0, "budget_unknown": "no answer within 5 s"}
    view = look(host("a", "active", **silent), host("b", **silent))
    assert view.ok
    (warning,) = view.warnings
    assert warning == (
        "budget not known: for 12 min a's neard has not told how much may still be missed in this epoch (no "
        "answer within 5 s), so drills and handovers are not refused: "
        "see docs/runbook.md#hafailoverbudgetunknown"
    )
    assert view.budget_unknown in warning
    assert "budget not known" in shown(view)
    assert json.loads(json.dumps(view.to_plain()))["budget_unknown"] == view.budget_unknown
    assert look(host("a", "active", **silent), host("b", budget_unknown_s=0.0)).budget_unknown == ""
    short = look(host("a", "active", **{**silent, "budget_unknown_s": 60.0}), host("b"))
    assert (bool(short.budget_unknown), short.warnings) == (True, ())


def test_a_budget_that_cannot_be_is_not_believed() -> None:
    for odd in ({**LOW, "rows": [{**LOW["rows"][0], "missable": -1}]}, {**LOW, "source": "x"}, {}, "low"):  # type: ignore[index]
        (host_b,) = (one for one in look(A, host("b", budget=odd)).hosts if one.node == "b")
        assert host_b.role == "unknown"


def test_an_active_that_is_ready_is_no_standby_of_its_own() -> None:
    assert not look(A).ok


def test_a_host_whose_agent_is_gone_shows_as_such_whatever_its_record_says() -> None:
    view = look(A, host("b", alive=False, ready=True, lease_left_s=5.0, height=77))
    gone = view.hosts[1]
    assert (gone.role, gone.ready, gone.lease_left_s, gone.height) == ("gone", False, None, 77)
    assert "no session" in gone.reason


def test_since_when_is_of_this_term() -> None:
    history = (
        TermRecord(event="began", term=19, node="b", at="before"),
        TermRecord(event="began", term=20, node="a", at="now"),
        TermRecord(event="ended", term=20, node="a", at="later"),
    )
    assert look(A, host("b"), history=history).active_since == "now"
    assert look(A, host("b"), history=history[:1]).active_since is None


def test_what_a_program_gets() -> None:
    plain = json.loads(json.dumps(look(A, host("b", reason="ready", priority=3, peers=7)).to_plain()))
    assert set(plain) == {
        "account_id",
        "ok",
        "verdict",
        "active",
        "term",
        "active_since",
        "hosts",
        "paused",
        "drained",
        "plan",
        "last_change",
        "consul",
        "warnings",
        "last_drill",
        "duties",
        "production",
        "producing",
        "this_epoch",
        "window",
        "stale",
        "stuck",
        "beat_still_s",
        "junk",
        "budget",
        "early_kickout",
        "budget_unknown",
    }
    assert plain["ok"] is True
    assert plain["account_id"] == "pool.near"
    second = plain["hosts"][1]
    assert (second["node"], second["role"], second["reason"], second["priority"], second["peers"]) == (
        "b",
        "standby",
        "ready",
        3,
        7,
    )


def shown(view: Overview) -> str:
    console = Console(width=200, force_terminal=False)
    with console.capture() as capture:
        console.print(render(view))
    return capture.get()


def test_what_a_person_sees() -> None:
    active = host(
        "a", "active", height=120, lease_left_s=6.24, syncing=False, peers=4, neard_version="2.10.0"
    )
    unknown = host("b", reason="not ready: neard is syncing", ready=False, lag=9, syncing=True)
    lines = shown(look(active, unknown)).splitlines()
    assert "pool.near" in lines[0]
    assert "a signs, but no standby is ready" in lines[0]
    assert lines[1] == "active a, term 20, since unknown"
    rows = {line.split()[0]: line.split() for line in lines[3:]}
    assert rows["a"] == ["a", "active", "120", "0", "no", "4", "6.2", "s", "2.10.0"]
    assert rows["b"][:6] == ["b", "standby", "0", "9", "yes", "?"]
    assert lines[-1].rstrip().endswith("not ready: neard is syncing")


def test_texts_of_other_hosts_are_no_markup() -> None:
    """A record is written by another host; what stands in it is shown as it is."""
    assert "[bold]x[/nonsense]" in shown(look(A, host("b", reason="[bold]x[/nonsense]")))
