"""The clocks: this kernel's own answer, and every answer that is not good."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import pytest

from hafailover.doctor.checks.clock import judge
from hafailover.doctor.facts import clock
from hafailover.doctor.facts.clock import ClockFacts, look_at_clock
from hafailover.doctor.finding import Finding, Severity
from hafailover.timing import PROFILES

from .said import bad, one

GOOD = ClockFacts(synchronised=True, max_error_s=0.02, estimated_error_s=0.0001, rate=-0.00002)


def judged(facts: ClockFacts = GOOD, age_s: float | None = 0.7, syncing: bool = False) -> list[Finding]:
    return judge(facts, PROFILES["default"], age_s, syncing)


def test_a_clock_that_is_well() -> None:
    assert bad(judged()) == {}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (replace(GOOD, synchronised=False), {"clock.sync": Severity.WARNING}),
        (replace(GOOD, max_error_s=1.5), {"clock.sync": Severity.WARNING}),
        (replace(GOOD, rate=0.083), {"clock.rate": Severity.ERROR}),
        (replace(GOOD, rate=-0.0051), {"clock.rate": Severity.ERROR}),
        (replace(GOOD, rate=0.0049), {}),
    ],
)
def test_a_clock_that_is_not(facts: ClockFacts, expected: dict[str, Severity]) -> None:
    assert bad(judged(facts)) == expected


@pytest.mark.parametrize(
    ("age_s", "severity"),
    [
        (-2.5, Severity.WARNING),
        (61.0, Severity.WARNING),
        (-1801.0, Severity.ERROR),
        (1801.0, Severity.ERROR),
        (-1.0, Severity.OK),
        (None, Severity.SKIPPED),
    ],
)
def test_the_wall_clock_against_the_chains(age_s: float | None, severity: Severity) -> None:
    assert one(judged(age_s=age_s), "clock.chain").severity is severity


def test_an_old_head_of_a_neard_that_syncs_says_nothing() -> None:
    assert one(judged(age_s=5000.0, syncing=True), "clock.chain").severity is Severity.SKIPPED


def test_a_kernel_that_does_not_tell() -> None:
    found = judged(ClockFacts(error="the kernel does not tell: Operation not permitted"))
    assert bad(found) == {}
    assert one(found, "clock.sync").severity is Severity.SKIPPED


def test_this_kernels_own_answer() -> None:
    """struct timex has 208 bytes on every 64-bit Linux (its padding is part of the interface)."""
    if ctypes.sizeof(ctypes.c_long) == 8:
        assert ctypes.sizeof(clock._Timex) == 208
    facts = look_at_clock()
    assert facts.error == ""
    assert 0 <= facts.max_error_s < 1e6
    assert abs(facts.rate) <= 0.11, "the kernel allows no more than a tenth"
