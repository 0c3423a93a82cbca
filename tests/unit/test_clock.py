"""The clock, and who wakes up together."""

import pytest

from hafailover import clock


@pytest.mark.parametrize(
    ("now", "every_s", "expected"), [(10.25, 1.0, 0.75), (10.0, 1.0, 1.0), (11.0, 2.0, 1.0), (4.0, 1.5, 0.5)]
)
def test_the_next_whole_multiple(
    monkeypatch: pytest.MonkeyPatch, now: float, every_s: float, expected: float
) -> None:
    monkeypatch.setattr(clock, "boottime", lambda: now)
    assert clock.until_next(every_s) == pytest.approx(expected)
