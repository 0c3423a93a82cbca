"""The timings and their proof: each rule fires by name, and what none forbids is safe by arithmetic."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hafailover.core.sightings import Sightings, note, successor_wait
from hafailover.core.words import Vouches
from hafailover.timing import (
    CLOCK_OFF,
    CLOCKS_APART,
    GRANT_TICK_S,
    LONGEST_GONE_WITHIN_S,
    MIN_MARGIN_RATE,
    PROFILES,
    Profile,
    sensible_fence_after_s,
    violations,
    with_changes,
)

from .bench import beat, stored

DEFAULT = PROFILES["default"]


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_profiles_obey_every_rule(name: str) -> None:
    assert violations(PROFILES[name]) == []
    assert PROFILES[name].name == name


def test_what_an_unknown_predecessor_is_given_is_the_longest_of_all() -> None:
    assert max(p.gone_within_s for p in PROFILES.values()) == LONGEST_GONE_WITHIN_S == 15.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"beat_s": 0.0}, "timing.beat_s is 0 and must be above 0"),
        ({"call_deadline_s": -1.0}, "timing.call_deadline_s is -1 and must be above 0"),
        ({"retry_s": 0.0}, "timing.retry_s is 0 and must be above 0"),
        ({"drop_budget_s": 0.4}, "timing.drop_budget_s is 0.4; drop and SIGKILL need 0.5 or more"),
        (
            {"fence_after_s": 14.0},
            "timing.fence_after_s + timing.drop_budget_s is 15.5, above the 15 that other hosts assume of an "
            "unknown predecessor: lower one of them",
        ),
        ({"margin_s": 0.4}, "timing.margin_s is 0.4 and must be 0.5 or more"),
        ({"margin_rate": 0.0}, "timing.margin_rate is 0 and must be 0.01 or more"),
        ({"session_ttl_s": 9}, "timing.session_ttl_s is 9; Consul takes 10 or more"),
        (
            {"session_ttl_s": 10, "fence_after_s": 11.0},
            "timing.session_ttl_s is 10, below timing.fence_after_s (11): "
            "the session would end before the active gives up",
        ),
        (
            {"check_ttl_s": 2.2},
            "timing.check_ttl_s is 2.2 and must be above one beat and one failed call (2.2)",
        ),
    ],
)
def test_each_broken_rule_is_named_with_its_numbers(changes: dict[str, Any], said: str) -> None:
    assert violations(with_changes(DEFAULT, changes)) == [said]


def test_too_short_a_lease_is_named_with_what_it_needs() -> None:
    (said,) = violations(with_changes(DEFAULT, {"fence_after_s": 3.0}))
    assert said.startswith("timing.fence_after_s is 3, less than one beat")
    assert "1 + 2 x (1 + 0.2)" in said
    needed = float(said.rsplit("raise it to ", 1)[1].split()[0])
    assert 3.4 <= needed < 5.0
    assert violations(with_changes(DEFAULT, {"fence_after_s": needed})) == []


@pytest.mark.parametrize("field", [f.name for f in fields(Profile) if f.name != "name"])
def test_not_a_number_is_never_safe(field: str) -> None:
    assert violations(with_changes(DEFAULT, {field: float("nan")}))


def test_unchanged_values_stay() -> None:
    assert with_changes(DEFAULT, {"beat_s": None}) is DEFAULT
    assert with_changes(DEFAULT, {"beat_s": 0.5}).beat_s == 0.5


@st.composite
def safe_profiles(draw: st.DrawFn) -> Profile:
    """Any timings that no rule forbids, up to the edges of what the rules allow."""
    beat_s, deadline, retry = (draw(st.floats(0.01, most)) for most in (2.0, 2.0, 0.5))
    budget = draw(st.floats(0.5, 3.0))
    most = LONGEST_GONE_WITHIN_S - budget
    least = beat_s + 2 * (deadline + retry)
    fence = draw(st.floats(least, most))
    profile = Profile(
        name="drawn",
        beat_s=beat_s,
        call_deadline_s=deadline,
        retry_s=retry,
        fence_after_s=fence,
        drop_budget_s=budget,
        margin_s=draw(st.floats(0.5, 5.0)),
        margin_rate=draw(st.floats(0.01, 0.1)),
        session_ttl_s=draw(st.integers(15, 60)),
        check_ttl_s=beat_s + deadline + retry + draw(st.floats(0.1, 10.0)),
    )
    assume(not violations(profile))
    return profile


@given(
    old=safe_profiles(),
    new=safe_profiles(),
    sent=st.floats(0.0, 1e6),
    seen_after=st.floats(0.0, 20.0),
    acquired_after=st.floats(0.0, 20.0),
    old_rate=st.floats(1 - CLOCK_OFF, 1 + CLOCK_OFF),
    new_rate=st.floats(1 - CLOCK_OFF, 1 + CLOCK_OFF),
)
def test_the_old_key_is_gone_before_the_new_one_may_be_loaded(
    old: Profile,
    new: Profile,
    sent: float,
    seen_after: float,
    acquired_after: float,
    old_rate: float,
    new_rate: float,
) -> None:
    """For any two hosts' timings that no rule forbids, clocks within their bound, and a beat seen whenever.

    Times are true seconds; a clock of rate r counts r seconds in each of them.
    """
    gone = sent + old.gone_within_s / old_rate
    last = stored(beat(10, 5, gone_within_s=old.gone_within_s))
    seen, acquired = sent + seen_after, sent + seen_after + acquired_after
    sightings = note(Sightings(), last, seen * new_rate)
    for watched, known in ((sightings, last), (Sightings(), last), (sightings, None)):
        wait = successor_wait(watched, known, Vouches(), acquired * new_rate, new)
        assert wait.not_before / new_rate > gone
        assert wait.gone_within_s >= new.gone_within_s


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_drop_leaves_time_for_the_kill(name: str) -> None:
    """A late tick of the guard, the hot drop, then SIGKILL and its effect, all within the budget."""
    profile = PROFILES[name]
    assert profile.hot_drop_s + GRANT_TICK_S + 0.2 <= profile.drop_budget_s


@pytest.mark.parametrize(
    ("multiplier", "client", "seconds"),
    [(1, False, 7.0), (2, False, 11.0), (5, False, 23.0), (1, True, 10.0)],
)
def test_how_long_consul_may_be_without_a_leader(multiplier: int, client: bool, seconds: float) -> None:
    assert sensible_fence_after_s(multiplier, client) == seconds


@pytest.mark.parametrize(
    "profile",
    [
        with_changes(DEFAULT, {"beat_s": 0.1, "call_deadline_s": 0.1, "retry_s": 0.1, "fence_after_s": 0.9}),
    ],
)
def test_a_lease_too_short_to_arm_in_is_refused(profile: Profile) -> None:
    """The core gives no grant shorter than a second, so such a host could never become active."""
    assert any("fence_after_s" in said for said in violations(profile))


def test_the_bound_on_clocks_follows_from_the_margin() -> None:
    """By the rate alone, at the edge of the bound: not a moment to spare, and none too little."""
    assert CLOCKS_APART == MIN_MARGIN_RATE == min(profile.margin_rate for profile in PROFILES.values())
    assert pytest.approx(1 + CLOCKS_APART) == (1 + CLOCK_OFF) / (1 - CLOCK_OFF)
    for profile in PROFILES.values():
        gone = profile.gone_within_s
        bare = with_changes(profile, {"margin_s": 1e-9}).successor_wait_s(gone)
        assert bare / (1 + CLOCK_OFF) >= gone / (1 - CLOCK_OFF)
        assert bare / (1 + 1.01 * CLOCK_OFF) < gone / (1 - 1.01 * CLOCK_OFF)
