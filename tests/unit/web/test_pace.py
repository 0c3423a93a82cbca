"""Requests get their share of the processor, and no more."""

from __future__ import annotations

from hafailover.web.pace import BURST_S, LONGEST_S, SHARE, Pace


class Paced:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0
        self.pace = Pace(lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def test_a_burst_after_a_rest_costs_nothing() -> None:
    paced = Paced()
    for _ in range(10):
        paced.pace.spent(BURST_S / 10)
    assert paced.slept == 0


def test_over_time_the_share_is_kept() -> None:
    paced = Paced()
    worked = 0.0
    while paced.now < 200.0:
        paced.now += 0.01
        paced.pace.spent(0.01)
        worked += 0.01
    assert worked <= 100.0 * SHARE + BURST_S + 0.01
    assert worked >= 100.0 * SHARE - 0.01


def test_a_rest_saves_up_no_more_than_a_burst() -> None:
    paced = Paced()
    paced.now += 3600.0
    paced.pace.spent(BURST_S + 0.03)
    assert abs(paced.slept - 0.03 / SHARE) < 1e-9


def test_nobody_sleeps_for_long() -> None:
    paced = Paced()
    paced.pace.spent(1000.0)
    assert paced.slept == LONGEST_S
