"""The active's agent carries a plan out: it lets a window go when neard takes it back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import pytest

from hafailover.near.rpc import NeardRpc, RpcError, Status
from hafailover.orders.documents import OrderBook, Plan, Stored
from hafailover.orders.planner import Planner, Standing
from hafailover.orders.planning import patience_ends

from ..observe.tiny_consul import ACCOUNT, KEYS, TinyConsul, until
from ..observe.tiny_consul import consul as consul

PLAN = KEYS.orders + "plan"
HEAD = 100
EPOCH_S = 1_780_000_000.0
"""When the block at height 0 was made."""


class Chain:
    """What neard says, and what the agent knows of its host."""

    def __init__(self) -> None:
        self.windows = [(110, 120)]
        self.head = HEAD
        self.asked = 0
        self.fails = False
        self.scarce = ""
        self.block_s = 1.0
        """By the timestamps of its blocks."""

    def open(self) -> NeardRpc:
        @contextmanager
        def rpc() -> Iterator[Chain]:
            yield self

        return cast("NeardRpc", cast("AbstractContextManager[Any]", rpc()))

    def maintenance_windows(self, account_id: str, deadline_s: float) -> list[tuple[int, int]]:
        assert (account_id, deadline_s) == (ACCOUNT, 5.0)
        self.asked += 1
        self.check()
        return self.windows

    def check(self) -> None:
        if self.fails:
            raise RpcError("no answer within 5 s")

    def made_at(self, height: int) -> float:
        return EPOCH_S + height * self.block_s

    def status(self) -> Status:
        self.check()
        return Status(self.head, False, None, None, "2.13.3", 42, "localnet", self.made_at(self.head))

    def call(self, method: str, params: dict[str, int]) -> Any:
        assert method == "block"
        return {"header": {"timestamp_nanosec": f"{int(self.made_at(params['block_id']) * 1e9)}"}}

    def standing(self) -> Standing:
        return Standing(term=20, head=self.head, standbys=("b",), steady=("b",), scarce=self.scarce)


class Carrying:
    """A plan that an agent works on, and what it has written."""

    def __init__(self, consul: TinyConsul, **more: Any) -> None:
        self.consul, self.chain = consul, Chain()
        self.agent = Planner(
            consul.address, ACCOUNT, self.chain.open, self.chain.standing, "a", lambda _: None
        )
        plan = Plan.model_validate({"id": "p", "term": 20, "window_blocks": 2, **more})
        consul.put(PLAN, plan.model_dump())
        self.agent.see(OrderBook(plan=self.stored()), 0.0)

    def stored(self) -> Stored:
        return Stored(Plan.model_validate(self.consul.get(PLAN)), self.consul.items[PLAN].modified)

    def step(self) -> dict[str, Any]:
        self.agent.step(self.stored())
        return cast("dict[str, Any]", self.consul.get(PLAN))

    def once_asked(self, then: Callable[[dict[str, Any]], None]) -> None:
        """Does something as soon as the wish stands."""

        def run() -> None:
            then(self.consul.await_key(KEYS.request))

        threading.Thread(target=run, daemon=True).start()

    def accept(self, wish: dict[str, Any]) -> None:
        self.consul.put(KEYS.answer, {"id": wish["id"], "accepted": True, "reason": "handing over to b"})


@pytest.fixture
def carrying(consul: TinyConsul) -> Carrying:
    return Carrying(consul)


def test_a_window_that_stands_is_used(carrying: Carrying) -> None:
    wishes: list[dict[str, Any]] = []

    def looks_again(head: int) -> None:
        asked, carrying.chain.head = carrying.chain.asked, head
        until(lambda: carrying.chain.asked > asked, "another look at the windows")

    def play(wish: dict[str, Any]) -> None:
        wishes.append(wish)
        for head in range(HEAD + 1, HEAD + 4):
            looks_again(head)
        carrying.accept(wish)

    carrying.once_asked(play)
    plan = carrying.step()
    assert (plan["state"], plan["text"]) == ("done", "handing over to b")
    assert (wishes[0]["from_height"], wishes[0]["to_height"]) == (109, 116)


def test_a_window_that_neard_takes_back_is_let_go_before_the_key_moves(carrying: Carrying) -> None:
    def play(_: dict[str, Any]) -> None:
        time.sleep(0.3)
        carrying.chain.windows = [(110, 112), (114, 130)]
        carrying.chain.head = 108

    carrying.once_asked(play)
    plan = carrying.step()
    assert plan["state"] == "waiting"
    assert plan["text"] == "waiting for another window: neard now has a duty within 110 to 119"
    assert carrying.consul.items[KEYS.request].session is None, "nobody may act on the wish any more"
    carrying.consul.items.pop(KEYS.request)
    carrying.once_asked(carrying.accept)
    plan = carrying.step()
    assert (plan["state"], plan["start"], plan["end"]) == ("done", 114, 130)


@pytest.mark.parametrize("hangs", [False, True], ids=["answers", "hangs"])
@pytest.mark.parametrize("then", ["nothing", "another plan"])
def test_a_plan_that_is_taken_back_as_neard_is_asked_is_let_go(
    carrying: Carrying, then: str, hangs: bool
) -> None:
    """Also where another plan stands by the time that neard answers: the wish was the first one's."""
    asking, answer = threading.Event(), threading.Event()
    tell = carrying.chain.maintenance_windows

    def slow(account_id: str, deadline_s: float) -> list[tuple[int, int]]:
        if carrying.consul.get(KEYS.request) is not None:
            asking.set()
            answer.wait(10.0)
        return tell(account_id, deadline_s)

    carrying.chain.maintenance_windows = slow  # type: ignore[method-assign]
    stood: list[bool] = []

    def play(wish: dict[str, Any]) -> None:
        assert asking.wait(5.0)
        carrying.consul.items.pop(PLAN)
        carrying.agent.see(OrderBook(), 0.0)
        if then == "another plan":
            other = Plan.model_validate({"id": "q", "term": 20, "at_height": 5000, "to": "c"})
            carrying.consul.put(PLAN, other.model_dump())
            carrying.agent.see(OrderBook(plan=carrying.stored()), 0.0)
        if not hangs:
            answer.set()
        time.sleep(1.0)
        stood.append(carrying.consul.items[KEYS.request].session is not None)
        answer.set()
        carrying.accept(wish)

    player = threading.Thread(target=lambda: play(carrying.consul.await_key(KEYS.request)), daemon=True)
    player.start()
    carrying.agent.step(carrying.stored())
    player.join(5.0)
    assert stood == [False], "nobody may act on the wish any more"
    left = carrying.consul.get(PLAN)
    assert left is None if then == "nothing" else (left["id"], left["state"]) == ("q", "waiting")


def test_an_active_that_had_begun_by_then_is_heard(carrying: Carrying) -> None:
    def play(wish: dict[str, Any]) -> None:
        carrying.chain.windows, carrying.chain.head = [], 108
        while carrying.consul.items[KEYS.request].session is not None:
            time.sleep(0.01)
        carrying.accept(wish)

    carrying.once_asked(play)
    assert carrying.step()["state"] == "done"


def test_a_neard_that_does_not_tell_holds_the_wish_up(carrying: Carrying) -> None:
    def play(_: dict[str, Any]) -> None:
        carrying.chain.fails, carrying.chain.head = True, 105

    carrying.once_asked(play)
    plan = carrying.step()
    told = "neard does not tell the windows (no answer within 5 s)"
    assert (plan["state"], plan["text"]) == ("waiting", f"waiting for another window: {told}")
    assert carrying.consul.items[KEYS.request].session is None


def test_a_neard_that_does_not_tell_at_all_is_told_to_whoever_waits(carrying: Carrying) -> None:
    carrying.chain.fails = True
    plan = carrying.step()
    assert (plan["state"], plan["text"]) == (
        "waiting",
        "waiting: neard does not tell the windows (no answer within 5 s)",
    )
    assert carrying.consul.get(KEYS.request) is None
    carrying.chain.fails = False
    carrying.once_asked(carrying.accept)
    assert carrying.step()["state"] == "done"


@pytest.mark.parametrize("block_s", [0.2, 0.6, 2.0])
def test_the_first_choice_goes_by_the_time_that_a_block_takes(consul: TinyConsul, block_s: float) -> None:
    carrying = Carrying(consul)
    carrying.chain.block_s = block_s
    carrying.chain.windows = [(90, 400)]
    wishes: list[dict[str, Any]] = []

    def play(wish: dict[str, Any]) -> None:
        wishes.append(wish)
        carrying.accept(wish)

    carrying.once_asked(play)
    plan = carrying.step()
    assert (wishes[0]["from_height"] - HEAD) * block_s >= 3.0, "as long as the preparation takes"
    assert (plan["end"] - 1 - wishes[0]["to_height"]) * block_s >= 3.0, "until others have learned of it"


def test_a_height_is_near_by_the_time_that_a_block_takes(consul: TinyConsul) -> None:
    """Ten seconds before it the wish is put, at blocks of 0.2 s too."""
    carrying = Carrying(consul, window_blocks=None, at_height=150)
    carrying.chain.block_s = 0.2
    carrying.once_asked(carrying.accept)
    assert carrying.step()["state"] == "done"


@pytest.mark.parametrize("more", [{}, {"window_blocks": None, "at_height": 105}], ids=["window", "height"])
def test_it_waits_where_little_may_be_missed_any_more(consul: TinyConsul, more: dict[str, Any]) -> None:
    """The command has looked when the plan was made, which may be long ago."""
    carrying = Carrying(consul, **more)
    carrying.chain.scarce = "39 of 99 chunks may still be missed on shard 3"
    plan = carrying.step()
    assert (plan["state"], plan["text"]) == (
        "waiting",
        "waiting: the budget is low (39 of 99 chunks may still be missed on shard 3); to hand over all the "
        "same: hafailover switchover --cancel, then with --despite-budget",
    )
    assert consul.get(KEYS.request) is None
    carrying.chain.scarce = ""
    carrying.once_asked(carrying.accept)
    assert carrying.step()["state"] == "done"


def test_a_height_that_passes_meanwhile_has_passed(consul: TinyConsul) -> None:
    carrying = Carrying(consul, window_blocks=None, at_height=105)
    carrying.chain.scarce, carrying.chain.head = "39 of 99 chunks may still be missed on shard 3", 120
    plan = carrying.step()
    assert (plan["state"], plan["text"]) == ("failed", "height 105 has passed")


def test_a_plan_that_ends_the_loss_does_not_wait(consul: TinyConsul) -> None:
    carrying = Carrying(consul, despite_budget=True)
    carrying.chain.scarce = "0 of 99 chunks may still be missed on shard 3"
    carrying.once_asked(carrying.accept)
    assert carrying.step()["state"] == "done"


@pytest.mark.parametrize("despite", [False, True])
def test_its_wish_says_what_the_plan_was_ordered_with(consul: TinyConsul, despite: bool) -> None:
    """The budget may get low while the wish waits for the window."""
    carrying = Carrying(consul, despite_budget=despite)
    wishes: list[dict[str, Any]] = []

    def refuse(wish: dict[str, Any]) -> None:
        wishes.append(wish)
        consul.put(KEYS.answer, {"id": wish["id"], "accepted": False, "reason": "budget low"})

    carrying.once_asked(refuse)
    plan = carrying.step()
    assert wishes[0]["despite_budget"] is despite
    assert (plan["state"], plan["text"]) == ("waiting", "waiting for another window: budget low")


def test_a_height_needs_no_neard(consul: TinyConsul) -> None:
    carrying = Carrying(consul, window_blocks=None, at_height=105)
    carrying.chain.fails = True
    carrying.once_asked(carrying.accept)
    assert carrying.step()["state"] == "done"


def test_an_election_of_a_leader_is_waited_for(consul: TinyConsul) -> None:
    """The wish stands meanwhile, and would be what the next try finds in its way."""
    carrying = Carrying(consul, window_blocks=None, at_height=105)

    def play(wish: dict[str, Any]) -> None:
        time.sleep(0.3)
        consul.down = True
        time.sleep(1.0)
        consul.down = False
        time.sleep(0.3)
        carrying.accept(wish)

    carrying.once_asked(play)
    plan = carrying.step()
    assert (plan["state"], plan["text"]) == ("done", "handing over to b")


def test_at_a_height_no_window_is_asked_for(consul: TinyConsul) -> None:
    carrying = Carrying(consul, window_blocks=None, at_height=105)
    carrying.once_asked(carrying.accept)
    assert carrying.step()["state"] == "done"
    assert carrying.chain.asked == 0


def test_what_it_waits_for_stays_the_same(carrying: Carrying) -> None:
    """A longer window that comes into reach later is none that this plan was to wait for."""
    assert patience_ends(HEAD, 1.0) == 134
    carrying.chain.windows = [(130, 135), (138, 148)]
    assert carrying.step()["start"] == 130
    carrying.chain.head = 108
    assert carrying.step()["start"] == 130
