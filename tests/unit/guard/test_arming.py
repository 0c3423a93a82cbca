"""Arming: refused with its reason, or loaded and seen to be loaded, or taken back for certain."""

import pytest

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.timing import LONGEST_GONE_WITHIN_S

from .bench import OTHER_KEY, POOL_KEY, Bench


def test_the_link_comes_before_the_signal_and_the_probe_after_both() -> None:
    bench = Bench().up()

    bench.arm(5)

    assert bench.order(m.LinkKey, m.SignalReload, m.ProbeNeard) == [m.LinkKey, m.SignalReload, m.ProbeNeard]
    assert bench.key() is KeyState.LOADING
    assert bench.guard.term == 5
    assert bench.guard.tainted


def test_a_load_is_confirmed_by_status() -> None:
    bench = Bench().loading(5)
    bench.wait(0.030)

    bench.answer(POOL_KEY, height=77)

    assert bench.key() is KeyState.LOADED
    assert bench.guard.height == 77
    assert bench.guard.load_s == pytest.approx(0.030)
    assert "the key is loaded, after 30 ms" in bench.said
    assert not bench.asked(m.KillNeard)


def test_an_answer_without_the_key_is_asked_for_again() -> None:
    bench = Bench().loading(5)

    bench.answer(None)
    assert bench.key() is KeyState.LOADING
    bench.wait(0.01)

    assert bench.asked(m.ProbeNeard)


def test_a_lost_signal_is_sent_again() -> None:
    bench = Bench().loading(5)

    effects = bench.run(1.0)

    assert len([e for e in effects if isinstance(e, m.SignalReload)]) in (3, 4)
    assert bench.key() is KeyState.LOADING


def test_a_load_that_is_not_confirmed_is_taken_back_by_killing() -> None:
    bench = Bench().loading(5)

    bench.wait(3.01)

    assert bench.order(m.UnlinkKey, m.KillNeard) == [m.UnlinkKey, m.KillNeard]
    assert bench.key() is KeyState.DROPPING
    assert bench.guard.refused_term == 5
    assert "did not load the key within 3 s" in bench.guard.problem
    bench.exit()
    assert bench.key() is KeyState.ABSENT
    assert bench.guard.refused_term == 5


def test_another_key_than_the_pools_is_never_left_loaded() -> None:
    bench = Bench().loading(5)

    bench.answer(OTHER_KEY)

    assert bench.asked(m.KillNeard)
    assert bench.key() is KeyState.DROPPING
    assert OTHER_KEY in bench.guard.problem
    assert bench.guard.refused_term == 5


def test_a_failed_link_refuses_and_leaves_nothing_behind() -> None:
    bench = Bench().linking(5)

    bench.link_fails("the disk is full")

    assert bench.key() is KeyState.ABSENT
    assert bench.guard.refused_term == 5
    assert bench.guard.problem == "the disk is full"
    assert bench.asked(m.UnlinkKey)
    assert not bench.asked(m.SignalReload)
    assert bench.phase() is NeardPhase.UP


def test_a_failed_link_that_comes_too_late_changes_nothing() -> None:
    bench = Bench().loaded(5)
    before = bench.guard

    for number in (bench.guard.file - 1, bench.guard.file + 1):
        bench.do(m.LinkFailed(number, "late"))

    assert bench.guard == before


def refused(bench: Bench, term: int, grant_s: float = 7.0) -> str:
    key = bench.guard.key
    bench.arm(term, grant_s)
    assert not bench.asked(m.LinkKey)
    assert not bench.asked(m.SignalReload)
    assert not bench.asked(m.TerminateNeard)
    assert bench.key() is key
    assert bench.guard.refused_term >= term
    return bench.said


@pytest.mark.parametrize("hot", [True, False])
@pytest.mark.parametrize(
    ("grant_s", "told"),
    [(0.0, "0.0 s"), (-1.0, "-1.0 s"), (LONGEST_GONE_WITHIN_S + 0.1, "15.1 s"), (1e9, "1000000000.0 s")],
)
def test_a_deadline_that_makes_no_sense_is_refused(hot: bool, grant_s: float, told: str) -> None:
    assert f"not arming for term 5: the deadline is {told} from now" in refused(Bench(hot).up(), 5, grant_s)


@pytest.mark.parametrize("grant_s", [float("nan"), float("inf")])
def test_a_deadline_that_is_no_number_is_refused(grant_s: float) -> None:
    assert "not arming" in refused(Bench().up(), 5, grant_s)


@pytest.mark.parametrize("hot", [True, False])
def test_a_retired_term_is_never_armed(hot: bool) -> None:
    bench = Bench(hot).up()
    bench.drop(5)

    for term in (1, 5):
        assert "not arming for term" in refused(bench, term)
        assert "term 5 and all before it are over" in bench.said
    bench.arm(6)
    assert bench.key() is KeyState.LOADING


@pytest.mark.parametrize("hot", [True, False])
def test_not_before_neard_answers(hot: bool) -> None:
    down = Bench(hot)
    assert "neard is down" in refused(down, 5)
    assert "neard is booting" in refused(Bench(hot).booting(), 5)


def test_not_while_neard_stops() -> None:
    bench = Bench().up()
    bench.do(m.RestartAsked("it was armed once"))

    assert "neard is stopping" in refused(bench, 5)


def test_not_while_the_guard_stops() -> None:
    bench = Bench().up()
    bench.do(m.StopAsked())

    assert "the guard is being stopped" in refused(bench, 5)


def test_not_for_another_term_while_the_key_is_there() -> None:
    assert "the key is loading for term 5" in refused(Bench().loading(5), 6)
    bench = Bench().loaded(5)
    assert "the key is loaded for term 5" in refused(bench, 6)
    bench.drop(5)
    assert "the key is dropping for term 5" in refused(bench, 6)


def test_arming_again_for_the_same_term_extends_the_grant() -> None:
    bench = Bench().loaded(5, grant_s=2.0)
    bench.wait(1.0)

    bench.arm(5, 7.0)

    assert bench.guard.deadline == bench.now + 7.0
    assert bench.key() is KeyState.LOADED
    assert not bench.asked(m.LinkKey)


def test_answers_to_probes_from_before_the_arming_are_void() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)
    bench.answer(None)
    old = bench.guard.probe
    bench.wait(0.1)
    bench.arm(6)

    bench.do(m.Probed(old, POOL_KEY, 60))

    assert bench.key() is KeyState.LOADING


def test_a_failed_load_is_forgiven_after_a_while() -> None:
    bench = Bench().linking(5)
    bench.link_fails("the disk is full")
    bench.run(29.9)
    assert bench.guard.problem == "the disk is full"

    bench.run(0.2)

    assert bench.guard.problem == ""
    assert "may be tried again" in bench.said
    bench.arm(6)
    bench.answer(POOL_KEY)
    assert bench.key() is KeyState.LOADED


def test_a_good_load_ends_a_problem() -> None:
    bench = Bench().linking(5)
    bench.link_fails("the disk is full")
    bench.wait(1.0)
    bench.arm(6)

    bench.answer(POOL_KEY)

    assert bench.guard.problem == ""
    bench.run(40.0)
    assert "may be tried again" not in bench.said


@pytest.mark.parametrize("hot", [True, False])
def test_a_load_that_ends_with_neards_crash_is_told_as_refused(hot: bool) -> None:
    """Who asked must not wait: with promotion = restart the agent would, for minutes."""
    bench = Bench(hot).loading(5)
    if not hot:
        bench.exit(0)
        bench.start()
    assert bench.key() is KeyState.LOADING

    bench.exit(101)

    assert bench.key() is KeyState.ABSENT
    assert bench.guard.refused_term == 5


@pytest.mark.parametrize("hot", [True, False])
def test_a_load_whose_grant_runs_out_is_told_as_refused(hot: bool) -> None:
    bench = Bench(hot).loading(5, grant_s=1.0)
    if not hot:
        bench.exit(0)
        bench.start()

    bench.wait(1.0)
    assert bench.asked(m.KillNeard)
    bench.exit()

    assert bench.key() is KeyState.ABSENT
    assert bench.guard.refused_term == 5
