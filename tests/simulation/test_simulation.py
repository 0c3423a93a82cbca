"""Never two signers: whole pools under random faults, in a simulator that is shown to notice two of them.

``HAFAILOVER_SIMULATION_SEEDS`` sets how many pools are simulated (60 unless given).
"""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from . import vigil
from .__main__ import main
from .faults import KINDS
from .foreigners import course as foreigners
from .forging import course as forging
from .forging import freeing, hiding
from .mutants import Hunt, hunt
from .mutants_of_faults import MUTANTS
from .plan import plan
from .referee import Violation
from .report import Total
from .run import Result, run
from .shrink import minimal, shrink
from .story import story
from .takeovers import course
from .world import World, shape_of

SEEDS = int(os.environ.get("HAFAILOVER_SIMULATION_SEEDS", "60"))
HOURS = 0.05
WORKERS = min(4, os.cpu_count() or 1)


def pool() -> ProcessPoolExecutor:
    # Forked, so that the workers need not find this package by a name.
    return ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork"))


@pytest.mark.slow
@pytest.mark.timeout(300 + 5 * SEEDS)
def test_random_faults_never_make_two_signers_and_one_signs_afterwards() -> None:
    total = Total()
    with pool() as workers:
        for result in workers.map(partial(run, hours=HOURS), range(SEEDS)):
            total.add(result)
        for result in workers.map(course, range(SEEDS // 2)):
            total.add(result)
        for result in workers.map(foreigners, range(SEEDS // 2)):
            total.add(result)
        for result in workers.map(forging, range(SEEDS // 3)):
            total.add(result)
        for thefts in (hiding, freeing):
            for result in workers.map(thefts, range(SEEDS // 3)):
                total.add(result)
    if total.violations:
        worst = total.violations[0]
        told = story(worst, None if worst.course else shrink(worst))
        pytest.fail(f"{len(total.violations)} of {SEEDS} seeds\n{told}")
    # A simulation in which nothing happens would prove nothing.
    assert total.faults.total() > 100 * SEEDS
    assert total.did["promotions"] >= SEEDS
    if SEEDS >= 60:
        assert total.never_struck == []
        assert total.never_happened == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_mutant_is_found() -> None:
    with pool() as workers:
        hunts = list(workers.map(_hunt, range(len(MUTANTS))))
    assert [one.mutant.name for one in hunts if one.found is None] == []
    assert len(hunts) >= 20


def _hunt(number: int) -> Hunt:
    return hunt(MUTANTS[number])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_with_every_rule_the_faults_that_find_mutants_do_no_harm() -> None:
    kinds = sorted({one.kinds for one in MUTANTS if one.course is None})
    with pool() as workers:
        results = list(workers.map(_harmless, kinds))
    assert [(one.seed, one.rule, one.what) for one in results if one.rule] == []


def _harmless(kinds: tuple[str, ...]) -> Result:
    for seed in range(5):
        result = run(seed, HOURS, kinds)
        if result.rule:
            break
    return result


def test_a_seed_tells_the_same_story_twice() -> None:
    first, second = run(7, HOURS), run(7, HOURS)
    assert first.faults == second.faults
    assert first.did == second.did
    assert first.recovered_s == second.recovered_s


def test_pools_differ() -> None:
    shapes = [shape_of(seed) for seed in range(60)]
    assert {len(one.profiles) for one in shapes} == {2, 3}
    assert {one.hot_swap for one in shapes} == {True, False}
    assert {one.agent_watchdog for one in shapes} == {True, False}
    assert any(len(set(one.profiles)) > 1 and len(one.profiles) == 3 for one in shapes)


def test_faults_come_alone_at_once_and_aimed() -> None:
    strikes = [one for episode in range(40) for one in plan(1, episode, 3)]
    assert {one.kind for one in strikes} == set(KINDS)
    assert sum(bool(one.moment) for one in strikes) > len(strikes) / 10
    assert any(one.first for one in strikes)
    assert plan(1, 3, 3) == plan(1, 3, 3) != plan(2, 3, 3)


# --- the referee


def signing_world() -> World:
    world = World(1)
    world.run_until(60.0)
    assert world.active() is not None
    return world


def test_two_loaded_keys_are_seen() -> None:
    world = signing_world()
    other = next(host for host in world.hosts if host not in world.referee.holders)
    assert other.guard is not None
    other.guard.guard = type(other.guard.guard)(other.guard.guard.config, term=10_000)
    with pytest.raises(Violation, match="two signers"):
        world.referee.key_moved(other, True)


def test_a_term_that_goes_backwards_is_seen() -> None:
    world = signing_world()
    holder = world.holder()
    assert holder is not None
    world.referee.key_moved(holder, False)
    other = next(host for host in world.hosts if host is not holder)
    with pytest.raises(Violation, match="order of terms"):
        world.referee.key_moved(other, True)


def test_a_key_kept_beyond_the_promise_is_seen() -> None:
    world = signing_world()
    holder = world.holder()
    assert holder is not None
    holder.promised_until = holder.clock() - 1.0
    with pytest.raises(Violation, match="the promise"):
        world.referee.key_moved(holder, False)


def test_arming_after_the_deadline_is_seen() -> None:
    world = signing_world()
    host = world.hosts[0]
    with pytest.raises(Violation, match="after the deadline"):
        world.referee.about_to_load(host, host.clock() - 0.1)


def test_a_pool_in_which_nobody_signs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hafailover.core.gates.standby_problems", lambda state, now: ["lazy"])
    result = run(1, 0.01, ["wall clock stepped"])
    assert result.rule == vigil.FREE
    # Also where the vigil would not see it.
    monkeypatch.setitem(vigil.LONGEST_S, vigil.FREE, 1e9)
    assert run(1, 0.01, ["wall clock stepped"]).rule == "liveness"


# --- the report


def broken_run(monkeypatch: pytest.MonkeyPatch) -> Result:
    one = next(one for one in MUTANTS if one.name == "the drop is not confirmed")
    one.apply(monkeypatch)
    result = next(result for seed in one.seeds if (result := run(seed, 0.1, one.kinds)).rule)
    assert result.rule == "two signers"
    return result


@pytest.mark.timeout(300)
def test_a_failing_run_is_shrunk_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    result = broken_run(monkeypatch)
    one = next(one for one in MUTANTS if one.name == "the drop is not confirmed")
    small = shrink(result, one.kinds, tries=40)
    assert small.result.rule == "two signers"
    assert len(small.strikes) < len(plan(result.seed, result.episode, 3, one.kinds))
    text = story(result, small)
    assert f"seed {result.seed} breaks the rule 'two signers'" in text
    assert "faults are enough" in text
    assert "have the key at once" in text
    assert "key LOADED" in text


def test_the_smallest_list_is_found() -> None:
    strikes = plan(1, 0, 3)[:20]
    needed = {strikes[3], strikes[11]}
    assert set(minimal(strikes, lambda some: needed <= set(some), lambda: True)) == needed


def test_the_command_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "simulate.json"
    assert main(["--seeds", "2", "--hours", "0.01", "--no-mutants", "--out", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["seeds"] == 2
    assert figures["takeover_courses"] == figures["forging_courses"] == 1
    assert figures["foreign_courses"] == 1
    assert figures["theft_courses"] == 2
    assert figures["faults"] == sum(figures["faults_by_kind"].values()) > 0
    assert figures["violations"] == []
    assert figures["spells_s"][vigil.IDLE]["worst"] > 0
    assert "violations: 0" in capsys.readouterr().out


def test_the_command_fails_where_a_rule_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = next(one for one in MUTANTS if one.name == "no wait for the predecessor")
    one.apply(monkeypatch)
    arguments = ["--seeds", "3", "--hours", "0.1", "--no-mutants", "--kinds", ",".join(one.kinds)]
    assert main([*arguments, "--out", str(tmp_path / "out.json")]) == 1
    assert "breaks the rule" in capsys.readouterr().out


def test_the_command_refuses_unknown_faults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--kinds", "earthquake"])
    assert ended.value.code == 2
    assert "earthquake" in capsys.readouterr().err
