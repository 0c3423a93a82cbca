"""Orders as they stand in Consul, and what becomes of those that nobody can read."""

from typing import Any

import pytest

from hafailover.orders import clock
from hafailover.orders.clock import PauseClock
from hafailover.orders.documents import LONGEST_PAUSE_S, Pause, Plan, read_book, utc

PAUSE = {"id": "p1", "until": "2026-01-01T00:00:00+00:00", "for_s": 60.0}


def test_everything_that_is_ordered() -> None:
    book = read_book(
        {
            ".keep": (1, {}),
            "pause": (2, PAUSE),
            "drained/host2": (3, {"by": "me@here", "reason": "disk"}),
            "drained/": (4, {}),
            "plan": (5, {"id": "x", "term": 20, "window_blocks": 2}),
            "something": (6, {"else": 1}),
        }
    )
    assert (book.pause and book.pause.id, book.pause_index) == ("p1", 2)
    assert [(one.node, one.reason) for one in book.drains] == [("host2", "disk")]
    assert book.plan is not None
    assert (book.plan.index, book.plan.plan.window_blocks, book.plan.plan.over) == (5, 2, False)


@pytest.mark.parametrize(
    "change",
    [
        {"until": "tomorrow"},
        {"until": "2026-01-01T00:00:00"},
        {"for_s": 0.0},
        {"for_s": LONGEST_PAUSE_S + 1},
        {"for_s": "60"},
        {"id": None},
    ],
)
def test_an_unreadable_pause_is_none(change: dict[str, Any]) -> None:
    assert read_book({"pause": (2, {**PAUSE, **change})}).pause is None


def test_an_unreadable_drain_still_drains() -> None:
    assert [one.node for one in read_book({"drained/host1": (2, {"by": 7})}).drains] == ["host1"]


@pytest.mark.parametrize("change", [{"term": -1}, {"term": "20"}, {"state": "odd"}, {"window_blocks": 0}])
def test_an_unreadable_plan_is_none(change: dict[str, Any]) -> None:
    assert read_book({"plan": (2, {"id": "x", "term": 20, **change})}).plan is None


def test_a_plan_comes_back_as_it_was_written() -> None:
    plan = Plan(id="x", term=20, at_height=700, by="me", text="waiting", start=700, end=701)
    book = read_book({"plan": (2, plan.model_dump())})
    assert book.plan is not None
    assert book.plan.plan == plan


class Clocks:
    """This machine's clocks, to be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boot, self.wall = 100.0, 1_800_000_000.0
        monkeypatch.setattr(clock, "boottime", lambda: self.boot)
        monkeypatch.setattr("hafailover.orders.clock.time.time", lambda: self.wall)

    def pause(self, left_s: float, for_s: float = 3600.0) -> Pause:
        return Pause(id="p", until=utc(self.wall + left_s), for_s=for_s)


def test_a_pause_ends_by_the_time_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    assert PauseClock().ends_at(clocks.pause(600)) == 700
    assert PauseClock().ends_at(clocks.pause(-5)) == 100
    assert PauseClock().ends_at(None) < 0


def test_a_wrong_wall_clock_does_not_make_it_longer_than_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    assert PauseClock().ends_at(clocks.pause(86400, for_s=60)) == 160


def test_a_wall_clock_that_is_set_does_not_move_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    order, mine = clocks.pause(600), PauseClock()
    assert mine.ends_at(order) == 700
    clocks.boot, clocks.wall = 300.0, clocks.wall - 5000
    assert mine.ends_at(order) == 700
    assert mine.ends_at(None) < 0
    assert mine.ends_at(clocks.pause(50)) == 350
