"""The age of a block by the chain's own timestamps, however wrong a wall clock is."""

import math

import pytest

from hafailover.near import headclock
from hafailover.near.headclock import ENOUGH, SAMPLES, STEADY_S, Head, HeadClock


class Chain:
    """A block each second, timestamps ahead of this machine's CLOCK_BOOTTIME by ``ahead_s``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ahead_s: float = 1e9) -> None:
        self.now = 5000.0
        self.ahead_s = ahead_s
        monkeypatch.setattr(headclock, "boottime", lambda: self.now)
        self.clock = HeadClock()

    def look(self, height: int, made_at: float, syncing: bool = False) -> float:
        return self.head(height, made_at, syncing).age_s

    def head(self, height: int, made_at: float, syncing: bool = False) -> Head:
        return self.clock.look(height, made_at + self.ahead_s, syncing)

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


def test_a_block_that_is_stamped_ahead_grows_old_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch)
    chain.live(30)
    chain.now += 1.0
    height, made_at = int(chain.now), chain.now + 20.0
    assert chain.head(height, made_at).age_s == 0
    seen = []
    for _ in range(15):
        chain.now += 1.0
        seen.append(chain.head(height, made_at))
    assert [head.age_s for head in seen] == pytest.approx(list(range(1, 16)))
    assert not any(head.live for head in seen[1:])


def test_blocks_of_a_neard_that_syncs_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch)
    chain.live(ENOUGH + 1)
    for block in range(1000):
        chain.look(10_000 + block, chain.now - 3600, syncing=True)
    assert chain.look(20_000, chain.now - 3600) == pytest.approx(3600, abs=1)


def test_until_enough_is_seen_no_wall_clock_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = Chain(monkeypatch)
    chain.live(ENOUGH)
    head = chain.head(int(chain.now), chain.now - 0.2)
    assert (head.age_s, head.live, head.lacking) == (math.inf, False, 1)
    chain.live(1)
    assert chain.head(int(chain.now), chain.now - 0.2).lacking == 0
    assert chain.look(int(chain.now), chain.now - 0.2) == pytest.approx(0, abs=0.01)


# --- whether anything may be missing


def next_block(chain: Chain, delay_s: float = 0.2) -> Head:
    chain.now += 1.0
    return chain.head(int(chain.now), chain.now - delay_s)


def test_it_is_live_once_blocks_have_come_in_time_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch)
    # Nothing is known until enough is seen.
    chain.live(ENOUGH + 1)
    seen = [next_block(chain).live for _ in range(20)]
    assert seen.index(True) in (int(STEADY_S) - 1, int(STEADY_S))
    assert all(seen[seen.index(True) :])


def test_a_turn_that_nobody_takes_ends_it_for_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(monkeypatch)
    chain.live(30)
    last, made_at = int(chain.now), chain.now - 0.2
    chain.now += 1.2
    assert chain.head(last, made_at).live
    chain.now += 0.6
    waiting = chain.head(last, made_at)
    assert (waiting.steady, waiting.live) == (True, False)
    assert next_block(chain).live


@pytest.mark.parametrize("trouble", ["a block that came late", "no look for long", "a sync"])
def test_after_trouble_it_is_not_live_for_a_while(monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    chain = Chain(monkeypatch)
    chain.live(30)
    match trouble:
        case "a block that came late":
            assert not next_block(chain, delay_s=3.0).live
        case "no look for long":
            chain.now += 3.0
        case _:
            chain.look(int(chain.now), chain.now - 0.2, syncing=True)
    seen = [next_block(chain).live for _ in range(15)]
    assert seen[:9] == [False] * 9
    assert seen[-1]


@pytest.mark.parametrize("wrong_s", [0.0, 5.0, -40.0])
def test_a_wall_clock_is_held_against_the_chain(monkeypatch: pytest.MonkeyPatch, wrong_s: float) -> None:
    chain = Chain(monkeypatch, ahead_s=1e9)
    monkeypatch.setattr("hafailover.near.headclock.time.time", lambda: chain.now + 1e9 + wrong_s)
    chain.live(ENOUGH - 1)
    assert chain.clock.wall_ahead_s() is None
    chain.live(2)
    # A block's way to this host counts as if the clock were ahead.
    assert chain.clock.wall_ahead_s() == pytest.approx(wrong_s + 0.2, abs=0.01)
