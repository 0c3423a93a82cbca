"""A host that has not watched the heartbeat for long does not trust what it reads there."""

from __future__ import annotations

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.views import LockView, Request

from .bench import Core, beat, of, stored

LONGEST_WAIT_S = 15.0 * 1.01 + 0.5
RELEASED = stored(beat(10, 6, phase=Phase.RELEASED), 1001)
HANDED = stored(beat(10, 6, phase=Phase.RELEASED, handover_to="a"), 1001)


def waits_until(core: Core) -> float:
    return core.hold.wait.not_before


def test_it_counts_from_when_the_watch_began() -> None:
    core = Core(watched_s=None).stand_by()
    core.feed(ev.BeatSeen(stored(beat(10, 5), 1000)))
    began = core.now
    core.wait(3.0)
    core.wait_on(RELEASED)
    assert waits_until(core) == pytest.approx(began + LONGEST_WAIT_S)
    assert "not watched for long enough" in core.hold.wait.reason
    # Nor does it tell others that there was nothing but this predecessor.
    assert core.hold.predecessor is None
    assert core.hold.gone_within_s == 15.0


def test_an_absent_heartbeat_is_watched_too() -> None:
    core = Core(watched_s=None).stand_by()
    core.feed(ev.BeatSeen(None))
    core.wait(LONGEST_WAIT_S + 0.1)
    core.wait_on(RELEASED)
    assert waits_until(core) == pytest.approx(core.now, abs=0.02)


def test_after_long_enough_it_trusts_a_release() -> None:
    core = Core(watched_s=LONGEST_WAIT_S).stand_by()
    core.wait_on(RELEASED)
    assert waits_until(core) == pytest.approx(core.now, abs=0.02)


def test_a_longer_wait_stays_as_it_is() -> None:
    core = Core(watched_s=10.0).stand_by()
    last = stored(beat(10, 5), 1000)
    core.feed(ev.BeatSeen(last))
    seen = core.now
    core.wait_on(last)
    assert waits_until(core) == pytest.approx(seen + 9.085)
    assert core.hold.predecessor == last


def test_a_heartbeat_that_was_written_earlier_than_the_last_one_begins_it_anew() -> None:
    """Consul was restored from a backup."""
    core = Core().stand_by()
    core.feed(ev.BeatSeen(stored(beat(10, 5), 1000)))
    core.wait(1.0)
    core.feed(ev.BeatSeen(stored(beat(10, 3), 990)))
    restored = core.now
    core.wait_on(stored(beat(10, 3), 990))
    assert waits_until(core) == pytest.approx(restored + LONGEST_WAIT_S, abs=0.02)


def test_it_leaves_a_free_lock_to_others_for_a_second() -> None:
    core = Core(watched_s=5.0).stand_by()
    core.feed(ev.LockSeen(LockView(None, None, 1001)))
    assert of(ef.Acquire, core.wait(0.9)) == []
    assert len(of(ef.Acquire, core.wait(0.2))) == 1


def target(request_term: int = 10, saw: int | None = 5) -> Core:
    """A host with a short memory to which the key is handed over."""
    core = Core(watched_s=None).stand_by()
    core.feed(ev.RequestSeen(Request("r1", "a", request_term)))
    if saw is not None:
        core.feed(ev.BeatSeen(stored(beat(10, saw), 1000)))
    core.wait(0.5)
    return core


def test_the_target_of_a_handover_that_it_watched_arms_at_once() -> None:
    core = target()
    core.wait_on(HANDED)
    assert waits_until(core) == pytest.approx(core.now, abs=0.02)


@pytest.mark.parametrize(
    ("core", "last"),
    [
        (target(request_term=9), HANDED),
        (target(saw=None), HANDED),
        (target(saw=6), HANDED),
        (target(), RELEASED),
    ],
    ids=["a wish for another term", "a term never seen live", "only the release itself", "not handed to it"],
)
def test_but_only_that_one(core: Core, last: object) -> None:
    assert last in (HANDED, RELEASED)
    core.wait_on(HANDED if last is HANDED else RELEASED)
    assert waits_until(core) > core.now + 13.0
