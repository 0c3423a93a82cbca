"""File operations that take long, or for ever: nothing that fences waits, and nothing is begun on them."""

import pytest

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard.decide import next_wake

from .bench import POOL_KEY, Bench


@pytest.mark.parametrize("budget", [0.5, 1.0, 2.0])
def test_a_drop_whose_removal_hangs_kills_within_half_the_budget(budget: float) -> None:
    bench = Bench(drop_budget_s=budget).loaded(5)
    bench.disk_hangs = True
    asked_at = bench.now
    bench.drop(5)
    while not bench.asked(m.KillNeard):
        assert not bench.asked(m.SignalReload), "neard would load the key anew"
        bench.run(0.01)
        assert bench.now - asked_at < budget

    assert bench.now - asked_at == pytest.approx(budget / 2, abs=0.02)
    assert "the key link is not removed in time, so neard is killed" in bench.reports
    bench.exit()
    assert bench.key() is KeyState.ABSENT


@pytest.mark.parametrize("hot", [True, False])
def test_a_grant_that_runs_out_while_the_disk_hangs_ends_neard(hot: bool) -> None:
    bench = Bench(hot).loading(5, grant_s=2.0)
    if not hot:
        bench.exit(0)
        bench.start()
    bench.answer(POOL_KEY)
    bench.disk_hangs = True

    effects = bench.run(2.0 + 0.76)

    assert [e for e in effects if isinstance(e, m.KillNeard)]


@pytest.mark.parametrize("hot", [True, False])
def test_neard_is_not_started_again_before_the_removal_has_ended(hot: bool) -> None:
    bench = Bench(hot).loading(5)
    if not hot:
        bench.exit(0)
        bench.start()
    bench.answer(POOL_KEY)
    bench.disk_hangs = True
    bench.exit(-11)
    removal = bench.guard.file

    assert not [e for e in bench.run(100.0) if isinstance(e, m.StartNeard | m.PrepareHome)]
    bench.disk_hangs = False
    effects = bench.do(m.Unlinked(removal)) + bench.run(2.0)

    assert [type(e) for e in effects if isinstance(e, m.StartNeard | m.PrepareHome)] == [
        m.PrepareHome,
        m.StartNeard,
    ]


def test_neard_is_not_started_before_its_home_was_looked_at() -> None:
    bench = Bench()
    bench.disk_hangs = True

    effects = bench.run(100.0)

    assert not [e for e in effects if isinstance(e, m.StartNeard)]
    assert len([e for e in effects if isinstance(e, m.PrepareHome)]) == 1
    assert "has not ended within 1 s: check the disk under" in bench.guard.file_problem
    bench.do(m.Prepared(bench.guard.file))
    assert bench.asked(m.StartNeard)
    assert bench.guard.file_problem == ""
    assert "the file operation has ended after 100.0 s" in bench.said


def test_a_home_that_is_not_fit_is_looked_at_again_after_a_pause() -> None:
    bench = Bench()
    bench.disk_hangs = True
    bench.tick()

    bench.do(m.PrepareFailed(bench.guard.file, "config.json: not valid JSON"))

    assert bench.guard.problem == "config.json: not valid JSON"
    assert bench.guard.next_start_at == bench.now + 1.0
    assert [e for e in bench.run(1.1) if isinstance(e, m.PrepareHome)]


def test_a_link_that_hangs_is_given_up_and_what_is_left_of_it_is_taken_away() -> None:
    bench = Bench().linking(5)
    bench.disk_hangs = True
    placing = bench.guard.file

    bench.run(3.1)

    assert "the key was not linked within 3 s: check the disk" in bench.guard.problem
    assert bench.guard.refused_term == 5
    assert bench.order(m.UnlinkKey, m.KillNeard, m.SignalReload) == [m.UnlinkKey, m.KillNeard]
    bench.exit()
    assert bench.key() is KeyState.ABSENT
    bench.do(m.Linked(placing))
    assert not bench.asked(m.SignalReload)
    assert bench.guard.link is m.Link.REMOVING
    assert not [e for e in bench.run(50.0) if isinstance(e, m.StartNeard)]


def test_a_promotion_by_restart_whose_link_hangs_is_given_up_long_before_its_grant() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.disk_hangs = True
    bench.exit(0)
    placing = bench.guard.file
    for _ in range(4):
        bench.run(1.0)
        bench.grant(5)

    assert bench.key() is KeyState.ABSENT
    assert bench.guard.refused_term == 5
    bench.do(m.Linked(placing))
    assert not bench.asked(m.StartNeard)


def test_a_link_that_is_late_for_its_grant_starts_nothing() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5, 1.0)
    bench.disk_hangs = True
    bench.exit(0)
    bench.now += 1.0

    bench.do(m.Linked(bench.guard.file))

    assert not bench.asked(m.StartNeard)
    assert bench.asked(m.UnlinkKey)
    assert bench.key() is KeyState.ABSENT


def test_no_arming_while_a_file_operation_is_under_way() -> None:
    bench = Bench().linking(5)
    bench.disk_hangs = True
    bench.link_fails("the disk is full")
    assert bench.phase() is NeardPhase.UP
    bench.wait(0.2)

    bench.arm(6)

    assert "not arming for term 6: a file operation has not ended for 0.2 s: check the disk" in bench.said
    assert bench.key() is KeyState.ABSENT
    assert bench.guard.refused_term == 6


def test_a_neard_beside_a_link_that_cannot_be_taken_away_is_killed() -> None:
    """Whoever sends it a SIGHUP, such as one that rotates logs, would make it sign."""
    bench = Bench(drop_budget_s=1.0).linking(5)
    bench.disk_hangs = True
    bench.link_fails("an error of the disk")

    assert not [e for e in bench.run(0.45) if isinstance(e, m.KillNeard)]
    assert [e for e in bench.run(0.15) if isinstance(e, m.KillNeard)]


def test_a_removal_is_asked_for_once_however_long_it_takes() -> None:
    bench = Bench().loaded(5)
    bench.disk_hangs = True
    effects = list(bench.drop(5))
    for _ in range(5):
        effects += bench.run(0.2)
        effects += bench.drop(5)
    effects += bench.exit()
    effects += bench.run(10.0)
    effects += bench.do(m.StopAsked())

    assert len([e for e in effects if isinstance(e, m.UnlinkKey)]) == 1
    assert bench.asked(m.Quit)


def test_the_drop_is_confirmed_only_after_the_removal() -> None:
    bench = Bench().unlinking(5)

    bench.answer(None)
    assert bench.key() is KeyState.DROPPING
    bench.do(m.Unlinked(bench.guard.file))
    assert bench.order(m.SignalReload, m.ProbeNeard) == [m.SignalReload, m.ProbeNeard]
    bench.wait(0.01)
    bench.answer(None)

    assert bench.key() is KeyState.ABSENT


def test_a_slow_removal_is_told_of_and_forgotten() -> None:
    bench = Bench(drop_budget_s=6.0).unlinking(5)
    bench.disk_hangs = True
    bench.run(1.1)
    assert "has not ended within 1 s" in bench.guard.file_problem

    bench.do(m.Unlinked(bench.guard.file))

    assert bench.guard.file_problem == ""
    assert bench.asked(m.SignalReload)


@pytest.mark.parametrize("state", ["linking", "unlinking"])
def test_no_state_spins(state: str) -> None:
    bench = getattr(Bench(), state)()
    bench.disk_hangs = True
    for _ in range(400):
        bench.tick()
        bench.tick()
        assert next_wake(bench.guard, bench.now) > bench.now
        bench.now += 0.01
