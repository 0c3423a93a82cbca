"""Metrics: which names are exported, what the gauges show, and which steps of the core count as what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hafailover.core import events as ev
from hafailover.core import foreign
from hafailover.core.state import Stage, State
from hafailover.core.views import KeyState, Role
from hafailover.core.work import Chain, Counts, Duties, Evidence, Finding, Work
from hafailover.guard.protocol import GuardReport
from hafailover.observe.metrics import Metrics
from hafailover.observe.records import Allowance, Budget

from ..core.bench import OTHER, Core, guard

COUNTED = ("promotions_total", "demotions_total", "fences_total{no proof}", "fences_total{lost}")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("pool.near", "a")


def values(metrics: Metrics) -> dict[str, float]:
    """All samples, without their common prefix, with their labels' values."""
    found = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            labels = f"{{{','.join(sample.labels.values())}}}" if sample.labels else ""
            found[sample.name.removeprefix("hafailover_") + labels] = sample.value
    return found


def counts(metrics: Metrics) -> tuple[float, ...]:
    found = values(metrics)
    return tuple(found[name] for name in COUNTED)


class Counted(Core):
    """A core whose every step is shown to the metrics, as the agent does it."""

    def __init__(self, metrics: Metrics, **config: Any) -> None:
        super().__init__(**config)
        self.metrics = metrics

    def feed(self, event: ev.Event, after: float = 0.0) -> list[Any]:
        before = self.state
        effects = super().feed(event, after)
        self.metrics.changed(before, self.state)
        return effects


def test_the_names_that_dashboards_rely_on(metrics: Metrics) -> None:
    families = {family.name: family.type for family in metrics.registry.collect()}
    assert families == {
        "hafailover": "info",
        "hafailover_state": "stateset",
        "hafailover_term": "gauge",
        "hafailover_lease_seconds_left": "gauge",
        "hafailover_ready": "gauge",
        "hafailover_consul_stuck": "gauge",
        "hafailover_promotions": "counter",
        "hafailover_demotions": "counter",
        "hafailover_fences": "counter",
        "hafailover_hot_swap_seconds": "histogram",
        "hafailover_renew_seconds": "histogram",
        "hafailover_neard_restarts": "gauge",
        "hafailover_block_height": "gauge",
        "hafailover_lag_blocks": "gauge",
        "hafailover_peers": "gauge",
        "hafailover_guard_connected": "gauge",
        "hafailover_guard_alarm": "gauge",
        "hafailover_session": "gauge",
        "hafailover_state_dir_writable": "gauge",
        "hafailover_paused": "gauge",
        "hafailover_forced": "gauge",
        "hafailover_foreign_signer": "gauge",
        "hafailover_duties_due_seconds": "gauge",
        "hafailover_not_producing": "gauge",
        "hafailover_production_known": "gauge",
        "hafailover_duties_produced": "gauge",
        "hafailover_duties_expected": "gauge",
        "hafailover_epoch_duties_produced": "gauge",
        "hafailover_epoch_duties_expected": "gauge",
        "hafailover_drained": "gauge",
        "hafailover_missable_duties": "gauge",
        "hafailover_budget_ratio": "gauge",
        "hafailover_budget_known": "gauge",
        "hafailover_last_successful_drill_timestamp_seconds": "gauge",
        "hafailover_notifications": "counter",
    }


def test_counters_are_there_before_they_count(metrics: Metrics) -> None:
    """An alert on an increase misses the first one of a counter that appears with it."""
    assert counts(metrics) == (0, 0, 0, 0)
    assert {"hot_swap_seconds_count{load}", "hot_swap_seconds_count{drop}"} <= set(values(metrics))


# --- gauges


def test_what_may_still_be_missed_is_shown_as_long_as_it_is_known(metrics: Metrics) -> None:
    def shown() -> dict[str, float]:
        return {
            name: value for name, value in values(metrics).items() if "missable" in name or "ratio" in name
        }

    def row(shard: int | None, missable: int, **changes: bool) -> Allowance:
        flags = {"in_force": True, "out_of_reach": False, "lost": False, "low": False, **changes}
        rule, duty = ("seat", "blocks") if shard is None else ("early_kickout", "chunks")
        return Allowance.model_validate(
            {
                "rule": rule,
                "duty": duty,
                "shard": shard,
                "missed": 1,
                "missable": missable,
                "full": 100,
                **flags,
            }
        )

    def budget(*rows: Allowance) -> Budget:
        return Budget(epoch_start=1, height=9, blocks_left=5, source="mainnet", rows=list(rows))

    metrics.show_budget(budget(row(3, 40), row(4, 50, in_force=False), row(None, 0, lost=True)))
    assert shown() == {
        "missable_duties{early_kickout,chunks,3}": 40,
        "missable_duties{early_kickout,chunks,4}": 50,
        "missable_duties{seat,blocks,}": 0,
        "budget_ratio{early_kickout,chunks,3}": 0.4,
        "budget_ratio{seat,blocks,}": 0,
    }
    metrics.show_budget(budget(row(3, 40, in_force=False), row(None, 7, out_of_reach=True)))
    assert shown() == {
        "missable_duties{early_kickout,chunks,3}": 40,
        "missable_duties{seat,blocks,}": 7,
        "budget_ratio{seat,blocks,}": 1,
    }
    metrics.show_budget(None)
    assert shown() == {}


def test_a_starting_agent_shows_nothing_it_does_not_know(metrics: Metrics) -> None:
    metrics.show(Core().state, 0, False, None)
    found = values(metrics)
    for name in (
        "term",
        "lease_seconds_left",
        "ready",
        "block_height",
        "peers",
        "guard_connected",
        "session",
    ):
        assert found[name] == 0
    assert found["state{starting}"] == 1


def test_an_active_shows_its_term_and_its_lease(metrics: Metrics) -> None:
    metrics.show(Core().arm(term=20).state, 3, True, 6.25)
    found = values(metrics)
    assert found["term"] == 20
    assert found["lease_seconds_left"] == 6.25
    assert (found["ready"], found["lag_blocks"], found["block_height"], found["peers"]) == (1, 3, 100, 5)
    assert (found["guard_connected"], found["session"]) == (1, 1)
    assert {role: found[f"state{{{role}}}"] for role in Role} == {role: role is Role.ACTIVE for role in Role}


def test_an_alarm_of_the_guard_stays_until_another_guard_comes(metrics: Metrics) -> None:
    core = Core().arm()
    for seen, shown in ((guard(alarm="a key"), 1), (None, 1), (guard(), 0)):
        metrics.show(replace(core.state, guard=seen), 0, True, 5.0)
        assert values(metrics)["guard_alarm"] == shown


def test_a_lease_that_is_over_has_no_time_left(metrics: Metrics) -> None:
    metrics.show(Core().arm().state, 0, True, -0.5)
    assert values(metrics)["lease_seconds_left"] == 0


# --- what counts as what


def test_becoming_active_is_a_promotion(metrics: Metrics) -> None:
    Counted(metrics).arm()
    assert counts(metrics) == (1, 0, 0, 0)


def test_a_lease_without_proof_is_a_fence_and_a_demotion(metrics: Metrics) -> None:
    core = Counted(metrics).arm()
    core.wait(7.0, beats=ev.Outcome.NO_PROOF)
    # By its grant's end the guard drops the key on its own, and says so.
    core.say_guard(key=KeyState.DROPPING)
    core.say_guard(key=KeyState.ABSENT)
    assert core.role is Role.FENCED
    assert counts(metrics) == (1, 1, 1, 0)


def test_a_lock_that_is_lost_is_a_fence_of_its_own_kind(metrics: Metrics) -> None:
    core = Counted(metrics).arm()
    core.wait(1.5, beats=ev.Outcome.REFUSED)
    assert core.state.hold is None or core.state.hold.stage is Stage.LOST
    assert counts(metrics) == (1, 1, 0, 1)


def test_a_handover_is_a_demotion_and_no_fence(metrics: Metrics) -> None:
    core = Counted(metrics).arm()
    core.say_guard(problem="the guard is being stopped")
    core.feed(ev.GuardSeen(guard(KeyState.ABSENT, retired=20)), after=0.1)
    assert core.role is not Role.ACTIVE
    assert counts(metrics) == (1, 1, 0, 0)


def test_time_that_passes_counts_as_nothing(metrics: Metrics) -> None:
    Counted(metrics).arm().wait(5)
    Counted(metrics).stand_by(OTHER).wait(5)
    assert counts(metrics) == (1, 0, 0, 0)


@pytest.mark.parametrize("stage", [Stage.WAITING, Stage.ARMING])
def test_a_term_that_never_signed_is_no_demotion(metrics: Metrics, stage: Stage) -> None:
    before = Core().arm().state
    assert before.hold is not None
    before = replace(before, hold=replace(before.hold, stage=stage))
    metrics.changed(before, replace(before, hold=None))
    assert counts(metrics) == (0, 0, 0, 0)


def test_a_resumed_lease_is_a_promotion_again(metrics: Metrics) -> None:
    """Times that this host became active: the history shows that it was the same term."""
    state: State = Core().arm().state
    assert state.hold is not None
    fenced = replace(state, hold=replace(state.hold, stage=Stage.FENCED))
    metrics.changed(state, fenced)
    metrics.changed(fenced, state)
    assert counts(metrics) == (1, 1, 1, 0)


# --- the guard's figures


def report(**changes: Any) -> GuardReport:
    return GuardReport(guard(), **changes)


def test_each_swap_counts_once_however_often_it_is_reported(metrics: Metrics) -> None:
    for _ in range(3):
        metrics.guard_report(report(load_s=0.03, restarts=2))
    metrics.guard_report(report(load_s=0.03, drop_s=0.04, restarts=2))
    metrics.guard_report(report(load_s=0.05, drop_s=0.04, restarts=2))
    found = values(metrics)
    assert found["hot_swap_seconds_count{load}"] == 2
    assert found["hot_swap_seconds_sum{load}"] == pytest.approx(0.08)
    assert found["hot_swap_seconds_count{drop}"] == 1
    assert found["neard_restarts"] == 2


def test_a_guard_that_has_swapped_nothing_counts_nothing(metrics: Metrics) -> None:
    metrics.guard_report(report())
    assert values(metrics)["hot_swap_seconds_count{load}"] == 0


def test_the_info_says_who_this_is(metrics: Metrics) -> None:
    assert any("pool.near" in name and "a" in name for name in values(metrics) if name.startswith("info"))


def test_somebody_else_who_signs_and_duties_that_are_not_done(metrics: Metrics) -> None:
    state = Core().arm().state
    work = Work(state.last_now - 60.0, 1, validator=True)
    finding = Finding(Counts(blocks=3), began=1.0, last=2.0, sure=True)
    due = Duties(work, Counts(blocks=4), state.last_now - 50.0)
    last = replace(work, looked_at=state.last_now)
    chain = Chain(work=last, evidence=Evidence(finding=finding), duties=due)
    metrics.show(replace(state, chain=chain), 0, True, None)
    found = values(metrics)
    assert found["foreign_signer"] == 1
    assert found["duties_due_seconds"] == pytest.approx(50.0)
    metrics.show(state, 0, True, None)
    assert (values(metrics)["foreign_signer"], values(metrics)["duties_due_seconds"]) == (0, 0)


def test_duties_by_kind_since_it_signs_and_in_the_epoch(metrics: Metrics) -> None:
    core = Core().arm()
    for number in range(9):
        due = Counts(10 + number, 20, 30 + number)
        core.feed(ev.WorkSeen(Work(core.now + 1.0, 1, True, Counts(10, 20, 30), due)), after=1.0)
    metrics.show(core.state, 0, True, None)
    found = values(metrics)
    assert found["not_producing"] == 1
    assert (found["duties_produced{blocks}"], found["duties_expected{blocks}"]) == (0, 8)
    assert (found["duties_produced{chunks}"], found["duties_expected{chunks}"]) == (0, 0)
    assert (found["duties_produced{endorsements}"], found["duties_expected{endorsements}"]) == (0, 8)
    assert (found["epoch_duties_produced{blocks}"], found["epoch_duties_expected{blocks}"]) == (10, 18)
    assert (found["epoch_duties_produced{chunks}"], found["epoch_duties_expected{chunks}"]) == (20, 20)
    assert found["production_known"] == 1
    core.now += foreign.STALE_S + 1.0
    core.feed(ev.WorkFailed("no answer within 5 s"))
    metrics.show(core.state, 0, True, None)
    found = values(metrics)
    assert (found["production_known"], found["not_producing"]) == (0, 1), "not known any more is no cure"
    metrics.show(Core().stand_by().state, 0, True, None)
    found = values(metrics)
    assert (found["production_known"], found["not_producing"]) == (1, 0)
    assert {name: value for name, value in found.items() if "duties_" in name and value} == {}
