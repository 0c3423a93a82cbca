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


def test_a_killed_neard_is_judged_by_the_blocks_it_costs(measured: Measured) -> None:
    rows = rows_of("hosts", "neard-killed-blocks")
    assert (measured.asked, rows["neard-killed-blocks"].limit) == ([("killed", bench.DUTY_RUNS)], 1)


def test_only_peers_that_route_by_neards_own_way_can_be_deaf() -> None:
    routings = {stage.name: (stage.routing, stage.cables) for stage in bench._stages()}
    assert routings.pop("deaf") == ("direct", True)
    assert {routing for routing, _ in routings.values()} == {"relayed"}
