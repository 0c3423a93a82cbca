"""A drill is performed once or not at all, and judged by what the pool shows afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from hafailover.core.beat import Beat, Phase
from hafailover.near.rpc import NeardRpc, RpcError
from hafailover.observe.cost import Cost
from hafailover.orders import exercise
from hafailover.orders.desk import Desk
from hafailover.orders.documents import Drill
from hafailover.orders.exercise import DrillRefusedError, Outcome
from hafailover.orders.planner import Planner, Standing

from ..observe.tiny_consul import ACCOUNT, KEYS, TinyConsul
from ..observe.tiny_consul import consul as consul

KEY = KEYS.orders + "drill"
ARMED = Standing(term=20, head=100, standbys=("b",), steady=("b",))


def order(kind: str = "neard", **more: Any) -> Drill:
    return Drill.model_validate({"id": "7", "kind": kind, "node": "a", "term": 20, **more})


def beat(node: str, term: int, sequence: int = 5, phase: Phase = Phase.ACTIVE) -> Beat:
    return Beat(term, sequence, node, phase, 8.5, height=100)


def desk(consul: TinyConsul) -> Desk:
    return Desk(consul.address, ACCOUNT, 2.0)


def no_neard() -> NeardRpc:
    raise RpcError("none here")


def planner(consul: TinyConsul, performed: list[str], standing: Standing = ARMED) -> Planner:
    return Planner(consul.address, ACCOUNT, no_neard, lambda: standing, "a", performed.append)


# --- the active's agent


def test_an_order_is_performed_once_however_often_it_is_seen(consul: TinyConsul) -> None:
    performed: list[str] = []
    agent = planner(consul, performed)
    assert desk(consul).drill(order(), 0)
    book = desk(consul).read()
    assert book.drill is not None
    # The watch may be late: the same book, again.
    for _ in range(3):
        agent.drill(book.drill, book.drill_index)
    assert performed == ["neard"]
    # So does an agent that has just been started by its service manager.
    again = desk(consul).read()
    assert again.drill is not None
    assert again.drill.taken
    planner(consul, performed).drill(again.drill, again.drill_index)
    assert performed == ["neard"]


def test_an_order_that_was_taken_back_is_not_performed(consul: TinyConsul) -> None:
    performed: list[str] = []
    desk(consul).drill(order(), 0)
    book = desk(consul).read()
    assert book.drill is not None
    desk(consul).end_drill()
    planner(consul, performed).drill(book.drill, book.drill_index)
    assert performed == []
    assert consul.get(KEY) is None


@pytest.mark.parametrize(
    ("standing", "why"),
    [
        (Standing(21, 100, ("b",), ("b",)), "the pool has moved meanwhile"),
        (Standing(None, 100, ("b",), ("b",)), "the pool has moved meanwhile"),
        (Standing(20, 100, (), ()), "no standby is ready"),
    ],
)
def test_the_agent_looks_again(consul: TinyConsul, standing: Standing, why: str) -> None:
    performed: list[str] = []
    desk(consul).drill(order(), 0)
    book = desk(consul).read()
    assert book.drill is not None
    planner(consul, performed, standing).drill(book.drill, book.drill_index)
    assert (performed, consul.get(KEY)["refused"]) == ([], why)


LOW = "39 of 99 chunks may still be missed on shard 3"


@pytest.mark.parametrize("despite_budget", [False, True])
def test_the_agent_looks_at_the_budget_itself(consul: TinyConsul, despite_budget: bool) -> None:
    """An order of a client that did not look says nothing of it."""
    performed: list[str] = []
    given = order().model_dump(exclude={"despite_budget"})
    consul.put(KEY, {**given, "despite_budget": True} if despite_budget else given)
    book = desk(consul).read()
    assert book.drill is not None
    scarce = Standing(20, 100, ("b",), ("b",), scarce=LOW)
    planner(consul, performed, scarce).drill(book.drill, book.drill_index)
    assert performed == (["neard"] if despite_budget else [])
    told = f"the budget is low ({LOW}); to hold it all the same: --despite-budget"
    assert consul.get(KEY)["refused"] == ("" if despite_budget else told)


# --- who ordered it


def play(consul: TinyConsul, then: Callable[[Desk], object], take: bool = True) -> None:
    """Plays the active's agent and what comes of the drill."""

    def run() -> None:
        consul.await_key(KEY)
        one = desk(consul)
        book = one.read()
        assert book.drill is not None
        if take:
            assert one.take_drill(book.drill, book.drill_index)
        then(one)

    threading.Thread(target=run, daemon=True).start()


def hold(consul: TinyConsul, drill: Drill, wait_s: float = 30.0) -> Outcome:
    consul.put_beat(beat("a", 20))
    return exercise.hold(consul.address, ACCOUNT, drill, wait_s)


@pytest.mark.parametrize(
    ("kind", "seen", "ok", "text"),
    [
        ("neard", beat("b", 21), True, "a standby has taken over"),
        ("host", beat("b", 21), True, "a standby has taken over"),
        ("neard", beat("a", 21), False, "the same host has taken over from itself"),
        ("agent", beat("a", 20, 5 + exercise.RESTART_LEAP), True, "the agent is back in the same term"),
        ("agent", beat("b", 21), False, "b has taken over, though the agent was to be back in time"),
    ],
)
def test_how_it_is_judged(consul: TinyConsul, kind: str, seen: Beat, ok: bool, text: str) -> None:
    play(consul, lambda _: consul.put_beat(seen))
    outcome = hold(consul, order(kind))
    assert (outcome.ok, outcome.text) == (ok, text)
    assert (outcome.from_node, outcome.to_node, outcome.term) == ("a", seen.node, seen.term)
    assert consul.get(KEY) is None


@pytest.mark.parametrize(
    "seen",
    [beat("b", 21, phase=Phase.WAITING), beat("a", 20, 6), beat("a", 20, phase=Phase.RELEASED)],
    ids=["waits still", "signs as before", "has let go"],
)
def test_what_is_no_success_yet(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, seen: Beat) -> None:
    monkeypatch.setattr(exercise, "SLACK_S", 0.5)
    play(consul, lambda _: consul.put_beat(seen))
    outcome = hold(consul, order(), wait_s=0.0)
    assert (outcome.ok, outcome.text) == (False, "nobody else was active within 0 s")
    assert consul.get(KEY) is None


def test_an_agent_that_sends_on_was_not_restarted(
    consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exercise, "AGENT_WITHIN_S", 0.5)
    play(consul, lambda _: consul.put_beat(beat("a", 20, 9)))
    assert not hold(consul, order("agent")).ok


def test_an_agent_that_refuses(consul: TinyConsul) -> None:
    def refuse(one: Desk) -> None:
        index = one.read().drill_index
        one.drill(order(refused="no standby is ready"), index)

    play(consul, refuse, take=False)
    with pytest.raises(DrillRefusedError, match="no standby is ready"):
        hold(consul, order())
    assert consul.get(KEY) is None


def test_an_agent_that_does_not_take_it(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exercise, "TAKEN_WITHIN_S", 0.3)
    with pytest.raises(DrillRefusedError, match="the agent of a did not take it"):
        hold(consul, order())
    assert consul.get(KEY) is None


def test_an_order_that_somebody_takes_back(consul: TinyConsul) -> None:
    play(consul, lambda one: one.end_drill(), take=False)
    with pytest.raises(DrillRefusedError, match="somebody has taken it back"):
        hold(consul, order())


def test_one_at_a_time(consul: TinyConsul) -> None:
    desk(consul).drill(order(id="other"), 0)
    with pytest.raises(DrillRefusedError, match="another drill is under way"):
        hold(consul, order())
    assert consul.get(KEY)["id"] == "other"


def test_a_command_that_is_cut_off_leaves_no_order(
    consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hold(consul, order())
    assert consul.get(KEY) is None


def test_the_record_and_the_last_success(consul: TinyConsul) -> None:
    passed = Outcome("neard", True, "a standby has taken over", "a", "b", 21, 0.5)
    failed = Outcome("host", False, "nobody else was active within 20 s", "b", "b", 21, 20.0)
    exercise.record(consul.address, ACCOUNT, passed, Cost(1, 2, 5))
    succeeded_at = consul.get(KEYS.orders + "last_drill")["succeeded_at"]
    exercise.record(consul.address, ACCOUNT, failed, None)

    kept = [consul.get(key) for key in consul.items if key.startswith(KEYS.history)]
    assert {(one["ok"], one["cause"], one["blocks_missed"], one["chunks_missed"]) for one in kept} == {
        (True, "neard: a standby has taken over", 1, 2),
        (False, "host: nobody else was active within 20 s", None, None),
    }
    assert {one["endorsements_missed"] for one in kept} == {5, None}
    last = consul.get(KEYS.orders + "last_drill")
    assert (last["ok"], last["kind"]) == (False, "host")
    # A failed one does not hide when the last one succeeded.
    assert last["succeeded_at"] == succeeded_at > 0
