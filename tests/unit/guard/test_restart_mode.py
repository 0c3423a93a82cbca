"""Promotion and demotion by restart: for neards that cannot swap keys while they run."""

import pytest

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m

from .bench import OTHER_KEY, POOL_KEY, Bench


def promoted(term: int = 5, grant_s: float = 7.0, **config: float) -> Bench:
    bench = Bench(hot=False, **config).up()
    bench.arm(term, grant_s)
    bench.exit(0)
    bench.start()
    bench.wait(0.1)
    bench.answer(POOL_KEY)
    assert bench.key() is KeyState.LOADED
    return bench


def test_promotion_stops_neard_before_the_key_is_linked() -> None:
    bench = Bench(hot=False).up()

    bench.arm(5)

    assert bench.order(m.TerminateNeard, m.LinkKey, m.SignalReload) == [m.TerminateNeard]
    assert bench.phase() is NeardPhase.STOPPING
    bench.exit(0)
    assert bench.order(m.LinkKey, m.StartNeard) == [m.LinkKey, m.StartNeard]
    bench.start()
    assert bench.guard.tainted
    assert bench.key() is KeyState.LOADING
    bench.wait(2.0)
    bench.answer(POOL_KEY, height=70)
    assert bench.key() is KeyState.LOADED
    assert bench.guard.load_s == pytest.approx(2.0)
    assert bench.guard.height == 70


def test_no_hup_is_ever_sent() -> None:
    bench = promoted()
    effects = [*bench.run(3.0)]
    effects += bench.drop(5, urgent=False)
    effects += bench.run(3.0)

    assert not [e for e in effects if isinstance(e, m.SignalReload)]


def test_only_the_start_of_a_promotion_has_the_key() -> None:
    bench = promoted()
    bench.exit(-11)
    assert not bench.asked(m.LinkKey)
    assert not bench.guard.start_with_key
    effects = bench.run(1.1)
    assert m.StartNeard() in effects
    assert not [effect for effect in effects if isinstance(effect, m.LinkKey)]
    bench.start()
    assert not bench.guard.tainted


def test_a_neard_that_does_not_stop_is_killed_and_the_promotion_goes_on() -> None:
    bench = Bench(hot=False, stop_s=3.0).up()
    bench.arm(5)

    bench.run(3.1)

    assert bench.asked(m.KillNeard)
    assert "neard has not stopped in time, so it is killed" in bench.reports
    bench.exit(-9)
    assert bench.order(m.LinkKey, m.StartNeard) == [m.LinkKey, m.StartNeard]


def test_a_grant_that_runs_out_before_the_stop_has_ended_calls_the_promotion_off() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5, 2.0)

    bench.run(2.01)
    assert bench.key() is KeyState.DROPPING
    bench.exit(0)

    assert not bench.asked(m.LinkKey)
    assert bench.asked(m.StartNeard)
    assert not bench.guard.start_with_key
    assert bench.key() is KeyState.ABSENT


def test_a_stop_that_ends_at_the_deadline_is_too_late() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5, 2.0)
    bench.now = bench.guard.deadline

    bench.exit(0)

    assert not bench.asked(m.LinkKey)
    assert bench.key() is KeyState.ABSENT


def test_a_drop_while_neard_stops_calls_the_promotion_off() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.wait(0.5)

    bench.drop(5)
    bench.exit(0)

    assert not bench.asked(m.LinkKey)
    assert bench.key() is KeyState.ABSENT
    assert bench.guard.retired == 5


def test_a_drop_while_neard_boots_with_the_key_kills() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.exit(0)
    bench.start()
    bench.wait(0.5)

    bench.drop(5, urgent=False)

    assert bench.order(m.UnlinkKey, m.KillNeard) == [m.UnlinkKey, m.KillNeard]
    bench.exit()
    assert bench.key() is KeyState.ABSENT


def test_an_answer_without_a_key_is_no_drop() -> None:
    bench = promoted()
    bench.drop(5, urgent=False)

    bench.answer(None)

    assert bench.key() is KeyState.DROPPING


def test_a_crash_while_neard_boots_with_the_key_is_a_drop() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.exit(0)
    bench.start()

    bench.exit(1)

    assert bench.key() is KeyState.ABSENT
    assert bench.asked(m.UnlinkKey)
    assert not bench.asked(m.StartNeard)


@pytest.mark.parametrize("shown", [None, OTHER_KEY])
def test_a_neard_that_comes_up_without_the_pools_key_is_taken_back(shown: str | None) -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.exit(0)
    bench.start()
    bench.wait(0.1)

    bench.answer(shown)

    assert bench.order(m.UnlinkKey, m.KillNeard) == [m.UnlinkKey, m.KillNeard]
    assert bench.guard.refused_term == 5
    assert bench.guard.problem


def test_a_link_that_fails_between_stop_and_start_starts_without_the_key() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.disk_hangs = True
    bench.exit(0)
    bench.disk_hangs = False

    bench.link_fails("the disk is full")

    assert bench.key() is KeyState.ABSENT
    assert not bench.guard.start_with_key
    assert bench.order(m.UnlinkKey, m.StartNeard) == [m.UnlinkKey, m.StartNeard]
    assert bench.guard.refused_term == 5


def test_a_start_with_the_key_that_fails_takes_it_away_again() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.exit(0)

    bench.do(m.StartFailed("no such file"))

    assert bench.key() is KeyState.ABSENT
    assert bench.asked(m.UnlinkKey)
    assert bench.guard.refused_term == 5
    assert not bench.guard.start_with_key
    assert bench.guard.next_start_at == bench.now + 1.0


def test_an_urgent_demotion_kills() -> None:
    bench = promoted()

    bench.drop(5, urgent=True)

    assert bench.order(m.UnlinkKey, m.KillNeard, m.TerminateNeard) == [m.UnlinkKey, m.KillNeard]


def test_a_planned_demotion_stops_neard_in_peace() -> None:
    bench = promoted()

    bench.drop(5, urgent=False)

    assert bench.order(m.UnlinkKey, m.TerminateNeard, m.KillNeard) == [m.UnlinkKey, m.TerminateNeard]
    bench.wait(1.0)
    bench.exit(0)
    assert bench.key() is KeyState.ABSENT
    assert bench.guard.drop_s == pytest.approx(1.0)
    assert bench.asked(m.StartNeard)


def test_a_planned_demotion_has_time_as_long_as_the_lease_is_proved() -> None:
    bench = promoted()
    bench.drop(5, urgent=False)
    for _ in range(20):
        assert not [e for e in bench.run(1.0) if isinstance(e, m.KillNeard)]
        bench.grant(5, 7.0)

    bench.run(7.0 + 0.76)

    assert bench.asked(m.KillNeard)


def test_a_planned_demotion_that_becomes_urgent_kills_within_half_the_budget() -> None:
    bench = promoted()
    bench.drop(5, urgent=False)
    bench.wait(1.0)

    bench.drop(5, urgent=True)

    assert [e for e in bench.run(0.76) if isinstance(e, m.KillNeard)]


@pytest.mark.parametrize("budget", [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("beyond", [-0.4, 0.05, 0.3, 0.49, 0.6, 5.0])
def test_a_planned_demotion_ends_with_the_lease_whatever_time_it_was_given(
    budget: float, beyond: float
) -> None:
    """neard's time to stop may end just after the grant did: the earlier of the two counts."""
    bench = promoted(grant_s=3.1, drop_budget_s=budget, stop_s=3.0 + budget / 2 + beyond)
    assert bench.guard.deadline == pytest.approx(bench.now + 3.0)
    deadline = bench.guard.deadline
    bench.drop(5, urgent=False)
    killed_at = None
    while killed_at is None and bench.now < deadline + 10:
        if [e for e in bench.run(0.01) if isinstance(e, m.KillNeard)]:
            killed_at = bench.now

    assert killed_at is not None
    assert killed_at <= deadline + budget / 2 + 0.07


def test_stopping_the_guard_stops_a_loaded_neard_in_peace() -> None:
    bench = promoted()

    bench.do(m.StopAsked())

    assert bench.order(m.UnlinkKey, m.TerminateNeard, m.KillNeard) == [m.UnlinkKey, m.TerminateNeard]
    bench.exit(0)
    assert bench.asked(m.Quit)
    assert bench.key() is KeyState.ABSENT


def test_stopping_the_guard_in_the_midst_of_a_promotion_ends_it() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.do(m.StopAsked())
    bench.exit(-9)

    assert not bench.asked(m.LinkKey)
    assert not bench.asked(m.StartNeard)
    assert bench.asked(m.Quit)
