"""``hafailover drain`` of the host that signs is a handover: refused like one, and it misses as little."""

from __future__ import annotations

import json

import pytest

from hafailover.cli import switchover
from hafailover.orders import following

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


def drained(consul: TinyConsul, node: str) -> bool:
    return consul.get(f"{KEYS.orders}drained/{node}") is not None


def carries_out(
    consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, taker: str = "b", grade: str | None = "good"
) -> None:
    """The active's agent carries a plan out, while its host is not drained yet: then it would not wait."""

    def follow(*_: object) -> following.Moved:
        assert consul.get(KEYS.orders + "plan")["window_blocks"] == 2
        assert not drained(consul, "a")
        publish_signer(consul, taker, grade)
        consul.put_beat(beat(taker, 33))
        return following.Moved("a", taker, 33, 50, 53, 2.0)

    monkeypatch.setattr(following, "follow", follow)


@pytest.mark.parametrize("how", [(), ("--at-once",)], ids=["in a window", "at once"])
def test_the_active_is_not_drained_while_little_may_be_missed(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, how: tuple[str, ...]
) -> None:
    fill(consul)
    carries_out(consul, monkeypatch)
    publish_budget(consul, missable=49)
    refused = hafailover("drain", "a", *how)
    assert (refused.code, refused.out) == (5, "")
    assert refused.err.startswith("hafailover: not drained: budget low: 49 of 99 chunks may still be missed")
    assert "--despite-budget" in refused.err
    assert not drained(consul, "a")
    assert hafailover("drain", "a", *how, "--despite-budget").code == 0
    assert drained(consul, "a")
    assert consul.get(KEYS.request) is None, "by which the active's agent would be asked, and might refuse"
    if not how:
        assert consul.get(KEYS.orders + "plan")["despite_budget"] is True


def test_a_standby_is_drained_at_any_time(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    publish_budget(consul, missable=0)
    done = hafailover("drain", "b", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert (told["node"], told["drained"], told["handover"]) == ("b", True, None)
    assert drained(consul, "b")
    assert consul.get(KEYS.orders + "plan") is None


def test_enough_that_may_be_missed_holds_nothing_back(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    carries_out(consul, monkeypatch)
    publish_budget(consul, missable=50)
    done = hafailover("drain", "a")
    assert (done.code, done.err) == (0, "")


def test_the_active_hands_over_in_a_window_and_is_drained_then(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    carries_out(consul, monkeypatch)
    done = hafailover("drain", "a", "--reason", "disk")
    assert (done.code, done.err) == (0, "")
    moved, missed, produces, *rest = done.out.splitlines()
    assert moved == "b is active in term 33, in the window from 50 to 52; 2.0 s in all"
    assert missed.startswith("missed: ")
    assert produces == "b signs, and produces (last block 2 s ago, 9 of 9 duties)"
    assert rest == ["a is drained", "to take it back: hafailover undrain a"]
    assert consul.get(f"{KEYS.orders}drained/a")["reason"] == "disk"
    assert consul.get(KEYS.orders + "plan")["by"].endswith(", to drain a")


def test_at_once_waits_for_no_window(hafailover: Command, consul: TinyConsul) -> None:
    """Its agent hands over as soon as it sees the order."""
    fill(consul)
    done = hafailover("drain", "a", "--at-once")
    assert (done.code, done.out.splitlines()[0]) == (
        0,
        "a is drained; it hands over to a ready standby now",
    )
    assert drained(consul, "a")
    assert consul.get(KEYS.orders + "plan") is None


@pytest.mark.parametrize(
    ("taker", "grade", "code", "told"),
    [
        ("b", "deaf", 1, "b holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC"),
        ("a", "good", 6, "another host was to take over, but a signs"),
    ],
)
def test_a_host_that_may_be_needed_stays(
    hafailover: Command,
    consul: TinyConsul,
    monkeypatch: pytest.MonkeyPatch,
    taker: str,
    grade: str,
    code: int,
    told: str,
) -> None:
    """`drain a && ssh a reboot` must not go on, nor be the way back to it barred."""
    fill(consul)
    carries_out(consul, monkeypatch, taker, grade)
    done = hafailover("drain", "a", "--json")
    assert done.code == code
    assert f"hafailover: not drained: {told}" in done.err
    assert done.err.strip().endswith("; once that is mended: hafailover drain a")
    plain = json.loads(done.out)
    assert (plain["node"], plain["drained"], plain["handover"]["to_node"]) == ("a", False, taker)
    assert plain["handover"]["producing"] is (grade == "good")
    assert not drained(consul, "a")


def test_what_is_not_known_yet_is_told_and_holds_nothing_back(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    carries_out(consul, monkeypatch, grade=None)
    done = hafailover("drain", "a")
    assert done.code == 0
    assert "b signs; whether it produces is not known yet" in done.out
    assert drained(consul, "a")


def test_a_plan_that_comes_to_nothing_drains_nobody(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(*_: object) -> following.Moved:
        raise following.PlanError("not within 900 s; the plan stands")

    fill(consul)
    monkeypatch.setattr(following, "follow", follow)
    done = hafailover("drain", "a", "--json")
    assert (done.code, done.out) == (5, "")
    assert done.err == "hafailover: not drained: not within 900 s; the plan stands\n"
    assert not drained(consul, "a")


def test_whoever_waits_no_longer_learns_that_the_plan_stands(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(*_: object) -> following.Moved:
        raise KeyboardInterrupt

    fill(consul)
    monkeypatch.setattr(following, "follow", follow)
    done = hafailover("drain", "a", "--json")
    assert (done.code, done.out) == (1, "")
    assert "not drained: the plan stands: hafailover switchover --status, --cancel" in done.err
    assert not drained(consul, "a")


@pytest.mark.parametrize("how", [(), ("--at-once",)], ids=["in a window", "at once"])
def test_where_nobody_would_sign_it_is_refused(
    hafailover: Command, consul: TinyConsul, how: tuple[str, ...]
) -> None:
    fill(consul, standbys=())
    refused = hafailover("drain", "a", *how)
    assert (refused.code, refused.out) == (5, "")
    assert "a is the active, and no other host is ready: nobody would sign" in refused.err
    assert not drained(consul, "a")


def test_that_the_budget_is_not_known_is_said_and_refuses_nothing(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    carries_out(consul, monkeypatch)
    publish_unknown_budget(consul, 90.0, "no answer within 5 s")
    done = hafailover("drain", "a", "--json")
    assert (done.code, done.err) == (
        0,
        "hafailover: budget not known: for 90 s a's neard has not told how much may still be missed in this "
        "epoch (no answer within 5 s); going on all the same\n",
    )
    assert drained(consul, "a")


def test_a_standby_costs_nothing_so_nothing_is_said_of_the_budget(
    hafailover: Command, consul: TinyConsul
) -> None:
    fill(consul)
    publish_unknown_budget(consul, 90.0, "no answer within 5 s")
    assert hafailover("drain", "b").err == ""


def test_an_account_without_a_seat_has_nothing_that_could_be_unknown(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    carries_out(consul, monkeypatch)
    publish_unknown_budget(consul, 0.0)
    assert hafailover("drain", "a").err == ""
