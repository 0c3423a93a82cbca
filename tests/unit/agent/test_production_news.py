"""What the log is told of the duties of a host that signs: each turn once."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from hafailover.agent.production_news import ProductionNews
from hafailover.core.production import Grade, Share, Tally
from hafailover.core.work import Work

TALLY = Tally(began=100.0, work=Work(160.0, 1, True), grade=Grade.GOOD, head_made_at=160.0)


def graded(grade: Grade) -> Tally:
    tally = replace(TALLY, grade=grade)
    due = replace(tally.endorsements, whole=Share(0, 8), steps=(Share(0, 8),))
    return replace(tally, endorsements=due) if grade is Grade.DEAF else tally


def untold(since: float) -> Tally:
    return replace(TALLY, grade=Grade.UNKNOWN, unknown_since=since, why="no answer within 5 s")


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (Grade.DEAF, "a holds the key, and nothing of it arrives: 0 of 8 endorsements"),
        (
            Grade.STILL,
            "a holds the key, but the chain stands still, or this site is cut off from it: last b",
        ),
    ],
)
def test_the_log_has_each_turn_once(bad: Grade, told: str) -> None:
    news = ProductionNews("a", "direct")
    assert news.step(graded(Grade.GOOD), 160.0) == (True, [])
    assert news.step(graded(Grade.GOOD), 161.0) == (False, [])
    changed, (line,) = news.step(graded(bad), 200.0)
    assert changed
    assert line.level == logging.CRITICAL
    assert line.text.startswith(told)
    assert "docs/runbook.md" in line.text
    assert ("TIER1" in line.text) is (bad is Grade.DEAF)
    assert news.step(graded(bad), 201.0) == (False, [])
    assert news.step(untold(201.0), 202.0) == (True, []), "what is not known is no cure"
    assert news.step(graded(Grade.DOUBT), 203.0) == (True, [])
    _, (line,) = news.step(graded(Grade.GOOD), 204.0)
    assert (line.level, line.text.startswith("a signs, and produces")) == (logging.INFO, True)


def test_that_neard_does_not_tell_is_a_warning_once_and_after_a_while() -> None:
    news = ProductionNews("a")
    silent = untold(160.0)
    assert news.step(graded(Grade.GOOD), 160.0) == (True, [])
    assert news.step(silent, 171.0) == (True, [])
    assert news.step(silent, 189.0) == (False, [])
    changed, (line,) = news.step(silent, 190.0)
    assert changed
    assert line.level == logging.WARNING
    assert line.text.startswith(
        "a signs; whether it produces is not known: neard has not told for 30 s (no answer within 5 s); look"
    )
    assert news.step(silent, 191.0) == (False, [])
    _, (line,) = news.step(graded(Grade.GOOD), 192.0)
    assert (line.level, line.text.startswith("a signs, and produces")) == (logging.INFO, True)
    assert news.step(graded(Grade.GOOD), 193.0) == (False, [])
    news.step(untold(100.0), 194.0)
    assert news.step(None, 195.0) == (True, []), "it does not sign any more"
    assert news.step(graded(Grade.GOOD), 196.0) == (True, [])


@pytest.mark.parametrize("bad", [Grade.DEAF, Grade.STILL])
@pytest.mark.parametrize("gap", [True, False])
def test_a_second_term_that_is_bad_is_told_like_the_first(bad: Grade, gap: bool) -> None:
    """What was told of the term before says nothing of this one.

    :param gap: a step is seen in which this host does not sign.
    """
    news = ProductionNews("a")
    _, (line,) = news.step(graded(bad), 170.0)
    assert line.level == logging.CRITICAL
    if gap:
        assert news.step(None, 200.0) == (True, [])
    changed, (line,) = news.step(replace(graded(bad), began=5000.0), 5020.0)
    assert changed
    assert line.level == logging.CRITICAL
    assert news.step(replace(graded(bad), began=5000.0), 5021.0) == (False, [])
    _, (line,) = news.step(replace(graded(Grade.GOOD), began=5000.0), 5030.0)
    assert line.level == logging.INFO


def test_a_new_term_that_is_in_order_is_no_news() -> None:
    news = ProductionNews("a")
    news.step(graded(Grade.DEAF), 170.0)
    assert news.step(replace(graded(Grade.GOOD), began=5000.0), 5020.0) == (True, [])


@pytest.mark.parametrize("bad", [Grade.DEAF, Grade.STILL])
@pytest.mark.parametrize("before", [Grade.DEAF, Grade.GOOD])
def test_what_is_bad_is_critical_after_neard_has_not_told(bad: Grade, before: Grade) -> None:
    news = ProductionNews("a")
    news.step(graded(before), 160.0)
    _, (line,) = news.step(untold(160.0), 200.0)
    assert line.level == logging.WARNING
    _, (line,) = news.step(graded(bad), 210.0)
    assert line.level == logging.CRITICAL
    assert news.step(graded(bad), 211.0) == (False, [])
    _, (line,) = news.step(graded(Grade.GOOD), 220.0)
    assert line.level == logging.INFO


def test_a_silence_that_is_not_told_keeps_what_was_told_before() -> None:
    """Until it is, the grade stays bad: told once, and not again when neard answers."""
    news = ProductionNews("a")
    news.step(graded(Grade.DEAF), 160.0)
    assert news.step(replace(graded(Grade.DEAF), unknown_since=165.0), 180.0) == (False, [])
    assert news.step(graded(Grade.DEAF), 181.0) == (False, [])
    assert news.step(replace(untold(165.0), grade=Grade.UNKNOWN), 194.0) == (True, [])
    assert news.step(graded(Grade.DEAF), 194.5) == (True, [])
