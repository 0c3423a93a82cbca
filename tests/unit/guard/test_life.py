"""neard's life under the guard: starts, crashes, pauses, restarts that were asked for, and the end."""

import pytest

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard.decide import next_wake

from .bench import OTHER_KEY, POOL_KEY, Bench


def test_it_starts_at_once() -> None:
    bench = Bench()

    bench.tick()

    assert bench.order(m.PrepareHome, m.StartNeard, m.LinkKey) == [m.PrepareHome, m.StartNeard]
    bench.start()
    assert bench.phase() is NeardPhase.BOOTING
    assert bench.guard.restarts == 0
    assert "neard started with pid 101" in bench.said
    assert not bench.guard.tainted


def test_it_is_started_once() -> None:
    bench = Bench().booting()

    assert not [e for e in bench.run(30.0) if isinstance(e, m.StartNeard)]


def test_no_signal_before_the_first_good_answer() -> None:
    bench = Bench().booting()
    effects: list[m.GuardEffect] = []
    for _ in range(100):
        effects += bench.wait(0.1)
        if bench.asked(m.ProbeNeard):
            effects += bench.no_answer()
        effects += bench.arm(5)

    assert not [e for e in effects if isinstance(e, m.SignalReload | m.TerminateNeard | m.KillNeard)]
    assert len([e for e in effects if isinstance(e, m.ProbeNeard)]) > 20


def test_it_is_up_when_its_rpc_answers() -> None:
    bench = Bench().booting()
    bench.wait(0.05)

    bench.answer(None, height=12)

    assert bench.phase() is NeardPhase.UP
    assert bench.guard.height == 12
    assert "neard's RPC answers" in bench.said


def test_an_idle_neard_is_not_probed() -> None:
    """What the agent asks neard every second need not be asked twice."""
    bench = Bench().up()

    assert not [e for e in bench.run(10.0) if isinstance(e, m.ProbeNeard)]


def test_answers_of_the_process_before_are_void() -> None:
    bench = Bench().booting()
    bench.wait(0.05)
    old = bench.guard.probe
    bench.exit(1)
    bench.run(1.1)
    bench.start()

    bench.do(m.Probed(old, None, 5))

    assert bench.phase() is NeardPhase.BOOTING


@pytest.mark.parametrize("key", [POOL_KEY, OTHER_KEY])
def test_a_neard_that_comes_up_with_a_key_is_killed(key: str) -> None:
    bench = Bench().booting()
    bench.wait(0.05)

    bench.answer(key)

    assert bench.asked(m.KillNeard)
    assert key in bench.guard.problem
    bench.run(2.0)
    assert bench.asked(m.KillNeard)


def test_a_neard_that_came_up_with_a_key_cannot_be_armed_while_it_dies() -> None:
    bench = Bench().booting()
    bench.wait(0.05)
    bench.answer(OTHER_KEY)

    bench.arm(5)
    bench.run(1.2)

    assert bench.asked(m.KillNeard), "arming took the kill back"


def test_pauses_grow_with_each_crash_and_end_with_a_long_run() -> None:
    bench = Bench().booting()
    pauses = []
    for _ in range(9):
        bench.exit(1)
        assert bench.guard.next_start_at is not None
        pauses.append(bench.guard.next_start_at - bench.now)
        assert not [e for e in bench.run(pauses[-1] - 0.01) if isinstance(e, m.StartNeard)]
        assert [e for e in bench.run(0.02) if isinstance(e, m.StartNeard)]
        bench.start()

    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])
    bench.now += 300.0
    bench.exit(1)
    assert bench.guard.next_start_at == bench.now + 1.0
    assert bench.guard.restarts == 9


def test_a_start_that_fails_is_tried_again_with_pauses() -> None:
    bench = Bench()
    pauses: list[float] = []
    for _ in range(4):
        bench.run(61.0) if pauses else bench.tick()
        bench.do(m.StartFailed("neard: cannot be started: No such file; set neard.binary"))
        assert bench.guard.next_start_at is not None
        pauses.append(bench.guard.next_start_at - bench.now)

    assert pauses == pytest.approx([1, 2, 4, 8])
    assert "set neard.binary" in bench.guard.problem
    assert "set neard.binary" in bench.said
    bench.run(9.0)
    bench.start()
    bench.answer(None)
    assert bench.guard.problem == ""


def test_exit_codes_and_signals_are_told_apart() -> None:
    bench = Bench().booting()
    bench.exit(1)
    assert "neard exited with code 1" in bench.said
    bench.run(2.0)
    bench.start()
    bench.exit(-9)
    assert "neard killed by signal 9" in bench.said


# --- restarts


@pytest.mark.parametrize("state", ["booting", "up"])
def test_a_restart_that_is_asked_for_comes_without_a_pause(state: str) -> None:
    bench = Bench().booting() if state == "booting" else Bench().up()

    bench.do(m.RestartAsked("it held the key once"))

    assert bench.asked(m.TerminateNeard)
    assert "restarting neard: it held the key once" in bench.said
    bench.wait(3.0)
    bench.exit(0)
    assert bench.asked(m.StartNeard)
    bench.start()
    bench.exit(1)
    assert bench.guard.next_start_at == bench.now + 1.0


@pytest.mark.parametrize("state", ["loading", "loaded", "dropping", "down", "stopping"])
def test_a_restart_is_not_done_where_it_does_not_fit(state: str) -> None:
    bench = Bench()
    if state == "stopping":
        bench.up().do(m.RestartAsked("first"))
    elif state == "dropping":
        bench.loaded().drop(5)
    elif state != "down":
        getattr(bench, state)()
    key, phase = bench.guard.key, bench.guard.phase

    bench.do(m.RestartAsked("now"))

    assert not bench.asked(m.TerminateNeard)
    assert (bench.guard.key, bench.guard.phase) == (key, phase)


@pytest.mark.parametrize(("stop_s", "killed_after"), [(60.0, 3.0), (2.0, 2.0)])
def test_a_neard_whose_key_another_has_is_not_waited_for_long(stop_s: float, killed_after: float) -> None:
    """Its connections swallow what is sent to the account until it has ended."""
    bench = Bench(stop_s=stop_s).up()
    bench.do(m.RestartAsked("now"))

    assert not [e for e in bench.run(killed_after - 0.1) if isinstance(e, m.KillNeard)]
    assert [e for e in bench.run(0.2) if isinstance(e, m.KillNeard)]
    bench.exit(-9)
    assert bench.asked(m.StartNeard)


def test_sigterm_is_sent_again_until_neard_ends() -> None:
    """A signal that comes while neard reads its files is lost (neard drops its signal streams meanwhile)."""
    bench = Bench(stop_s=60.0).up()
    bench.do(m.StopAsked())

    again = [e for e in bench.run(20.0) if isinstance(e, m.TerminateNeard)]

    assert again


def test_after_a_drop_sigterm_is_sent_again_sooner() -> None:
    bench = Bench(stop_s=60.0).up()
    bench.do(m.RestartAsked("now"))

    assert [e for e in bench.run(1.0) if isinstance(e, m.TerminateNeard)]


# --- the guard's own end


def test_stopping_without_a_neard_ends_at_once() -> None:
    bench = Bench().booting()
    bench.exit(1)

    bench.do(m.StopAsked())

    assert bench.order(m.UnlinkKey, m.Quit, m.StartNeard) == [m.UnlinkKey, m.Quit]
    assert not [e for e in bench.run(100.0) if isinstance(e, m.StartNeard)]


@pytest.mark.parametrize("state", ["booting", "up"])
def test_stopping_ends_a_keyless_neard_in_peace(state: str) -> None:
    bench = getattr(Bench(), state)()

    bench.do(m.StopAsked())

    assert bench.asked(m.TerminateNeard)
    assert not bench.asked(m.KillNeard)
    bench.exit(0)
    assert bench.order(m.UnlinkKey, m.Quit) == [m.UnlinkKey, m.Quit]
    assert not [e for e in bench.run(100.0) if isinstance(e, m.StartNeard)]


def test_stopping_drops_a_loaded_key_before_anything_else() -> None:
    bench = Bench().loaded(5)

    bench.do(m.StopAsked())

    assert bench.order(m.UnlinkKey, m.SignalReload, m.TerminateNeard) == [m.UnlinkKey, m.SignalReload]
    bench.answer(None)
    assert bench.key() is KeyState.ABSENT
    assert bench.asked(m.TerminateNeard)
    bench.exit(0)
    assert bench.asked(m.Quit)


def test_stopping_with_a_drop_that_fails_kills() -> None:
    bench = Bench().loaded(5)
    bench.do(m.StopAsked())

    bench.run(0.8)
    assert bench.asked(m.KillNeard)
    bench.exit()

    assert bench.asked(m.Quit)
    assert not bench.asked(m.StartNeard)


def test_stopping_while_a_load_is_unconfirmed_kills() -> None:
    bench = Bench().loading(5)

    bench.do(m.StopAsked())

    assert bench.order(m.UnlinkKey, m.KillNeard) == [m.UnlinkKey, m.KillNeard]
    bench.exit()
    assert bench.asked(m.Quit)


def test_stopping_during_a_drop_waits_for_its_end() -> None:
    bench = Bench().loaded(5)
    bench.drop(5)

    bench.do(m.StopAsked())

    assert not bench.asked(m.TerminateNeard)
    bench.answer(None)
    assert bench.asked(m.TerminateNeard)


def test_stopping_during_a_restart_ends_it() -> None:
    bench = Bench().up()
    bench.do(m.RestartAsked("now"))

    bench.do(m.StopAsked())
    bench.exit(0)

    assert bench.asked(m.Quit)
    assert not bench.asked(m.StartNeard)


def test_asking_twice_to_stop_does_not_put_the_kill_off() -> None:
    bench = Bench(stop_s=10.0).up()
    bench.do(m.StopAsked())
    bench.wait(9.0)
    bench.do(m.StopAsked())

    bench.wait(1.1)

    assert bench.asked(m.KillNeard)


def test_a_crash_while_stopping_is_the_end() -> None:
    bench = Bench().loaded(5)
    bench.do(m.StopAsked())
    bench.exit(-11)

    assert bench.asked(m.Quit)
    assert bench.key() is KeyState.ABSENT


# --- waking


def test_an_armed_guard_looks_at_the_clock_every_50_ms() -> None:
    bench = Bench().loaded(5)
    for _ in range(20):
        assert next_wake(bench.guard, bench.now) - bench.now <= 0.05
        bench.wait(0.05)


def test_an_idle_guard_sleeps() -> None:
    bench = Bench().up()

    assert next_wake(bench.guard, bench.now) - bench.now >= 0.5


@pytest.mark.parametrize("state", ["booting", "up", "loading", "loaded"])
def test_no_state_spins(state: str) -> None:
    bench = getattr(Bench(), state)()
    for _ in range(200):
        bench.tick()
        bench.tick()
        assert next_wake(bench.guard, bench.now) > bench.now
        bench.now += 0.01
        if bench.key() is KeyState.DROPPING:
            break
