"""What the agent says of its steps holds up nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import pytest

from hafailover.agent import status_line
from hafailover.agent.loop import Agent
from hafailover.agent.status_line import StatusLine
from hafailover.core import events as ev
from hafailover.core import foreign
from hafailover.core.production import Grade, Kind, Share, Tally
from hafailover.core.views import Role

from ..core.bench import Core


class Silent:
    """Takes whatever is said to it."""

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


class Defect:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ZeroDivisionError(name)


@pytest.mark.parametrize("defect_in", ["_production_news", "is_alarm"])
def test_a_defect_in_what_is_told_ends_no_step(
    defect_in: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread that decides sends the beats, too: without it the lease runs out."""
    agent = Agent.__new__(Agent)
    told: list[str] = []
    before = agent._state = Core().state
    for part in ("metrics", "_news", "_chores"):
        monkeypatch.setattr(agent, part, Silent(), raising=False)
    monkeypatch.setattr(agent, "_say", lambda _: None)
    if defect_in == "is_alarm":
        monkeypatch.setattr(foreign, "is_alarm", lambda _: Defect().is_alarm)
        monkeypatch.setattr(agent, "_tell_of_production", lambda: told.append("production"))
    else:
        monkeypatch.setattr(agent, "_production_news", Defect(), raising=False)
        monkeypatch.setattr(agent, "_tell_of_foreign_work", lambda _: told.append("foreign"))
    with caplog.at_level(logging.ERROR):
        agent._take(ev.Tick())
    assert agent._state is not before, "the step was taken"
    assert "a defect in what is told" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert told == ["production" if defect_in == "is_alarm" else "foreign"], "the other one is told"


Step = Callable[..., None]


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> tuple[Step, list[str]]:
    """An active's agent: a step with this tally and what else of the state, and what systemd was told."""
    agent = Agent.__new__(Agent)
    told: list[str] = []
    tallies: list[Tally | None] = [None]
    agent._state = Core().arm().state
    agent._said, agent._status_line = "", StatusLine()
    for part in ("_chores", "_production_news"):
        monkeypatch.setattr(agent, part, Silent(), raising=False)
    monkeypatch.setattr(agent, "_tell_of_production", lambda: None)
    monkeypatch.setattr(status_line, "notify", told.append)
    monkeypatch.setattr(foreign, "production", lambda *_: tallies[0])

    def step(tally: Tally | None, **more: object) -> None:
        before, tallies[0] = agent._state, tally
        agent._state = replace(before, **more)  # type: ignore[arg-type]
        agent._say(before)
        agent._tell(before)

    return step, told


def tally(grade: Grade, done: int = 0, due: int = 8, **more: object) -> Tally:
    share = Share(done, due)
    given = {"blocks": Kind(share, None, (share,)), "head_made_at": 100.0, **more}
    return Tally(100.0, grade=grade, **given)  # type: ignore[arg-type]


SIGNS = "STATUS=active: term 20: signing"
NOTHING = f"{SIGNS}; holds the key, and nothing of it arrives"


def test_systemd_is_told_that_what_is_signed_does_not_arrive(status: tuple[Step, list[str]]) -> None:
    step, told = status
    step(tally(Grade.GOOD, 8))
    step(tally(Grade.DEAF))
    for due in range(9, 40):
        step(tally(Grade.DEAF, due=due), reason="term 20: signing")
    assert told == [SIGNS, NOTHING], "a figure more is no news"
    step(tally(Grade.DEAF, 8, 40))
    step(tally(Grade.STILL))
    step(tally(Grade.GOOD, 30, 40))
    assert told[2:] == [
        f"{SIGNS}; holds the key, and little of it arrives",
        f"{SIGNS}; holds the key, but the chain stands still, or this site is cut off from it",
        SIGNS,
    ]


def test_systemd_is_told_of_a_new_role_without_what_was_wrong_with_the_old_one(
    status: tuple[Step, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    step, told = status
    step(tally(Grade.DEAF))
    step(tally(Grade.DEAF), reason="term 20: signing, but neard has no peers")
    assert told == [SIGNS, NOTHING, f"{SIGNS}, but neard has no peers; {NOTHING.partition('; ')[2]}"]
    monkeypatch.setattr(foreign, "production", lambda *_: 1 / 0)
    step(None, role=Role.STANDBY, reason="ready")
    assert told[-1] == "STATUS=standby: ready", "whatever is wrong with what is told of the chain"


def test_what_systemd_is_told_is_one_line_and_not_long(status: tuple[Step, list[str]]) -> None:
    step, told = status
    silent = tally(Grade.UNKNOWN, unknown_since=0.0, why="x\n" * 999)
    step(silent, reason="term 20: signing, but " + "y\n" * 9999)
    assert told[-1].endswith("; signs; whether it produces is not known")
    assert all("\n" not in one and len(one) < 700 for one in told)
