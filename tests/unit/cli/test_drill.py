"""``hafailover drill``: what counts as passed, and where none is held."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import typer

from hafailover.cli import switchover
from hafailover.orders import exercise, following
from hafailover.orders.exercise import Outcome

from ..near.keys import ACCOUNT
from ..observe.pool import beat, fill, publish_budget, publish_signer, publish_unknown_budget
from ..observe.tiny_consul import KEYS, TinyConsul
from .command import Command


@pytest.fixture(autouse=True)
def settings(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")
    monkeypatch.setattr(switchover, "SETTLE_S", 0.0)
    monkeypatch.setattr(switchover, "ARRIVES_WITHIN_S", 0.0)


def held(
    consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, taker: str = "b", grade: str | None = "good"
) -> None:
    """Drills of each kind go well as far as the key goes."""

    def take_over() -> None:
        publish_signer(consul, taker, grade)
        consul.put_beat(beat(taker, 33))

    def follow(*_: object) -> following.Moved:
        take_over()
        return following.Moved("a", taker, 33, 50, 53, 2.0)

    def hold(*_: object) -> Outcome:
        take_over()
        return Outcome("neard", True, "a standby has taken over", "a", taker, 33, 0.5)

    monkeypatch.setattr(following, "follow", follow)
    monkeypatch.setattr(exercise, "hold", hold)


def kept(consul: TinyConsul) -> dict[str, object]:
    (entry,) = [consul.get(key) for key in consul.items if key.startswith(KEYS.history) and ".drill." in key]
    found: dict[str, object] = entry
    return found


def test_a_drill_waits_for_a_better_epoch(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    held(consul, monkeypatch)
    publish_budget(consul, missable=49)
    refused = hafailover("drill", "--yes", "--json")
    assert refused.code == 5
    assert refused.err.startswith("hafailover: no drill: budget low: 49 of 99 chunks may still be missed")
    assert "--despite-budget" in refused.err
    assert hafailover("drill", "--yes", "--json", "--despite-budget").code == 0


@pytest.mark.parametrize("option", [[], ["--despite-budget"]], ids=["-", "despite"])
def test_a_drill_carries_what_it_was_ordered_with(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    """The active's agent looks at the budget again."""
    fill(consul)
    held(consul, monkeypatch)
    ordered: list[Any] = []
    done = exercise.hold

    def hold(*given: Any) -> Outcome:
        ordered.append(given[2])
        return done(*given)

    monkeypatch.setattr(exercise, "hold", hold)
    assert hafailover("drill", "--kind", "neard", "--yes", *option).code == 0
    assert ordered[0].despite_budget is bool(option)


def test_that_the_budget_is_not_known_is_said_before_a_drill(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    held(consul, monkeypatch)
    publish_unknown_budget(consul, 90.0, "no answer within 5 s")
    done = hafailover("drill", "--yes", "--json")
    assert done.code == 0
    assert "budget not known: for 90 s a's neard has not told" in done.err


@pytest.mark.parametrize(("taker", "code"), [("b", 0), ("a", 1)])
def test_a_switchover_back_to_the_same_host_has_failed(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, taker: str, code: int
) -> None:
    fill(consul)
    held(consul, monkeypatch, taker)
    done = hafailover("drill", "--kind", "switchover", "--yes", "--json")
    assert done.code == code, done.err
    assert json.loads(done.out)["ok"] is (code == 0)


# --- what comes of what the new holder signs


@pytest.mark.parametrize("kind", ["switchover", "neard"])
@pytest.mark.parametrize(
    ("grade", "told"),
    [
        ("deaf", "; b holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC"),
        (
            "doubt",
            "; b holds the key, and what it does is not seen to arrive yet: 0 of 9 blocks since",
        ),
        ("still", "; b holds the key, but the chain stands still, or this site is cut off from it"),
    ],
)
def test_a_new_holder_that_does_not_produce_has_passed_no_drill(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, kind: str, grade: str, told: str
) -> None:
    fill(consul)
    held(consul, monkeypatch, grade=grade)
    done = hafailover("drill", "--kind", kind, "--yes")
    assert done.code == 1, done.err
    assert done.out.startswith("FAILED: ")
    assert told in done.out
    assert "see docs/runbook.md#hafailovernotproducing" in done.err
    assert (kept(consul)["ok"], told in str(kept(consul)["cause"])) == (False, True)
    last = consul.get(KEYS.orders + "last_drill")
    assert (last["ok"], told in last["text"], last["succeeded_at"]) == (False, True, 0.0)


@pytest.mark.parametrize(("grade", "producing"), [("good", True), ("not due", None), (None, None)])
def test_what_is_not_known_is_no_failure_and_is_told(
    hafailover: Command,
    consul: TinyConsul,
    monkeypatch: pytest.MonkeyPatch,
    grade: str | None,
    producing: bool | None,
) -> None:
    fill(consul)
    held(consul, monkeypatch, grade=grade)
    done = hafailover("drill", "--yes", "--json")
    told = json.loads(done.out)
    assert (done.code, told["ok"], told["producing"]) == (0, True, producing)
    assert ("whether it produces is not known yet" in told["text"]) is (producing is None)
    assert consul.get(KEYS.orders + "last_drill")["succeeded_at"] > 0


@pytest.mark.parametrize(
    ("record", "told"),
    [({"role": "active"}, "; a signs"), ({"role": "fenced"}, "; no host of this pool signs")],
)
def test_a_new_holder_that_signs_no_more_has_passed_no_drill(
    hafailover: Command,
    consul: TinyConsul,
    monkeypatch: pytest.MonkeyPatch,
    record: dict[str, str],
    told: str,
) -> None:
    fill(consul)

    def hold(*_: object) -> Outcome:
        consul.publish("a", "session-of-a", ready=True, term=35, height=100, **record)
        return Outcome("neard", True, "a standby has taken over", "a", "b", 33, 0.5)

    monkeypatch.setattr(exercise, "hold", hold)
    done = hafailover("drill", "--kind", "neard", "--yes")
    assert done.code == 1
    assert done.out.startswith(f"FAILED: a standby has taken over{told}")


# --- where none is held


@pytest.mark.parametrize(
    ("grade", "told"),
    [
        ("deaf", "a holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC"),
        ("doubt", "a holds the key, and what it does is not seen to arrive yet: 0 of 9 blocks"),
        ("still", "a holds the key, but the chain stands still"),
    ],
)
def test_an_active_that_does_not_produce_holds_no_drill(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, grade: str, told: str
) -> None:
    fill(consul)
    held(consul, monkeypatch)
    publish_signer(consul, "a", grade, term=20)
    refused = hafailover("drill", "--yes")
    assert (refused.code, refused.out) == (5, "")
    assert f"hafailover: no drill: {told}" in refused.err
    assert consul.get(KEYS.orders + "plan") is None


def test_nor_one_that_has_done_none_of_its_duties(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever `status` finds wrong: a drill in such a pool shows nothing, and may do harm."""
    fill(consul)
    held(consul, monkeypatch)
    idle = {"duties_due": 9, "duties_due_s": 50.0, "no_duty_since": "13:02:11 UTC"}
    consul.publish("a", "session-of-a", role="active", ready=True, term=20, height=100, **idle)
    refused = hafailover("drill", "--yes")
    assert refused.code == 5
    assert "no drill: a signs, " in refused.err
    assert "but 0 of 9 duties were seen done since 13:02:11 UTC" in refused.err


# --- time passes while somebody is asked


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def paused(consul: TinyConsul) -> None:
    order = {"id": "p", "until": "2100-01-01T00:00:00+00:00", "for_s": 3600.0}
    consul.put(KEYS.orders + "pause", order)


def moved(consul: TinyConsul) -> None:
    consul.publish("a", "session-of-a", role="standby", ready=True, height=100)
    publish_signer(consul, "b")
    consul.put_beat(beat("b", 33))


def nothing(_: TinyConsul) -> None:
    """The pool stays as it was."""


@pytest.mark.parametrize(
    ("meanwhile", "code", "told"),
    [
        (nothing, 0, ""),
        (paused, 5, "no drill: automatic failover is paused until 2100"),
        (moved, 5, "no drill: the pool has moved meanwhile: b signs in term 33"),
        (lambda consul: publish_signer(consul, "a", "deaf", 20), 5, "no drill: a holds the key, and nothing"),
        (lambda consul: publish_budget(consul, missable=49), 5, "no drill: budget low: 49 of 99 chunks"),
    ],
)
def test_the_pool_is_looked_at_again_once_the_answer_is_there(
    hafailover: Command,
    consul: TinyConsul,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[TinyConsul], object],
    code: int,
    told: str,
) -> None:
    fill(consul)
    held(consul, monkeypatch)

    def confirm(*_: object, **__: object) -> bool:
        meanwhile(consul)
        return True

    monkeypatch.setattr(typer, "confirm", confirm)
    monkeypatch.setattr("sys.stdin", Terminal())
    done = hafailover("drill", "--kind", "neard")
    assert done.code == code, done.err
    assert told in done.err
    assert bool([key for key in consul.items if ".drill." in key]) is (code == 0)
