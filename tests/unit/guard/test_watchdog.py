"""The watchdog's limit: a guard that freezes at any instant is killed in time, one that lives never is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafailover.core.views import KeyState
from hafailover.guard import model as m
from hafailover.guard.decide import decide, next_wake
from hafailover.guard.watchdog import (
    KILL_SHARE,
    SHORTEST_S,
    SYSTEMD_LATE_S,
    Pat,
    next_look,
    next_pat,
    reaches_too_far,
)
from hafailover.timing import LONGEST_GONE_WITHIN_S, PROFILES, Profile

from .bench import POOL_KEY, Bench

EPSILON_S = 1e-6
DEFAULT = PROFILES["default"]


class Watched(Bench):
    """A guard whose signs of life are given as in guard/loop.py, and a systemd that counts by them."""

    def __init__(self, profile: Profile = DEFAULT, hot: bool = True, **config: float) -> None:
        super().__init__(hot, drop_budget_s=profile.drop_budget_s, stop_s=4.0, **config)
        self.unit_s = profile.guard_watchdog_s
        # READY=1 is the first one.
        self.pat = Pat(self.now, self.now + self.unit_s)
        self.pats: list[Pat] = []
        self.late = False
        """Whether the machine is so slow that systemd may well kill a guard that lives."""

    def step(self, event: m.GuardEvent) -> list[m.GuardEffect]:
        before = self.guard
        effects = super().step(event)
        if reaches_too_far(self.guard, self.pat):
            self._show_life()
        # What is to be done is not done yet.
        self._check(replace(self.guard, killed=before.killed))
        self._show_life()
        self._check(self.guard)
        return effects

    def pass_time(self, seconds: float) -> None:
        """Ticks as the guard's loop gives them; neard's process ends when it is told to."""
        end = self.now + seconds
        while self.now < end:
            wake = min(next_wake(self.guard, self.now), next_look(self.pat, self.now))
            self.now = min(end, max(wake, self.now + 0.001))
            if not self.late:
                assert self.now <= self.pat.kills_at, "a guard that lives is killed"
            self.tick()
            self.obey()

    def obey(self) -> None:
        """neard starts and ends as it is told."""
        if self.asked(m.StartNeard):
            self.start()
        elif self.guard.pid is not None and self.order(m.KillNeard, m.TerminateNeard):
            self.exit()
            self.obey()

    def _show_life(self) -> None:
        pat = next_pat(self.guard, self.pat, self.unit_s, self.now)
        if pat is not None:
            self.pat = pat
            self.pats.append(pat)

    def _check(self, guard: m.Guard) -> None:
        """What holds of a guard that freezes right now."""
        kill = self.pat.kills_at + SYSTEMD_LATE_S
        assert kill <= self.now + self.unit_s + SYSTEMD_LATE_S + EPSILON_S, "longer than the unit's limit"
        if guard.key is not KeyState.ABSENT and not guard.killed:
            share = KILL_SHARE * guard.config.drop_budget_s
            assert kill <= guard.deadline + guard.config.drop_budget_s - share + EPSILON_S, "killed too late"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), st.floats(0.01, LONGEST_GONE_WITHIN_S)),
        st.tuples(st.just("grant"), st.floats(-1.0, LONGEST_GONE_WITHIN_S)),
        st.tuples(st.just("drop"), st.sampled_from([0.0, 1.0])),
        st.tuples(st.just("shows key"), st.just(0.0)),
        st.tuples(st.just("shows none"), st.just(0.0)),
        st.tuples(st.just("neard dies"), st.just(0.0)),
        st.tuples(st.just("time"), st.floats(0.001, 8.0)),
        st.tuples(st.just("stall"), st.floats(0.1, 10.0)),
    ),
    max_size=25,
)


def play(bench: Watched, steps: list[tuple[str, float]]) -> None:
    term = 0
    for what, value in steps:
        match what:
            case "arm":
                term += 1
                bench.arm(term, value)
            case "grant":
                bench.grant(bench.guard.term, value)
            case "drop":
                bench.drop(bench.guard.term, urgent=bool(value))
            case "shows key":
                bench.answer(POOL_KEY)
            case "shows none":
                bench.answer(None)
            case "neard dies" if bench.guard.pid is not None:
                bench.exit()
            case "time":
                bench.pass_time(value)
            case "stall":
                # The guard gets no time, and systemd would kill it; if it does not, the rest still holds.
                bench.now += value
                bench.late = True
                bench.tick()
        bench.obey()


@settings(max_examples=300, deadline=None)
@given(
    steps=STEPS,
    hot=st.booleans(),
    budget=st.sampled_from([0.5, 0.7, 1.0, 1.5, 2.0, 3.0]),
    fence=st.floats(3.4, 12.0),
)
def test_a_guard_frozen_at_any_instant_is_killed_in_time(
    steps: list[tuple[str, float]], hot: bool, budget: float, fence: float
) -> None:
    bench = Watched(replace(DEFAULT, fence_after_s=fence, drop_budget_s=budget), hot)
    # With budgets below the profiles' own, a hot drop that hangs may be ended by systemd instead.
    bench.late = budget < 1.0
    bench.up()
    play(bench, steps)


@pytest.mark.parametrize("broken", ["never tighter", "no slack"])
def test_the_check_would_notice(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "hafailover.guard.watchdog"
    if broken == "never tighter":
        monkeypatch.setattr(f"{module}._latest_kill", lambda guard: None)
    else:
        monkeypatch.setattr(f"{module}.SYSTEMD_LATE_S", 0.0)
    bench = Watched()
    bench.up()
    with pytest.raises(AssertionError, match="killed too late"):
        play(bench, [("arm", 2.0), ("shows key", 0.0), ("time", 5.0)])


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_guard_that_lives_is_left_alone_until_its_grant_has_run_out(name: str, confirmed: bool) -> None:
    bench = Watched(PROFILES[name]).up()
    bench.arm(1, PROFILES[name].fence_after_s)
    bench.answer(POOL_KEY)

    bench.pass_time(PROFILES[name].fence_after_s + 0.01)
    assert bench.key() is KeyState.DROPPING
    if confirmed:
        bench.answer(None)
    bench.pass_time(5.0)

    assert bench.key() is KeyState.ABSENT
    assert bench.pat.limit_s == pytest.approx(bench.unit_s)


def test_the_limit_is_the_units_own_while_the_grant_is_young() -> None:
    bench = Watched().loaded(grant_s=7.0)
    bench.pass_time(3.0)
    assert bench.pats[-1].at > bench.now - 1.1
    assert bench.pats[-1].limit_s == pytest.approx(3.0)


def test_the_limit_ends_with_the_grant() -> None:
    bench = Watched().loaded(grant_s=7.0)
    bench.pass_time(6.0)
    # 1 s of the grant is left, three quarters of 1.5 s, and systemd may be late.
    left = bench.guard.deadline + 0.75 * 1.5 - 0.25
    assert bench.pat.kills_at == left
    assert bench.now + 1.8 < left < bench.now + 1.95


def test_a_short_grant_makes_the_limit_shorter_before_the_key_is_linked() -> None:
    bench = Watched().up()
    before = len(bench.pats)
    guard, effects = decide(bench.guard, m.ArmAsked(1, bench.now + 1.0), bench.now)
    assert any(isinstance(effect, m.LinkKey) for effect in effects)
    assert reaches_too_far(guard, bench.pat)
    bench.arm(1, 1.0)
    assert bench.pats[before].at == bench.now
    assert bench.pats[before].kills_at == bench.now + 1.0 + 0.75 * 1.5 - 0.25


def test_once_the_key_is_gone_the_units_own_limit_is_back_at_once() -> None:
    bench = Watched().loaded(grant_s=1.0)
    bench.pass_time(1.1)
    bench.answer(None)
    assert bench.key() is KeyState.ABSENT
    assert bench.pats[-1] == Pat(bench.now, bench.now + 3.0)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_signs_of_life_are_neither_rare_nor_too_many(name: str) -> None:
    """While it signs, with a grant every second; and while it stands by."""
    profile = PROFILES[name]
    bench = Watched(profile).up()
    bench.pass_time(5)
    bench.arm(1, profile.fence_after_s)
    bench.answer(POOL_KEY)
    for _ in range(20):
        bench.grant(1, profile.fence_after_s)
        bench.pass_time(1.0)
    for one, after in zip(bench.pats, bench.pats[1:], strict=False):
        assert after.at - one.at <= one.limit_s / 3 + 0.06
    assert len(bench.pats) <= 5 * 25


def test_the_message_names_whole_microseconds_and_never_none() -> None:
    assert Pat(10.0, 11.5).message == "WATCHDOG_USEC=1500000\nWATCHDOG=1"
    assert Pat(10.0, 10.0 + SHORTEST_S + 1e-7).message == "WATCHDOG_USEC=50000\nWATCHDOG=1"
