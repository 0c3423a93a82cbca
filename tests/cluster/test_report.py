"""The report's arithmetic, what counts as a false failover, and what is drawn from a seed."""

from __future__ import annotations

import pytest

from hafailover.bench.duties import Duties
from tests.cluster import report, usage
from tests.cluster.draw import episodes
from tests.cluster.kinds import DOUBLE, KINDS, available, parse
from tests.cluster.outcome import Episode, Hit
from tests.cluster.settings import parse as settings
from tests.cluster.strike import Expect, together

MOVES, STAYS, EITHER = Expect.MOVES, Expect.STAYS, Expect.EITHER


def episode(
    *kinds: str,
    expected: Expect = EITHER,
    recovered_s: float = 0.0,
    missed: int = 0,
    failovers: int = 0,
    active: bool = True,
) -> Episode:
    hits = [Hit(kind, "host1", active, 1.0, 0.0) for kind in kinds]
    return Episode(hits, expected, True, recovered_s=recovered_s, missed=missed, failovers=failovers)


def test_rows_have_median_and_worst_of_what_struck_alone() -> None:
    done = [
        episode("neard-killed", expected=MOVES, recovered_s=time, missed=1, failovers=1)
        for time in (0.2, 0.4, 3.0)
    ]

    (row,) = report.rows(done)

    assert (row.name, row.expected, row.count) == ("neard-killed", "fails over", 3)
    assert (row.recovered_median_s, row.recovered_worst_s) == (0.4, 3.0)
    assert (row.missed, row.failovers, row.false_failovers) == (3, 3, 0)


def test_several_at_once_and_strikes_on_standbys_have_rows_of_their_own() -> None:
    done = [
        episode("link-down", "agent-killed", "deaf"),
        episode("link-down", "agent-killed"),
        episode("link-down", expected=MOVES),
        episode("link-down", expected=STAYS, active=False),
    ]

    assert [row.name for row in report.rows(done)] == [
        "link-down",
        "link-down (not on the active)",
        "2 at once",
        "3 at once",
    ]
    assert report.totals(done)["kinds"] == {"agent-killed": 2, "deaf": 1, "link-down": 4}
    assert report.totals(done)["faults"] == 7


@pytest.mark.parametrize(
    ("expected", "failovers", "false"),
    [(STAYS, 1, True), (STAYS, 0, False), (MOVES, 1, False), (EITHER, 2, False)],
)
def test_a_failover_is_false_only_where_none_was_due(expected: Expect, failovers: int, false: bool) -> None:
    one = episode("agent-killed", expected=expected, failovers=failovers)

    assert one.false_failover is false
    assert report.totals([one])["false_failovers"] == int(false)


def test_what_is_due_depends_on_whom_it_strikes() -> None:
    killed = KINDS["consul-killed"]
    assert killed.expects(on_active=True, on_leader=False, whole=True) is STAYS
    assert killed.expects(on_active=True, on_leader=True, whole=True) is EITHER
    assert killed.expects(on_active=False, on_leader=True, whole=True) is STAYS
    assert killed.expects(on_active=False, on_leader=False, whole=False) is EITHER
    crashed = KINDS["host-crashed"]
    assert crashed.expects(on_active=True, on_leader=True, whole=True) is MOVES
    assert crashed.expects(on_active=False, on_leader=True, whole=True) is STAYS
    assert KINDS["consul-lost"].expects(on_active=False, on_leader=False, whole=True) is EITHER


def test_of_several_at_once_either_may_come_unless_they_are_harmless() -> None:
    assert together([MOVES], harmless=False) is MOVES
    assert together([MOVES, STAYS], harmless=False) is EITHER
    assert together([STAYS, STAYS], harmless=False) is EITHER
    assert together([STAYS, STAYS], harmless=True) is STAYS


def test_a_seed_draws_the_same_faults_and_as_many_as_asked_for() -> None:
    first, again, other = (episodes(seed, 200, KINDS) for seed in (7, 7, 8))

    assert first == again
    assert first != other
    assert sum(len(faults) for faults in first) == 200
    drawn = [one for faults in first for one in faults]
    assert len({one.kind for one in drawn}) > len(KINDS) * 3 / 4
    assert any(len(faults) == 1 for faults in first)
    assert any(len(faults) >= 5 for faults in first)


def test_a_row_sums_the_duties_of_its_episodes_where_they_are_known() -> None:
    done = [episode("link-down-long"), episode("link-down-long"), episode("link-down-long")]
    done[0].duties = Duties(blocks_due=3, blocks_done=1, endorsements_due=9, endorsements_done=8)
    done[1].duties = Duties(blocks_due=2, blocks_done=2)

    (row,) = report.rows(done)

    assert (row.duties["blocks_due"], row.duties["blocks_done"], row.duties["endorsements_done"]) == (5, 3, 8)
    assert report.plain(done[0])["duties"]["blocks_due"] == 3
    assert report.plain(done[2])["duties"] is None
    assert "1 of 3 blocks, 0 of 0 chunks, 8 of 9 endorsements" in done[0].line
    assert " of " not in done[2].line


def test_the_longest_fault_comes_by_name_alone() -> None:
    drawn = [one.kind for seed in range(20) for faults in episodes(seed, 200, KINDS) for one in faults]
    assert "link-down-long" not in drawn
    assert not KINDS["link-down-long"].by_name
    assert parse("link-down-long", stand_in=False, hangs=False) == [("link-down-long",)]


def test_a_list_of_kinds_is_read_and_a_wrong_name_is_said() -> None:
    found = parse("deaf,link-down&rpc-hung", stand_in=True, hangs=True)
    assert found == [("deaf",), ("link-down", "rpc-hung")]
    with pytest.raises(ValueError, match="no kind of fault is called earthquake"):
        parse("deaf,earthquake", stand_in=True, hangs=True)
    assert "rpc-hung" not in available(stand_in=False, hangs=True)
    with pytest.raises(ValueError, match="no kind of fault is called home-hung"):
        parse("home-hung", stand_in=True, hangs=False)
    assert all(name in KINDS for names in DOUBLE for name in names)


def test_settings_have_defaults_that_fit_the_command() -> None:
    assert (settings([]).random, settings([]).out.name) == (200, "cluster.json")
    assert (settings(["soak"]).minutes, settings(["soak"]).out.name) == (30.0, "soak.json")
    assert settings(["run", "--kinds", "deaf"]).random == 0
    assert settings(["run", "--kinds", "deaf", "--random", "5"]).random == 5


def look(
    *, rss: float = 80.0, files: int = 20, sessions: int = 3, pid: int = 5, history: int = 4
) -> usage.Usage:
    process = usage.Process(pid, 99, rss, rss, files, 12)
    return usage.Usage({"host3/agent": process}, sessions, 9, 10, history, terms=history // 2)


def test_growth_within_its_bounds_is_no_growth() -> None:
    assert usage.grown(look(), look(rss=87.0, files=24, history=40)) == []
    assert usage.survivors(look(), look()) == ["host3/agent"]
    assert usage.survivors(look(), look(pid=6)) == []


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (look(rss=120.0), "host3/agent: rss_mib 80 before, 120 after, more than 12 of growth"),
        (look(files=60), "host3/agent: files 20 before, 60 after, more than 8 of growth"),
        (look(sessions=4), "Consul sessions: 3 before, 4 after, more than 0 of growth"),
        (look(files=60, pid=6), "all agents: files 20 before, 60 after, more than 8 of growth"),
    ],
)
def test_growth_beyond_its_bounds_is_named(after: usage.Usage, what: str) -> None:
    assert what in usage.grown(look(), after)


def test_the_table_has_a_line_for_each_row() -> None:
    lines = report.table(report.rows([episode("deaf"), episode("mute")])).splitlines()

    assert [line.split()[0] for line in lines] == ["fault", "deaf", "mute"]
