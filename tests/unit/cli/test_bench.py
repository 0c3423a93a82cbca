"""What ``hafailover bench`` measures beside blocks of 1 s, and against which limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from hafailover.bench.rows import Row
from hafailover.cli import bench

if TYPE_CHECKING:
    from hafailover.bench.measure import Bench


class Measured:
    """Duties as if they had been measured; notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def handovers(self, way: str, runs: int) -> list[Row]:
        self.asked.append((way, runs))
        return [
            Row(f"handover-{way}-{what}", f"{way}: {what}", "", 2)
            for what in ("gap", "blocks", "endorsements")
        ]

    def neard_killed(self, runs: int) -> list[Row]:
        self.asked.append(("killed", runs))
        return [Row("neard-killed-blocks", "killed", "blocks", 1)]

    def vanished(self, runs: int, hold_s: float) -> list[Row]:
        self.asked.append((f"vanished for {hold_s:g} s", runs))
        limits = {"key": None, "blocks": 0, "endorsements": 2, "outage": None}
        return [Row(f"host-vanished-{what}", f"cut: {what}", "", limit) for what, limit in limits.items()]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    one = Measured()
    monkeypatch.setattr(bench, "_duties", lambda _: one)
    return one


def rows_of(stage: str, *parts: str) -> dict[str, Row]:
    (found,) = [one for one in bench._stages() if one.name == stage]
    run = dict(found.parts)
    return {row.name: row for part in parts for row in run[part](cast("Bench", None), 9)}


@pytest.mark.parametrize("label", ["600ms", "200ms"])
def test_handovers_are_measured_at_short_blocks_as_operators_order_them(
    measured: Measured, label: str
) -> None:
    rows = rows_of(f"{label} blocks", f"handover-window-{label}", f"handover-now-{label}")
    assert measured.asked == [("window", bench.SHORT_RUNS), ("now", bench.SHORT_RUNS)]
    for way in ("window", "now"):
        limits = [rows[f"handover-{way}-{what}-{label}"].limit for what in ("gap", "blocks", "endorsements")]
        assert limits == [bench.SWITCHOVER_LIMIT_MS, 2, None]
    assert all(f"at blocks of {label}" in row.what for row in rows.values())


@pytest.mark.parametrize("label", ["600ms", "200ms"])
def test_a_vanished_host_is_judged_at_short_blocks_as_at_those_of_1_s(measured: Measured, label: str) -> None:
    usual = rows_of("hosts", "host-vanished")
    rows = rows_of(f"{label} blocks", f"host-vanished-{label}")
    # A run takes the better part of a minute, and each stage has one.
    assert measured.asked == [("vanished for 40 s", bench.DUTY_RUNS), ("vanished for 40 s", 1)]
    assert {f"{name}-{label}": row.limit for name, row in usual.items()} == {
        name: row.limit for name, row in rows.items()
    }
    assert all(f"at blocks of {label}" in row.what for row in rows.values())


def test_a_link_is_cut_only_where_hosts_have_one() -> None:
    for stage in bench._stages():
        names = [name for name, _ in stage.parts if "vanished" in name or "deaf" in name]
        assert stage.cables or not names
        assert [name for name, _ in stage.parts if bench.needs_cable(name)] == names


def test_a_killed_neard_is_judged_by_the_blocks_it_costs(measured: Measured) -> None:
    rows = rows_of("hosts", "neard-killed-blocks")
    assert (measured.asked, rows["neard-killed-blocks"].limit) == ([("killed", bench.DUTY_RUNS)], 1)


def test_only_peers_that_route_by_neards_own_way_can_be_deaf() -> None:
    routings = {stage.name: (stage.routing, stage.cables) for stage in bench._stages()}
    assert routings.pop("deaf") == ("direct", True)
    assert {routing for routing, _ in routings.values()} == {"relayed"}
