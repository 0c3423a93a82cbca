"""A neard that is not the guard's own child: never armed, believed in nothing, and told."""

import pytest

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard.protocol import describe, parse_report

from .bench import POOL_KEY, Bench

WHO = "pid 4711 (neard) listens on 127.0.0.1:3030 and was not started by this guard: stop its unit"


def foreign(bench: Bench, public_key: str | None = None) -> None:
    bench.do(m.Probed(bench.guard.probe, public_key, 50, WHO))


@pytest.mark.parametrize("hot", [True, False])
def test_an_answer_of_somebody_else_brings_nothing_up(hot: bool) -> None:
    bench = Bench(hot).booting()
    bench.wait(0.1)

    foreign(bench)

    assert bench.phase() is NeardPhase.BOOTING
    assert bench.reports == [WHO]
    assert parse_report(describe(bench.guard, "", 1)).view.problem == WHO
    bench.arm(5)
    assert WHO in bench.said
    assert bench.guard.refused_term == 5
    assert bench.key() is KeyState.ABSENT


def test_it_is_told_once_and_taken_back_once_the_own_neard_answers() -> None:
    bench = Bench().booting()
    for _ in range(3):
        bench.run(0.3)
        foreign(bench)
    assert bench.reports == []
    bench.run(0.3)
    bench.answer(None)
    assert bench.phase() is NeardPhase.UP
    assert bench.guard.stranger == ""
    bench.arm(5)
    assert bench.key() is KeyState.LOADING


def test_it_is_taken_back_with_its_end() -> None:
    bench = Bench().booting()
    bench.do(m.ProbeFailed(bench.guard.probe, "an answer that is not HTTP", WHO))
    assert bench.reports == [WHO]
    bench.run(0.3)
    bench.no_answer()
    assert bench.reports == ["nobody else listens on neard's RPC address"]
    assert bench.guard.stranger == ""


def test_somebody_elses_word_confirms_no_load_and_no_drop() -> None:
    bench = Bench().loading()
    bench.wait(0.02)
    foreign(bench, POOL_KEY)
    assert bench.key() is KeyState.DROPPING
    assert bench.asked(m.KillNeard)

    bench = Bench().loaded()
    bench.drop(5)
    bench.wait(0.02)
    foreign(bench, None)
    assert bench.key() is KeyState.DROPPING
    bench.run(1.5)
    assert bench.asked(m.KillNeard)
    bench.exit()
    assert bench.key() is KeyState.ABSENT


def test_a_start_with_the_key_that_somebody_else_answers_is_killed() -> None:
    bench = Bench(hot=False).up()
    bench.arm(5)
    bench.exit(0)
    assert bench.order(m.LinkKey, m.StartNeard) == [m.LinkKey, m.StartNeard]
    bench.start()
    bench.wait(0.1)

    foreign(bench, POOL_KEY)

    assert bench.asked(m.KillNeard)
    assert bench.asked(m.UnlinkKey)
    assert bench.key() is KeyState.DROPPING


@pytest.mark.parametrize("whose", ["own", "another's"])
def test_a_key_that_was_not_given_is_an_alarm_that_stays(whose: str) -> None:
    bench = Bench().booting()
    bench.wait(0.1)
    if whose == "own":
        bench.answer(POOL_KEY)
    else:
        foreign(bench, POOL_KEY)
    alarm = bench.guard.alarm
    assert "key" in alarm
    assert f"ALARM: {alarm}" in bench.reports
    assert parse_report(describe(bench.guard, "", 1)).view.alarm == alarm

    bench.exit()
    bench.run(5.0)
    bench.start()
    bench.wait(0.1)
    bench.answer(None)

    assert bench.phase() is NeardPhase.UP
    assert bench.guard.alarm == alarm


def test_a_neard_without_a_key_is_no_alarm() -> None:
    bench = Bench().booting()
    bench.wait(0.1)
    foreign(bench, None)
    assert bench.guard.alarm == ""


# --- what is left of a neard that has ended

LEFT = "pid 4712 (neard) that it has started cannot be ended"


@pytest.mark.parametrize("hot", [True, False])
def test_what_lingers_keeps_the_key_unconfirmed(hot: bool) -> None:
    bench = Bench(hot).up()
    bench.arm(5)
    if hot:
        bench.wait(0.02)
        bench.answer(POOL_KEY)
    else:
        bench.exit(0)
        bench.start()
        bench.wait(0.1)
        bench.answer(POOL_KEY)
    assert bench.key() is KeyState.LOADED
    pid = bench.guard.pid
    assert pid is not None

    bench.do(m.Lingers(pid, LEFT))

    assert bench.asked(m.KillNeard)
    assert bench.asked(m.UnlinkKey)
    assert LEFT in bench.reports
    for _ in range(20):
        # Tried again and again, and whatever answers on the port proves nothing.
        assert [type(effect) for effect in bench.run(0.6) if isinstance(effect, m.KillNeard)]
        bench.do(m.Probed(bench.guard.probe, None, 60))
        assert bench.key() is KeyState.DROPPING
        assert bench.phase() is NeardPhase.STOPPING
        assert not bench.asked(m.StartNeard)
    bench.do(m.Lingers(pid, LEFT))
    assert bench.reports == []
    bench.exit()
    assert bench.key() is KeyState.ABSENT


def test_news_of_an_earlier_neard_is_void() -> None:
    bench = Bench().loaded()
    bench.do(m.Lingers(7, LEFT))
    assert bench.key() is KeyState.LOADED
    assert bench.last == []


class TestKeyShown:
    """A neard that is up without the key gets one past its guard."""

    def test_it_is_killed_and_the_alarm_stays(self) -> None:
        bench = Bench().up()
        bench.do(m.KeyShown(bench.guard.probe, POOL_KEY))
        assert bench.asked(m.KillNeard)
        alarm = bench.guard.alarm
        assert alarm == f"neard shows {POOL_KEY}, which this guard has not given to it"
        bench.exit()
        bench.wait(5.0)
        bench.start()
        bench.wait(0.1)
        bench.answer(None)
        assert (bench.phase(), bench.guard.alarm) == (NeardPhase.UP, alarm)

    def test_somebody_elses_neard_is_an_alarm_and_the_own_one_lives(self) -> None:
        bench = Bench().up()
        bench.do(m.KeyShown(bench.guard.probe, POOL_KEY, WHO))
        assert WHO in bench.guard.alarm
        assert not bench.asked(m.KillNeard)

    def test_what_was_looked_at_before_an_order_to_arm_is_void(self) -> None:
        bench = Bench().up()
        before = bench.guard.probe
        bench.arm(5)
        bench.do(m.KeyShown(before, POOL_KEY))
        assert (bench.key(), bench.guard.alarm) == (KeyState.LOADING, "")
        bench.answer(POOL_KEY)
        bench.do(m.KeyShown(bench.guard.probe, POOL_KEY))
        assert (bench.key(), bench.guard.alarm) == (KeyState.LOADED, "")
