"""``hafailover explain``: conditions met, not met and not known, and who would take over."""

from __future__ import annotations

import json

import pytest

from ..near.keys import ACCOUNT
from ..observe.pool import fill
from ..observe.tiny_consul import TinyConsul
from .command import Command

MET = {"neard in sync": "", "neard has peers": ""}


@pytest.fixture(autouse=True)
def pool(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")
    fill(consul)
    consul.publish("b", "session-of-b", role="standby", reason="ready", ready=True, gates=MET)
    half = {"neard in sync": "neard is syncing", "neard has peers": None}
    consul.publish("c", "session-of-c", role="syncing", reason="neard is syncing", gates=half)


def test_each_condition_of_those_that_do_not_meet_all(hafailover: Command) -> None:
    done = hafailover("explain")
    assert (done.code, done.err) == (0, "")
    assert "b: standby: ready\n  all 2 conditions are met\n" in done.out
    assert (
        "c: syncing: neard is syncing\n  FAIL neard in sync: neard is syncing\n  ?    neard has peers\n"
        in (done.out)
    )
    assert "a: active: \n  its agent does not tell" in done.out
    assert "  b would take over:\n" in done.out
    assert "  not c: syncing: neard is syncing\n" in done.out


def test_a_vanished_host_is_forecast_with_its_range_and_the_reason(
    hafailover: Command, consul: TinyConsul
) -> None:
    out = hafailover("explain").out
    assert "  in about 9 to 13 s where it is waited out (the host or its network is gone):\n" in out
    assert "    9.1 s after its last beat its key is surely gone,\n" in out
    assert "up to about 19 s where its term has just begun" in out
    assert "docs/operating.md#what-an-outage-costs" in out
    assert "validator_routing" not in out
    production = {"routing": "direct"}
    consul.publish("a", "session-of-a", role="active", ready=True, production=production)
    out = hafailover("explain").out.replace("\n", "")
    assert "produces 0 blocks until then; see docs/decisions/validator-routing.md" in out


def test_a_host_that_is_named_has_every_line(hafailover: Command) -> None:
    out = hafailover("explain", "b").out
    assert "  pass neard in sync\n  pass neard has peers\n" in out
    assert "c: syncing: neard is syncing\n  FAIL" not in out


def test_a_host_that_is_gone_is_not_shown_as_it_was(hafailover: Command, consul: TinyConsul) -> None:
    consul.expire("session-of-b")
    done = hafailover("explain", "b")
    assert done.code == 1
    assert "pass" not in done.out
    assert "its agent does not tell: it is gone" in done.out
    assert "nobody would take over: no standby is ready" in done.out


def test_for_programs(hafailover: Command) -> None:
    told = json.loads(hafailover("explain", "--json").out)
    assert (told["v"], told["active"]) == (1, "a")
    assert told["gates"]["c"] == {"neard in sync": "neard is syncing", "neard has peers": None}
    assert told["if_active_died"]["order"] == ["b"]
    assert list(json.loads(hafailover("explain", "c", "--json").out)["gates"]) == ["c"]


def test_a_host_that_nobody_knows(hafailover: Command) -> None:
    done = hafailover("explain", "x")
    assert (done.code, done.out) == (5, "")
    assert "no host named x is known; there are a, b, c" in done.err


def test_whether_what_the_active_signs_arrives(hafailover: Command, consul: TinyConsul) -> None:
    due = {"expected": 9, "recent_expected": 9}
    production = {"grade": "deaf", "since": "13:02:11 UTC", "blocks": due}
    consul.publish("a", "session-of-a", role="active", ready=True, production=production)
    done = hafailover("explain")
    told = "holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC"
    assert f"a: active: \n  {told}" in done.out
    assert "hafailovernotproducing" in done.out
    plain = json.loads(hafailover("explain", "--json").out)
    assert plain["producing"] is False
    assert plain["production"].startswith(told)
