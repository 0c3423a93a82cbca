"""What counts as missed, what may be, and how a row tells it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from hafailover.bench import duties
from hafailover.bench.duties import (
    NOT_COUNTED,
    NOW_BLOCKS,
    NOW_ENDORSEMENTS,
    WINDOW_ENDORSEMENTS,
    Duties,
    DutyBench,
    Said,
    share,
)
from hafailover.bench.rows import Row, table, write
from hafailover.lab.errors import LabError
from hafailover.localnet.identity import Binary
from hafailover.near.rpc import Production

if TYPE_CHECKING:
    from hafailover.demo.observer import ChainObserver
    from hafailover.lab.pool import LabPool

BINARY = Binary("/bin/neard", "neard (release 2.10.0) (commit abc)", "abc", stand_in=False)


def counts(blocks: tuple[int, int], endorsements: tuple[int, int], epoch: int = 7) -> Production:
    return Production(*blocks, *blocks, epoch, *endorsements)


def test_duties_are_differences_of_two_looks_and_add_up() -> None:
    total = Duties()
    one = total.add(counts((1, 1), (10, 10)), counts((3, 4), (19, 22)), seen=2)
    two = total.add(counts((3, 4), (19, 22)), counts((3, 4), (20, 23)), seen=0)

    assert (one.blocks_due, one.blocks_done, one.blocks_missed, one.blocks_seen) == (3, 2, 1, 2)
    assert (one.endorsements_missed, one.endorsements_missed_percent) == (3, 25.0)
    assert str(two) == "0 of 0 blocks, 0 of 0 chunks, 1 of 1 endorsements"
    assert (total.blocks_due, total.endorsements_done, total.chunks_due) == (3, 10, 3)


def test_without_duties_none_was_missed() -> None:
    assert Duties().endorsements_missed_percent == 0.0


def test_counts_of_two_epochs_are_no_figure() -> None:
    with pytest.raises(LabError, match="an epoch ended meanwhile"):
        Duties().add(counts((1, 1), (1, 1)), counts((0, 0), (0, 0), epoch=8), seen=0)


@pytest.mark.parametrize(
    ("most", "runs", "expected"),
    [
        (NOW_BLOCKS, 50, 2),
        (NOW_BLOCKS, 8, 1),
        (NOW_ENDORSEMENTS, 8, 7),
        (WINDOW_ENDORSEMENTS, 50, 10),
        (WINDOW_ENDORSEMENTS, 2, 1),
        (0, 8, 0),
    ],
)
def test_fewer_handovers_may_miss_their_share(most: int, runs: int, expected: int) -> None:
    assert share(most, runs) == expected


def test_a_report_names_the_neard_and_what_was_done(tmp_path: Path) -> None:
    done = Duties(blocks_due=3, blocks_done=2)
    good = Row("good", "a figure", "ms", 5, runs=[1.0])
    bad = Row("bad", "blocks missed", "blocks", 0, runs=[1.0], remark="seen", duties=done.to_plain())
    path = tmp_path / "build" / "bench.json"

    write([good, bad], BINARY, path, minutes=1)
    found = json.loads(path.read_text())

    assert (found["ok"], found["minutes"]) == (False, 1)
    assert found["neard"] == BINARY.to_plain()
    assert [row["ok"] for row in found["rows"]] == [True, False]
    assert "duties" not in found["rows"][0]
    assert (found["rows"][1]["duties"]["blocks_done"], found["rows"][1]["remark"]) == (2, "seen")
    assert "FAILED bad" in table([good, bad])
    assert table([good, bad]).endswith("blocks (seen)")


@pytest.mark.parametrize("stand_in", [True, False])
def test_endorsements_that_nobody_counts_are_a_problem_on_a_real_neard(stand_in: bool) -> None:
    pool = SimpleNamespace(neard=replace(BINARY, stand_in=stand_in))
    bench = DutyBench(cast("LabPool", pool), cast("ChainObserver", None), print)
    blocks, endorsements = Row("b", "", "blocks", 0, [0.0]), Row("e", "", "endorsements", 1, [0.0])

    bench._told(blocks, Duties(blocks_due=1, blocks_done=1), endorsements)

    assert endorsements.remark == NOT_COUNTED
    assert endorsements.ok is stand_in
    assert blocks.remark == "1 of 1 blocks, 0 of 0 chunks, 0 of 0 endorsements"


class Deaf(DutyBench):
    """A pool whose peers were as deaf as told."""

    def __init__(self, done: int, said: Said | None) -> None:
        super().__init__(cast("LabPool", None), cast("ChainObserver", None), print)
        self._done, self._said = done, said

    def vanished(self, runs: int, hold_s: float) -> list[Row]:
        blocks = Row("host-vanished-blocks", "", "blocks", 0)
        if self._said is None:
            blocks.problems.append("no standby")
        else:
            self.statuses.append(self._said)
            blocks.duties = Duties(blocks_due=3, blocks_done=self._done).to_plain()
        return [
            Row("key", "", "s", None),
            blocks,
            Row("percent", "", "%", 2),
            Row("outage", "", "blocks", None),
        ]


SEES, BLIND = Said(1, "nothing arrives", producing=False), Said(0, "signs", producing=None)


@pytest.mark.parametrize(
    ("done", "said", "ok", "problem"),
    [
        (0, SEES, True, ""),
        (1, BLIND, False, ""),
        (3, SEES, False, "NOT TESTED"),
        (0, None, False, "no standby"),
    ],
)
def test_status_must_see_that_peers_are_deaf(done: int, said: Said | None, ok: bool, problem: str) -> None:
    (row,) = Deaf(done, said).deaf()
    assert row.ok is ok
    assert problem in "; ".join(row.problems)
    assert bool(row.problems) is bool(problem)


@pytest.mark.parametrize(("block_age_s", "waits"), [(0.2, False), (1.3, True)])
def test_what_is_due_from_now_on_begins_with_a_turn(
    block_age_s: float, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "boottime", lambda: 100.0)
    waited: list[str] = []
    monkeypatch.setattr(duties, "wait_until", lambda _, timeout_s, what: waited.append(what))
    pool = SimpleNamespace(localnet=SimpleNamespace(block_time_s=1.0))
    observer = SimpleNamespace(newest_seen_at=100.0 - block_age_s, height=7)

    DutyBench(cast("LabPool", pool), cast("ChainObserver", observer), print)._await_open_turn()

    assert bool(waited) is waits
