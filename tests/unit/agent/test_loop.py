"""What the agent says of its steps holds up nothing."""

from __future__ import annotations

import logging
from typing import NoReturn

import pytest

from hafailover.agent.loop import Agent
from hafailover.core import events as ev
from hafailover.core import foreign

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
