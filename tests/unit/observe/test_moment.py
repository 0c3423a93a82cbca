"""The best moment of the next seconds: how long the choice may take, and what is said as it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from hafailover.near.rpc import NeardRpc, RpcError, Status
from hafailover.observe.moment import Forecast, block_s

from .tiny_consul import ACCOUNT, until

LATE = "no answer within 5 s"
HEAD_MADE_AT = 1_780_000_000.0


class Neard:
    """What neard says, and what it was asked."""

    def __init__(self) -> None:
        self.head = 1000
        self.windows: list[tuple[int, int]] | None = [(1010, 1014)]
        """``None``: it does not answer in time."""
        self.block_s: float | None = 0.5
        """``None``: it does not answer in time."""
        self.absent: tuple[int, ...] = ()
        """Heights at which nobody made a block."""
        self.asked: list[str] = []
        self.held_up: Callable[[], object] = lambda: None

    def __enter__(self) -> Neard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """There is nothing to close."""

    def status(self) -> Status:
        self.asked.append("status")
        return Status(self.head, False, None, None, "2.13.3", 42, "localnet", HEAD_MADE_AT)

    def maintenance_windows(self, account_id: str, deadline_s: float) -> list[tuple[int, int]]:
        assert (account_id, deadline_s) == (ACCOUNT, 5.0)
        self.asked.append("windows")
        self.held_up()
        if self.windows is None:
            raise RpcError(LATE)
        return self.windows

    def call(self, method: str, params: dict[str, int]) -> Any:
        self.asked.append(method)
        if self.block_s is None:
            raise RpcError(LATE)
        if params["block_id"] in self.absent:
            raise RpcError("block: UNKNOWN_BLOCK")
        made_at = HEAD_MADE_AT - (self.head - params["block_id"]) * self.block_s
        return {"header": {"timestamp_nanosec": f"{int(made_at * 1e9)}"}}


@pytest.fixture
def neard() -> Neard:
    return Neard()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def forecast(neard: Neard, said: list[str]) -> Forecast:
    return Forecast(lambda: as_rpc(neard), ACCOUNT, said.append)


def as_rpc(neard: Neard) -> NeardRpc:
    return cast("NeardRpc", neard)


def test_turns_that_nobody_took_are_counted_in(neard: Neard) -> None:
    neard.absent = (990, 991)
    assert block_s(as_rpc(neard), neard.head, HEAD_MADE_AT) == pytest.approx(0.5)
    assert neard.asked == ["block"] * 3


def test_a_neard_that_is_late_with_one_block_is_not_asked_for_five(neard: Neard) -> None:
    neard.block_s = None
    assert block_s(as_rpc(neard), neard.head, HEAD_MADE_AT) is None
    assert neard.asked == ["block"]


def test_a_neard_that_is_late_with_its_windows_is_asked_for_no_block(
    neard: Neard, forecast: Forecast
) -> None:
    neard.windows = neard.block_s = None
    moment = forecast.best()
    assert moment.slot is None
    assert moment.why == f"neard does not tell when it has no duty ({LATE}): the key moves at once"
    assert neard.asked.count("block") == 0


def test_without_windows_no_block_is_asked_for(neard: Neard, forecast: Forecast) -> None:
    neard.windows = []
    assert forecast.best().why == "no height of the next 10 s is free of duties: the key moves at once"
    assert neard.asked.count("block") == 0


def test_the_head_is_that_of_after_the_windows(neard: Neard, forecast: Forecast) -> None:
    """neard may have taken its time: a moment that is over by then is none."""

    def two_blocks_come() -> None:
        neard.head = 1008

    neard.held_up, neard.windows = two_blocks_come, [(1004, 1006), (1012, 1014)]
    slot = forecast.best().slot
    assert slot is not None
    assert (slot.start, slot.end) == (1012, 1014)


def test_another_choice_goes_by_the_pace_of_the_first(neard: Neard, forecast: Forecast) -> None:
    assert forecast.best().from_height == 1009
    blocks = neard.asked.count("block")
    neard.head, neard.block_s = 1005, None
    neard.windows = [(1015, 1020)]
    forecast.look(as_rpc(neard))
    assert forecast.change() == 1014
    assert neard.asked.count("block") == blocks


def test_a_window_that_neard_takes_back_is_named(neard: Neard, forecast: Forecast, said: list[str]) -> None:
    assert forecast.best().from_height == 1009
    neard.head, neard.windows = 1010, [(1012, 1020)]
    forecast.look(as_rpc(neard))
    assert said[0].startswith("neard has a duty at 1011 now; no duty at 1013 to 1019")
    assert forecast.change() == 1012


@pytest.mark.parametrize("head", [1013, 1019])
def test_a_window_that_ends_was_not_taken_back(
    neard: Neard, forecast: Forecast, said: list[str], head: int
) -> None:
    assert forecast.best().from_height == 1009
    neard.windows = [(1010, 1014), (1022, 1030)]
    for neard.head in (1009, 1010, 1012):
        forecast.look(as_rpc(neard))
    assert said == []
    neard.head = head
    forecast.look(as_rpc(neard))
    assert said == ["heights 1010 to 1013 have passed; no duty at 1022 to 1029: the key moves before it"]
    assert forecast.change() == 1021


def test_one_height_that_has_passed_is_one(neard: Neard, forecast: Forecast, said: list[str]) -> None:
    neard.windows = [(1010, 1011)]
    forecast.best()
    neard.head, neard.windows = 1010, []
    forecast.look(as_rpc(neard))
    assert said[0].startswith("height 1010 has passed; no height of the next ")


def test_after_the_answer_nothing_is_said_nor_changed(
    neard: Neard, forecast: Forecast, said: list[str]
) -> None:
    """The window ends as the key moves, and neard may be amid its answer then."""
    forecast.best()
    asking, answer = threading.Event(), threading.Event()

    def hold_up() -> None:
        asking.set()
        answer.wait(5.0)

    neard.held_up = hold_up
    with forecast.watched():
        neard.head, neard.windows = 1013, []
        assert asking.wait(5.0)
        forecast.end()
        answer.set()
        until(lambda: "forecast" not in {one.name for one in threading.enumerate()}, "the watch ends")
    assert (said, forecast.change()) == ([], None)
