"""The age of a block by the chain's own timestamps, however wrong a wall clock is."""

import time

import pytest

from hafailover.near import headclock
from hafailover.near.headclock import ENOUGH, SAMPLES, HeadClock


class Chain:
    """A block each second, timestamps ahead of this machine's CLOCK_BOOTTIME by ``ahead_s``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ahead_s: float = 1e9) -> None:
        self.now = 5000.0
        self.ahead_s = ahead_s
        self.clock = HeadClock()
        monkeypatch.setattr(headclock, "boottime", lambda: self.now)

    def look(self, height: int, made_at: float, syncing: bool = False) -> float:
        return self.clock.age_s(height, made_at + self.ahead_s, syncing)

    def live(self, blocks: int, delay_s: float = 0.2) -> None:
        """Blocks that are seen shortly after they were made."""
        for _ in range(blocks):
            self.now += 1.0
            self.look(int(self.now), self.now - delay_s)


def test_a_head_that_stands_still_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch)
    chain.live(30)
    made_at, height = chain.now - 0.2, int(chain.now)
    chain.now += 10
    assert chain.look(height, made_at) == pytest.approx(10, abs=0.01)


def test_old_blocks_that_come_in_late_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch)
    chain.live(SAMPLES)
    last = int(chain.now)
    chain.now += 10
    ages = [chain.look(last + block, last + block - 0.2) for block in range(1, 10)]
    assert ages == pytest.approx([9, 8, 7, 6, 5, 4, 3, 2, 1], abs=0.01)


def test_a_producer_whose_clock_is_ahead_makes_no_block_look_old(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch)
    for _ in range(SAMPLES // 5):
        chain.live(4)
        chain.live(1, delay_s=-8.0)
    assert chain.look(int(chain.now) + 1, chain.now - 0.2) == pytest.approx(0, abs=0.01)


def test_blocks_of_a_neard_that_syncs_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch)
    chain.live(ENOUGH + 1)
    for block in range(1000):
        chain.look(10_000 + block, chain.now - 3600, syncing=True)
    assert chain.look(20_000, chain.now - 3600) == pytest.approx(3600, abs=1)


def test_until_enough_is_seen_the_wall_clock_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch, ahead_s=0.0)
    assert chain.look(1, time.time() - 7) == pytest.approx(7, abs=1)
