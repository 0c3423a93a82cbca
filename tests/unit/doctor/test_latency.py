"""Consul's answers against the profile's deadline, which is 1 s in profile default."""

from __future__ import annotations

from hafailover.doctor.checks.latency import judge
from hafailover.doctor.facts.latency import Latency
from hafailover.doctor.finding import Severity
from hafailover.timing import PROFILES

from .said import bad, one

DEFAULT = PROFILES["default"]
QUICK = (0.003, 0.004, 0.02)


def test_quick_answers() -> None:
    found = judge(Latency(QUICK, QUICK), DEFAULT)
    assert bad(found) == {}
    assert "median 4 ms, worst 20 ms; a call may take 1 s" in one(found, "latency.reads").text


def test_a_slow_median_and_a_single_slow_answer() -> None:
    assert bad(judge(Latency((0.11,) * 3, QUICK), DEFAULT)) == {"latency.reads": Severity.WARNING}
    assert bad(judge(Latency(QUICK, (0.004, 0.004, 0.6)), DEFAULT)) == {"latency.writes": Severity.WARNING}


def test_more_time_in_profile_wide() -> None:
    assert bad(judge(Latency((0.15,) * 3, (0.15,) * 3), PROFILES["wide"])) == {}


def test_answers_that_failed() -> None:
    found = judge(Latency(QUICK, QUICK, ("reading the lock: no answer from Consul in time",)), DEFAULT)
    assert bad(found) == {"latency.failed": Severity.ERROR}
    assert "1 calls failed" in one(found, "latency.failed").text


def test_a_token_that_may_not_write() -> None:
    found = judge(Latency(QUICK, (), may_write=False), DEFAULT)
    assert one(found, "latency.writes").severity is Severity.SKIPPED
