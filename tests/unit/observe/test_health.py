"""Whether the agent works and whether its host could sign: each condition that makes the answer no."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafailover.core import events as ev
from hafailover.core import foreign
from hafailover.core.production import Grade, Kind, Share, Tally
from hafailover.core.state import Forced, Stage
from hafailover.core.views import NeardPhase, Role
from hafailover.observe.health import Answer, healthz, is_ready, readyz

from ..core.bench import Core, guard, neard


def standby() -> Core:
    core = Core().stand_by()
    core.wait(1)
    return core


# --- /healthz


def test_a_standby_and_an_active_work() -> None:
    for core in (standby(), Core().arm()):
        answer = healthz(core.state, core.now, 0.0)
        assert answer.good
        assert answer.text == f"{core.role}: {core.reason}"


def test_a_host_that_is_not_ready_still_works() -> None:
    core = standby()
    core.feed(ev.NeardSeen(neard(syncing=True)))
    assert healthz(core.state, core.now, 0.0).good
    assert not readyz(core.state, core.now).good


@pytest.mark.parametrize(("silent_s", "good"), [(4.9, True), (5.1, False)])
def test_an_agent_that_decides_nothing_does_not_work(silent_s: float, good: bool) -> None:
    core = standby()
    for answer in (healthz(core.state, core.now + silent_s, 0.0), readyz(core.state, core.now + silent_s)):
        assert good or "decided nothing for 5 s" in answer.text
    assert healthz(core.state, core.now + silent_s, 0.0).good is good


@pytest.mark.parametrize(("gone_s", "good"), [(9.5, True), (10.5, False)])
def test_an_agent_needs_its_guard(gone_s: float, good: bool) -> None:
    core = standby()
    core.feed(ev.GuardLost())
    core.silence(gone_s)
    answer = healthz(core.state, core.now, 0.0)
    assert answer.good is good
    assert good or "no guard has been connected for 1" in answer.text


@pytest.mark.parametrize(("without_s", "good"), [(29.0, True), (31.0, False)])
def test_an_agent_needs_a_session(without_s: float, good: bool) -> None:
    core = standby()
    assert core.state.session is not None
    assert healthz(core.state, core.now, without_s).good, "it has one"
    core.feed(ev.SessionGone(core.state.session))
    answer = healthz(core.state, core.now, without_s)
    assert answer.good is good
    assert good or "no session with Consul for 31 s" in answer.text


# --- /readyz


def test_a_standby_that_could_take_over_is_ready() -> None:
    core = standby()
    assert readyz(core.state, core.now) == Answer(True, f"standby: {core.reason}")


@pytest.mark.parametrize(
    "event",
    [
        ev.NeardSeen(neard(syncing=True)),
        ev.NeardSeen(neard(peers=0)),
        ev.NeardSeen(neard(shadow=False)),
        ev.GuardSeen(guard(neard=NeardPhase.BOOTING)),
        ev.GuardSeen(guard(problem="the key cannot be read")),
        ev.GuardLost(),
        ev.SessionGone("session-a"),
    ],
    ids=["syncing", "no peers", "no shadow", "booting", "key", "no guard", "no session"],
)
def test_a_standby_that_could_not_take_over_is_not_ready(event: ev.Event) -> None:
    core = standby()
    core.feed(event)
    answer = readyz(core.state, core.now)
    assert not answer.good
    assert answer.text


@pytest.mark.parametrize("stage", list(Stage))
def test_of_those_who_hold_the_lock_only_one_with_the_key_is_ready(stage: Stage) -> None:
    core = Core().arm()
    state = replace(core.state, hold=replace(core.hold, stage=stage))
    assert is_ready(state, core.now) is (stage is Stage.ARMED)


def untold(core: Core) -> None:
    """Half a minute of neard's ``/status`` without a word on the account's work."""
    core.no_validator = False
    for height in range(101, 131):
        core.feed(ev.NeardSeen(neard(height=height)))
        core.wait(1)


@pytest.mark.parametrize(
    ("grade", "good", "told"),
    [
        (Grade.GOOD, True, ""),
        (Grade.NOT_DUE, True, ""),
        (Grade.NO_VALIDATOR, True, "; holds the key, but the account is no validator of this epoch"),
        (
            Grade.DOUBT,
            True,
            "; holds the key, and what it does is not seen to arrive yet: 0 of 9",
        ),
        (Grade.DEAF, False, "; holds the key, and nothing of it arrives: 0 of 9 blocks since"),
        (Grade.OTHER_KEY, False, "; holds the key, but the account's stake is with another key"),
        (Grade.STILL, False, "; holds the key, but the chain stands still, or this site is cut off from it"),
    ],
)
@pytest.mark.parametrize("forced", [False, True])
def test_who_signs_and_is_seen_to_do_nothing_is_not_ready(
    grade: Grade, good: bool, told: str, forced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = Core().arm()
    if forced:
        order = Forced("o1", "root@a", 99, core.now, core.now, loaded_at=core.now)
        core.state = replace(core.state, hold=None, forced=order, role=Role.FORCED)
    missed = Kind(Share(0, 9), None, (Share(0, 9),))
    tally = Tally(core.now, grade=grade, blocks=missed, head_made_at=core.now)
    monkeypatch.setattr(foreign, "production", lambda *_: tally)
    answer = readyz(core.state, core.now)
    assert answer.good is good
    assert answer.text.startswith(f"{core.role}: {core.reason}{told}")
    assert told or answer.text == f"{core.role}: {core.reason}"


def test_who_signs_and_is_not_known_to_do_anything_for_long_is_not_ready() -> None:
    core = Core().arm()
    untold(core)
    answer = readyz(core.state, core.now)
    assert "signing; signs; whether it produces is not known: neard has not told for" in answer.text
    assert not answer.good
