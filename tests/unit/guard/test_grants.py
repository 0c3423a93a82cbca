"""The grant: what extends it, what does not, and what it is worth while the key goes."""

import pytest

from hafailover.core.views import KeyState
from hafailover.guard import model as m
from hafailover.timing import LONGEST_GONE_WITHIN_S

from .bench import Bench


def test_a_grant_extends() -> None:
    bench = Bench().loaded(5, grant_s=2.0)
    for _ in range(10):
        bench.run(1.0)
        bench.grant(5, 2.0)
        assert bench.key() is KeyState.LOADED
        assert bench.guard.deadline == bench.now + 2.0


def test_a_grant_for_the_load_that_is_under_way_counts() -> None:
    bench = Bench().loading(5, grant_s=1.0)
    bench.grant(5, 7.0)

    bench.wait(1.5)

    assert bench.key() is KeyState.LOADING


def test_a_grant_never_shortens() -> None:
    bench = Bench().loaded(5, grant_s=5.0)
    before = bench.guard.deadline

    bench.grant(5, 1.0)

    assert bench.guard.deadline == before


@pytest.mark.parametrize("term", [4, 6])
def test_a_grant_for_another_term_is_void(term: int) -> None:
    bench = Bench().loaded(5, grant_s=2.0)
    before = bench.guard.deadline

    bench.grant(term, 7.0)

    assert bench.guard.deadline == before


@pytest.mark.parametrize("grant_s", [LONGEST_GONE_WITHIN_S + 0.01, 1e6, float("inf"), float("nan")])
def test_a_grant_beyond_all_sense_is_void(grant_s: float) -> None:
    bench = Bench().loaded(5, grant_s=2.0)
    before = bench.guard.deadline

    bench.grant(5, grant_s)

    assert bench.guard.deadline == before
    bench.run(2.01)
    assert bench.key() is KeyState.DROPPING


def test_no_grant_reaches_further_than_the_hosts_own_timing() -> None:
    """Whoever has the agent's socket: the key goes by what this host has promised."""
    bench = Bench(fence_after_s=7.0).loaded(5, grant_s=LONGEST_GONE_WITHIN_S)
    assert bench.guard.deadline <= bench.now + 7.0
    bench.run(2.0)

    bench.grant(5, LONGEST_GONE_WITHIN_S)

    assert bench.guard.deadline == bench.now + 7.0
    bench.run(7.01)
    assert bench.key() is not KeyState.LOADED


@pytest.mark.parametrize("late_s", [0.0, 0.01, 100.0])
def test_a_grant_that_comes_too_late_is_void(late_s: float) -> None:
    bench = Bench().loaded(5, grant_s=2.0)
    bench.now = bench.guard.deadline + late_s

    bench.grant(5)

    assert bench.key() is KeyState.DROPPING


def test_without_a_key_there_is_nothing_to_grant() -> None:
    bench = Bench().up()
    bench.grant(5)

    assert bench.key() is KeyState.ABSENT
    assert bench.guard.deadline == 0.0
    assert not bench.asked(m.LinkKey)


def test_a_grant_does_not_stop_a_drop() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)
    for _ in range(20):
        bench.wait(0.05)
        if bench.asked(m.KillNeard):
            break
        bench.grant(5)
        assert bench.key() is KeyState.DROPPING

    assert bench.asked(m.KillNeard)


def test_a_grant_for_a_dropped_term_does_not_bring_it_back() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)
    bench.answer(None)

    bench.grant(5)
    bench.run(5.0)

    assert bench.key() is KeyState.ABSENT
    assert not bench.asked(m.LinkKey)
