"""Dropping: confirmed by neard or by its death, never by hope, and always in time."""

import pytest

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard.decide import next_wake

from .bench import OTHER_KEY, POOL_KEY, Bench


@pytest.mark.parametrize("urgent", [True, False])
def test_the_link_goes_before_the_signal_and_the_probe_comes_after_both(urgent: bool) -> None:
    bench = Bench().loaded(5)

    bench.drop(5, urgent)

    assert bench.order(m.UnlinkKey, m.SignalReload, m.ProbeNeard, m.KillNeard) == [
        m.UnlinkKey,
        m.SignalReload,
        m.ProbeNeard,
    ]
    assert bench.key() is KeyState.DROPPING
    assert bench.guard.retired == 5


def test_a_drop_is_confirmed_by_status() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)
    bench.wait(0.025)

    bench.answer(None, height=90)

    assert bench.key() is KeyState.ABSENT
    assert bench.guard.height == 90
    assert bench.guard.drop_s == pytest.approx(0.025)
    assert bench.guard.kill_at is None
    assert bench.phase() is NeardPhase.UP
    assert "the key is dropped, after 25 ms" in bench.said
    assert bench.guard.tainted


def test_the_height_at_the_drop_never_goes_back() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)

    bench.answer(None, height=3)

    assert bench.guard.height == 50


@pytest.mark.parametrize("shown", [POOL_KEY, OTHER_KEY])
def test_any_key_still_shown_is_no_drop(shown: str) -> None:
    bench = Bench().loaded(5)
    bench.drop(5)

    bench.answer(shown)

    assert bench.key() is KeyState.DROPPING
    bench.run(0.76)
    assert bench.asked(m.KillNeard)


def test_an_answer_from_before_the_drop_is_void() -> None:
    """neard had no key when it was asked; that says nothing about what it has now."""
    bench = Bench().loading(5)
    stale = bench.guard.probe
    bench.answer(POOL_KEY)
    bench.wait(0.1)
    bench.drop(5)

    bench.do(m.Probed(stale, None, 60))

    assert bench.key() is KeyState.DROPPING
    bench.do(m.ProbeFailed(stale, "no answer"))
    assert bench.guard.probing


def test_a_lost_signal_is_sent_again() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)

    effects = bench.run(0.7)

    assert len([e for e in effects if isinstance(e, m.SignalReload)]) in (6, 7)
    assert not bench.asked(m.KillNeard)


@pytest.mark.parametrize("budget", [0.5, 1.0, 1.5, 2.0])
def test_a_drop_that_is_not_confirmed_kills_within_half_the_budget(budget: float) -> None:
    bench = Bench(drop_budget_s=budget).loaded(5)
    bench.drop(5)
    asked_at = bench.now
    while not bench.asked(m.KillNeard):
        bench.run(0.01)
        assert bench.now - asked_at < budget

    assert bench.now - asked_at == pytest.approx(budget / 2, abs=0.02)
    assert bench.key() is KeyState.DROPPING


def test_the_kill_is_repeated_until_neard_is_gone() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)

    effects = bench.run(4.0)

    assert len([e for e in effects if isinstance(e, m.KillNeard)]) >= 6
    assert bench.reports.count("neard has not confirmed in time that the key is gone, so it is killed") == 1
    assert bench.key() is KeyState.DROPPING
    bench.exit()
    assert bench.key() is KeyState.ABSENT
    assert not [e for e in bench.run(0.0) if isinstance(e, m.KillNeard)]


def test_a_killed_neard_starts_again_at_once_and_without_the_key() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)
    bench.run(0.8)

    bench.exit()

    assert bench.order(m.UnlinkKey, m.StartNeard, m.LinkKey) == [m.UnlinkKey, m.StartNeard]
    assert bench.guard.drop_s is not None
    bench.start()
    assert not bench.guard.tainted


@pytest.mark.parametrize("urgent", [True, False])
def test_dropping_an_unconfirmed_load_kills_at_once(urgent: bool) -> None:
    bench = Bench().loading(5)

    bench.drop(5, urgent)

    assert bench.order(m.UnlinkKey, m.KillNeard) == [m.UnlinkKey, m.KillNeard]
    assert bench.key() is KeyState.DROPPING


def test_after_killing_for_an_unconfirmed_load_no_answer_is_proof() -> None:
    """The load may take effect after /status has said "no key": its death alone ends the matter."""
    bench = Bench().loading(5)
    bench.drop(5)
    bench.wait(0.01)

    bench.answer(None)

    assert bench.key() is KeyState.DROPPING
    assert bench.guard.kill_at is not None
    bench.exit()
    assert bench.key() is KeyState.ABSENT


def test_after_killing_since_the_link_would_not_go_no_answer_is_proof() -> None:
    bench = Bench().unlinking(5)
    bench.do(m.UnlinkFailed(bench.guard.file, "read-only file system"))
    bench.wait(0.01)

    bench.answer(None)

    assert bench.key() is KeyState.DROPPING
    assert bench.guard.kill_at is not None


def test_a_link_that_would_not_go_kills_at_once() -> None:
    bench = Bench().unlinking(5)

    bench.do(m.UnlinkFailed(bench.guard.file, "read-only file system"))

    assert bench.asked(m.KillNeard)
    assert not bench.asked(m.SignalReload)
    assert "read-only file system, so neard is killed" in bench.said
    assert bench.key() is KeyState.DROPPING


def test_a_reload_that_neard_would_refuse_kills_at_once() -> None:
    bench = Bench().unlinking(5)

    bench.do(m.Unlinked(bench.guard.file, "config.json is not valid"))

    assert bench.asked(m.KillNeard)
    assert not bench.asked(m.SignalReload)
    assert "neard would keep the key: config.json is not valid, so neard is killed" in bench.said
    assert bench.key() is KeyState.DROPPING


def test_dropping_what_is_not_there_retires_the_term() -> None:
    bench = Bench().up()

    bench.drop(5)

    assert bench.key() is KeyState.ABSENT
    assert bench.guard.retired == 5
    assert "term 5 is over: lost" in bench.said
    bench.drop(3)
    assert bench.guard.retired == 5


def test_a_drop_of_an_earlier_term_leaves_the_present_one() -> None:
    bench = Bench().loaded(5)

    bench.drop(4)

    assert bench.key() is KeyState.LOADED
    assert bench.guard.retired == 4


def test_a_drop_of_a_later_term_drops_the_present_one() -> None:
    bench = Bench().loaded(5)

    bench.drop(9)

    assert bench.key() is KeyState.DROPPING
    assert bench.guard.retired == 9


def test_asking_again_does_not_put_the_kill_off() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)
    killed = False
    for _ in range(20):
        bench.wait(0.05)
        killed = killed or bool(bench.asked(m.KillNeard))
        bench.drop(5)
        killed = killed or bool(bench.asked(m.KillNeard))

    assert killed


@pytest.mark.parametrize("hot", [True, False])
def test_a_grant_that_runs_out_drops_at_the_very_moment(hot: bool) -> None:
    bench = Bench(hot).up()
    bench.arm(5, 2.0)
    deadline = bench.now + 2.0
    if not hot:
        bench.exit(0)
        bench.start()
    bench.answer(POOL_KEY)
    assert bench.key() is KeyState.LOADED
    while bench.key() is KeyState.LOADED:
        step = next_wake(bench.guard, bench.now)
        assert step - bench.now <= 0.05
        bench.now = max(step, bench.now + 0.001)
        bench.tick()

    assert bench.now == pytest.approx(deadline, abs=0.002)
    assert "the grant ran out" in bench.said
    assert bool(bench.asked(m.KillNeard)) is not hot


def test_a_guard_that_was_frozen_past_the_deadline_kills_without_delay() -> None:
    bench = Bench().loaded(5, grant_s=2.0)
    bench.disk_hangs = True
    bench.now += 500.0

    first = bench.tick()
    wake = next_wake(bench.guard, bench.now)
    second = bench.tick()

    assert any(isinstance(effect, m.UnlinkKey) for effect in first)
    assert wake == bench.now
    assert m.KillNeard() in first + second


def test_what_a_thawed_guard_reads_first_does_not_save_the_key() -> None:
    for command in ("grant", "arm", "answer"):
        bench = Bench().loaded(5, grant_s=2.0)
        bench.now += 5.0
        if command == "grant":
            bench.grant(5)
        elif command == "arm":
            bench.arm(5)
        else:
            bench.answer(POOL_KEY)
        assert bench.key() is KeyState.DROPPING, command
        assert bench.guard.deadline < bench.now


def test_an_overdue_drop_does_not_spin() -> None:
    """After a step at which nothing is due any more, the next one lies in the future."""
    bench = Bench().loaded(5, grant_s=1.0)
    bench.wait(1.0)
    assert bench.key() is KeyState.DROPPING
    bench.tick()
    bench.tick()

    assert next_wake(bench.guard, bench.now) > bench.now


def test_a_crash_is_a_drop() -> None:
    bench = Bench().loaded(5)

    bench.exit(-11)

    assert bench.key() is KeyState.ABSENT
    assert bench.asked(m.UnlinkKey)
    assert "neard killed by signal 11" in bench.said
    assert not bench.asked(m.StartNeard)


def test_the_exit_of_another_process_is_no_drop() -> None:
    bench = Bench().loaded(5)

    bench.do(m.Exited(1, 0))

    assert bench.key() is KeyState.LOADED
