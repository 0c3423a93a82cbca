"""The agent's look at what may still be missed: what it asks for, how often, and what becomes of failures."""

from __future__ import annotations

from typing import Any

import pytest

from hafailover.agent import budget_watch
from hafailover.agent.budget_watch import BudgetWatch
from hafailover.core import events as ev
from hafailover.near.rpc import RpcError, Status
from hafailover.observe.budget import refusal
from hafailover.observe.records import Allowance, Budget


class FakeRpc:
    """A neard with one validator on shard 3: of its chunks there 20 came, and 40 at first did not."""

    def __init__(self) -> None:
        self.height = 10_999
        self.epoch_start = 5000
        self.account = "pool.near"
        self.asked: list[str] = []
        self.fails: set[str] = set()
        self.why = "METHOD_NOT_FOUND"
        self.protocol = 87
        self.missed = 40
        self.closed = 0

    def status(self) -> Status:
        return Status(self.height, False, None, None, "2.14.0", 1, "mainnet", 0.0)

    def call(self, method: str, params: Any) -> Any:
        self.asked.append(method)
        if method in self.fails:
            raise RpcError(f"{method}: {self.why}")
        if method == "validators":
            seat = {
                "num_produced_blocks": 60,
                "num_expected_blocks": 60,
                "num_produced_chunks": 20,
                "num_expected_chunks": 20 + self.missed,
                "num_produced_chunks_per_shard": [20],
                "num_expected_chunks_per_shard": [20 + self.missed],
                "shards": [3],
            }
            entries = [{"account_id": name, **seat} for name in ("other.near", self.account)]
            return {"current_validators": entries, "epoch_start_height": self.epoch_start}
        return {"protocol_version": self.protocol, "epoch_length": 43_200}

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def neard() -> FakeRpc:
    return FakeRpc()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(budget_watch, "boottime", lambda: now[0])
    return now


def watch(neard: FakeRpc, told: list[ev.Event] | None = None) -> BudgetWatch:
    def open_rpc() -> Any:
        return neard

    return BudgetWatch(open_rpc, "pool.near", told.append if told is not None else lambda _: None)


def of_shard(budget: Budget | None) -> Allowance:
    assert budget is not None
    return next(row for row in budget.rows if row.rule == "early_kickout")


def test_the_second_look_knows_the_speed_of_the_chain(neard: FakeRpc, clock: list[float]) -> None:
    one = watch(neard)
    one.look()
    first = one.last()
    row = of_shard(first)
    assert (row.shard, row.missed, row.missable, row.low) == (3, 40, 59, False)
    assert first is not None
    assert (first.protocol, first.source, row.minutes) == (87, "protocol_config", None)
    clock[0] += 60
    neard.height += 100
    one.look()
    # 59 chunks, one in each 101.7 blocks, 0.6 s each.
    assert of_shard(one.last()).minutes == pytest.approx(59 * 6100 / 60 * 0.6 / 60, abs=0.1)


def test_the_rules_are_asked_for_once_in_an_epoch(neard: FakeRpc, clock: list[float]) -> None:
    one = watch(neard)
    for _ in range(3):
        one.look()
    assert neard.asked.count("EXPERIMENTAL_protocol_config") == 1
    neard.epoch_start += 1000
    one.look()
    assert neard.asked.count("EXPERIMENTAL_protocol_config") == 2
    clock[0] += budget_watch.RULES_EVERY_S
    one.look()
    assert neard.asked.count("EXPERIMENTAL_protocol_config") == 3


def test_a_neard_without_the_rules_has_mainnets(neard: FakeRpc, clock: list[float]) -> None:
    neard.fails = {"EXPERIMENTAL_protocol_config", "genesis_config"}
    one = watch(neard)
    one.look()
    found = one.last()
    assert found is not None
    assert (found.source, found.protocol) == ("mainnet", None)
    assert not any(row.in_force for row in found.rows if row.rule == "early_kickout")


def test_what_was_told_stands_for_two_minutes(neard: FakeRpc, clock: list[float]) -> None:
    one = watch(neard)
    one.look()
    neard.fails = {"validators"}
    clock[0] += budget_watch.OLD_S
    one.look()
    assert one.last() is not None
    assert neard.closed == 1
    clock[0] += 1
    assert one.last() is None


def test_who_is_no_validator_has_no_budget(neard: FakeRpc, clock: list[float]) -> None:
    one = watch(neard)
    one.look()
    neard.account = "somebody.near"
    one.look()
    assert one.last() is None


def test_a_neard_that_cannot_be_reached_ends_nothing() -> None:
    def open_rpc() -> Any:
        raise RpcError("connection refused")

    one = BudgetWatch(open_rpc, "pool.near", lambda _: None)
    one.look()
    assert one.last() is None


def test_the_core_is_told_each_time_why_nobody_should_spend_any_of_it(
    neard: FakeRpc, clock: list[float]
) -> None:
    told: list[ev.Event] = []
    one = watch(neard, told)
    neard.missed = 60
    one.look()
    why = refusal(one.last())
    assert why is not None
    assert why.startswith("budget low: 39 of 99 chunks may still be missed on shard 3")
    neard.fails = {"validators"}
    clock[0] += budget_watch.OLD_S
    one.look()
    clock[0] += 1
    one.look()
    neard.fails, neard.missed = set(), 40
    one.look()
    assert told == [ev.BudgetSeen(why), ev.BudgetSeen(why), ev.BudgetSeen(""), ev.BudgetSeen("")]


# --- what is not known


def test_before_the_first_answer_it_is_not_known(neard: FakeRpc, clock: list[float]) -> None:
    one = watch(neard)
    assert one.unknown() == (0.1, "its neard has not answered yet"), "0 would be: it is known"
    neard.fails = {"validators"}
    clock[0] += 40
    one.look()
    assert one.unknown() == (40.0, "validators: METHOD_NOT_FOUND")
    neard.fails = set()
    one.look()
    assert one.unknown() == (0.0, "")


def test_what_is_too_old_is_not_known_and_the_reason_is_short(neard: FakeRpc, clock: list[float]) -> None:
    one = watch(neard)
    one.look()
    neard.fails, neard.why = {"validators"}, "x" * 1000
    clock[0] += budget_watch.OLD_S
    one.look()
    assert one.unknown() == (0.0, "")
    clock[0] += 60
    silent_s, why = one.unknown()
    assert silent_s == budget_watch.OLD_S + 60
    assert len(why) == budget_watch.LONGEST_WHY


def test_whether_early_kickout_is_in_force_may_not_be_known(neard: FakeRpc, clock: list[float]) -> None:
    neard.fails = {"EXPERIMENTAL_protocol_config"}
    one = watch(neard)
    clock[0] += 5
    one.look()
    assert one.last() is not None
    silent_s, why = one.unknown()
    assert silent_s == 5.0
    assert why == budget_watch.NO_PROTOCOL
    # It is asked again before long, and not after half an hour.
    neard.fails = set()
    clock[0] += budget_watch.RULES_AGAIN_S
    one.look()
    assert one.unknown() == (0.0, "")


def test_a_protocol_stays_for_its_epoch(neard: FakeRpc, clock: list[float]) -> None:
    one = watch(neard)
    one.look()
    neard.fails = {"EXPERIMENTAL_protocol_config"}
    clock[0] += budget_watch.RULES_EVERY_S
    one.look()
    found = one.last()
    assert found is not None
    assert (found.protocol, one.unknown()) == (87, (0.0, ""))
    neard.epoch_start += 1000
    one.look()
    found = one.last()
    assert found is not None
    assert found.protocol is None
    assert one.unknown()[1] == budget_watch.NO_PROTOCOL


@pytest.mark.parametrize("change", [{"account": "somebody.near"}, {"protocol": 86}], ids=["no seat", "86"])
def test_who_has_nothing_to_lose_is_not_called_unknown(
    neard: FakeRpc, clock: list[float], change: dict[str, Any]
) -> None:
    """Both change with an epoch alone: a neard that is away for some minutes makes nothing unknown."""
    for name, value in change.items():
        setattr(neard, name, value)
    one = watch(neard)
    one.look()
    neard.fails = {"validators"}
    clock[0] += budget_watch.OF_AN_EPOCH_S
    one.look()
    assert one.unknown() == (0.0, "")
    clock[0] += 60
    assert one.unknown() == (budget_watch.OF_AN_EPOCH_S + 60, "validators: METHOD_NOT_FOUND")


def test_a_head_of_another_epoch_makes_nobody_a_host_without_a_seat(
    neard: FakeRpc, clock: list[float]
) -> None:
    neard.height = neard.epoch_start - 1
    one = watch(neard)
    clock[0] += 3
    one.look()
    assert one.unknown() == (3.0, "its head is of another epoch than its counts")
