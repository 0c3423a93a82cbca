"""The successor's wait: when may the new holder of the lock arm, and what must it publish meanwhile."""

import pytest

from hafailover.core.beat import Beat, Phase
from hafailover.core.sightings import KEPT, Sightings, Wait, first_seen, forget, note, successor_wait
from hafailover.timing import LONGEST_GONE_WITHIN_S, PROFILES, Profile

from .bench import beat, stored

DEFAULT = PROFILES["default"]
WIDE = PROFILES["wide"]
NOW = 500.0
NONE: frozenset[int] = frozenset()
LONGEST = LONGEST_GONE_WITHIN_S * 1.01 + DEFAULT.margin_s


def saw(*sights: tuple[Beat, int, float]) -> Sightings:
    sightings = Sightings()
    for one, index, at in sights:
        sightings = note(sightings, stored(one, index), at)
    return sightings


def wait(
    sightings: Sightings,
    predecessor: Beat | None,
    dropped: frozenset[int] = NONE,
    index: int = 1000,
    profile: Profile = DEFAULT,
) -> Wait:
    before = stored(predecessor, index) if predecessor is not None else None
    return successor_wait(sightings, before, dropped, NOW, profile)


def test_the_wait_runs_from_when_that_very_beat_was_first_seen() -> None:
    last = beat(10, 5)
    got = wait(saw((beat(10, 4), 900, NOW - 6), (last, 1000, NOW - 5), (last, 1000, NOW - 1)), last)
    assert got.not_before == pytest.approx(NOW - 5 + 8.5 * 1.01 + 0.5)
    assert got.reason == "the key of b (term 10) is gone 8.5 s after its last beat"
    assert got.gone_within_s == 8.5
    assert got.suspicious_after == pytest.approx(got.not_before - 0.25)


def test_a_beat_never_seen_before_counts_from_now() -> None:
    got = wait(saw((beat(10, 4), 900, NOW - 6)), beat(10, 5))
    assert got.not_before == pytest.approx(NOW + 9.085)


def test_the_predecessors_own_promise_counts_not_ours() -> None:
    last = beat(10, 5, gone_within_s=15.0)
    got = wait(saw((last, 1000, NOW - 5)), last)
    assert got.not_before == pytest.approx(NOW - 5 + 15.15 + 0.5)
    assert got.gone_within_s == 15.0, "while it waits it promises no less than it waits for"


def test_a_shorter_promise_of_the_predecessor_does_not_shorten_our_own() -> None:
    last = beat(10, 5, gone_within_s=6.0)
    got = wait(saw((last, 1000, NOW)), last, profile=WIDE)
    assert got.not_before == pytest.approx(NOW + 6.06 + 1.0)
    assert got.gone_within_s == WIDE.gone_within_s


def test_no_heartbeat_means_the_longest_wait_of_any_profile_from_now() -> None:
    got = wait(saw((beat(10, 5), 1000, NOW - 60)), None)
    assert got.not_before == pytest.approx(NOW + LONGEST)
    assert got.gone_within_s == LONGEST_GONE_WITHIN_S
    assert got.reason == "no readable heartbeat of a predecessor"


def test_released_may_be_followed_at_once() -> None:
    got = wait(Sightings(), beat(10, 6, phase=Phase.RELEASED))
    assert (got.not_before, got.reason) == (NOW, "term 10 was released by b")
    assert got.suspicious_after == NOW + DEFAULT.margin_s


def test_a_recorded_drop_may_be_followed_at_once() -> None:
    got = wait(Sightings(), beat(10, 6), frozenset({4, 10}))
    assert (got.not_before, got.reason) == (NOW, "b confirmed that its key of term 10 is gone")


def test_the_drop_of_another_term_says_nothing() -> None:
    assert wait(Sightings(), beat(10, 6), frozenset({9, 11})).not_before == pytest.approx(NOW + 9.085)


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.ACTIVE])
def test_a_holder_that_waited_may_have_armed_since(phase: Phase) -> None:
    inner = beat(9, 3, "c", gone_within_s=15.0)
    last = beat(10, 5, phase=phase, gone_within_s=15.0, inherits=inner)
    got = wait(saw((inner, 800, NOW - 90), (last, 1000, NOW - 2)), last)
    assert got.not_before == pytest.approx(NOW - 2 + 15.65)


def test_a_waiting_holders_predecessor_is_not_shortened_by_a_record_of_its_drop() -> None:
    last = beat(10, 5, phase=Phase.WAITING, inherits=beat(9, 3, "c"))
    assert wait(Sightings(), last, frozenset({9})).not_before == pytest.approx(NOW + 9.085)


class TestPassedOn:
    """A holder gave up before it armed: what counts is the beat that it passes on."""

    def test_the_wait_goes_on_where_it_began(self) -> None:
        inner = beat(9, 3, "c")
        got = wait(saw((inner, 800, NOW - 7)), beat(10, 5, phase=Phase.PASSED, inherits=inner))
        assert got.not_before == pytest.approx(NOW - 7 + 9.085)
        assert "the key of c (term 9)" in got.reason

    def test_one_not_seen_counts_from_now(self) -> None:
        passed = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c"))
        assert wait(Sightings(), passed).not_before == pytest.approx(NOW + 9.085)

    def test_one_that_was_overtaken_is_as_good_as_unknown(self) -> None:
        """The later beat, which was seen, may have promised more."""
        inner = beat(9, 3, "c")
        seen = saw((inner, 800, NOW - 7), (beat(9, 4, "c"), 801, NOW - 6))
        got = wait(seen, beat(10, 5, phase=Phase.PASSED, inherits=inner))
        assert got.not_before == pytest.approx(NOW + 15.65)
        assert not got.known

    def test_released_and_dropped_still_count(self) -> None:
        released = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c", Phase.RELEASED))
        assert wait(Sightings(), released).not_before == NOW
        passed = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c"))
        assert wait(Sightings(), passed, frozenset({9})).not_before == NOW

    def test_the_drop_of_the_one_who_passed_it_on_says_nothing(self) -> None:
        passed = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c"))
        assert wait(Sightings(), passed, frozenset({10})).not_before == pytest.approx(NOW + 9.085)

    def test_an_unknown_wait_is_the_longest(self) -> None:
        got = wait(Sightings(), beat(10, 5, phase=Phase.PASSED))
        assert got.not_before == pytest.approx(NOW + LONGEST)
        assert got.reason == "b passed on an unknown wait"

    def test_a_chain_that_was_not_flattened_is_unknown(self) -> None:
        inner = beat(9, 3, "c", Phase.PASSED)
        got = wait(Sightings(), beat(10, 5, phase=Phase.PASSED, inherits=inner), frozenset({8}))
        assert got.not_before == pytest.approx(NOW + LONGEST)

    def test_of_two_writes_with_one_sequence_the_later_sight_counts(self) -> None:
        inner = beat(9, 3, "c")
        seen = saw((inner, 800, NOW - 7), (inner, 805, NOW - 4))
        got = wait(seen, beat(10, 5, phase=Phase.PASSED, inherits=inner))
        assert got.not_before == pytest.approx(NOW - 4 + 9.085)


class TestLateBeats:
    """Consul kept beats while it had no leader, and carried them out in another order than they were sent."""

    def test_one_that_was_carried_out_last_counts_from_its_own_sight(self) -> None:
        seen = saw((beat(10, 5), 1000, NOW - 9), (beat(10, 7), 1001, NOW - 5), (beat(10, 6), 1002, NOW - 4))
        got = wait(seen, beat(10, 6), index=1002)
        assert got.not_before == pytest.approx(NOW - 4 + 9.085)
        assert got.known

    def test_one_that_was_not_seen_counts_from_now(self) -> None:
        seen = saw((beat(10, 5), 1000, NOW - 9), (beat(10, 7), 1001, NOW - 5))
        assert wait(seen, beat(10, 6), index=1002).not_before == pytest.approx(NOW + 9.085)

    def test_the_longest_promise_of_the_term_counts(self) -> None:
        seen = saw((beat(10, 1007, gone_within_s=15.0), 1001, NOW - 5), (beat(10, 6), 1002, NOW - 4))
        got = wait(seen, beat(10, 6), index=1002)
        assert got.not_before == pytest.approx(NOW - 4 + 15.65)
        assert got.gone_within_s == 15.0, "and is handed on"

    def test_the_promise_of_another_term_is_nothing_to_it(self) -> None:
        seen = saw(
            (beat(9, 3, gone_within_s=15.0), 990, NOW - 8),
            (beat(10, 7), 1001, NOW - 5),
            (beat(10, 6), 1002, NOW - 4),
        )
        assert wait(seen, beat(10, 6), index=1002).not_before == pytest.approx(NOW - 4 + 9.085)

    def test_one_that_stands_there_again_is_as_good_as_unknown(self) -> None:
        seen = saw((beat(10, 6), 1000, NOW - 4), (beat(10, 7), 1001, NOW - 3))
        got = wait(seen, beat(10, 6), index=1000)
        assert got.not_before == pytest.approx(NOW + LONGEST)
        assert got.reason == "the heartbeat of b (term 10) went backwards"


class TestRestoredBackup:
    """Consul's state went back in time: nothing that stands there says what was written since."""

    @pytest.mark.parametrize(
        "old",
        [
            beat(10, 6, phase=Phase.RELEASED),
            beat(10, 6),
            beat(10, 6, phase=Phase.PASSED, inherits=beat(9, 1, "c", Phase.RELEASED)),
            beat(10, 6, phase=Phase.WAITING),
        ],
    )
    def test_a_lower_term_than_ever_seen_is_the_longest_wait(self, old: Beat) -> None:
        seen = saw((old, 1000, NOW - 300), (beat(20, 1, "c"), 2000, NOW - 100))
        got = wait(seen, old, frozenset({9, 10}))
        assert got.not_before == pytest.approx(NOW + LONGEST)
        assert got.reason == "the heartbeat is of term 10, but term 20 was seen before"

    def test_a_gap_in_the_watch_keeps_the_highest_term(self) -> None:
        seen = forget(saw((beat(20, 1, "c"), 2000, NOW - 100)))
        assert wait(seen, beat(10, 6, phase=Phase.RELEASED)).not_before == pytest.approx(NOW + LONGEST)

    def test_an_earlier_beat_of_the_same_term_is_as_good_as_unknown(self) -> None:
        seen = saw((beat(10, 5), 1000, NOW - 60), (beat(10, 60), 1060, NOW - 3), (beat(10, 5), 1000, NOW - 1))
        assert wait(seen, beat(10, 5), index=1000).not_before == pytest.approx(NOW + 15.65)

    def test_the_same_beat_written_again_counts_from_its_own_sight(self) -> None:
        seen = saw((beat(10, 5), 1000, NOW - 60), (beat(10, 5), 1070, NOW - 2))
        assert wait(seen, beat(10, 5), index=1070).not_before == pytest.approx(NOW - 2 + 9.085)

    def test_the_same_beat_at_an_index_never_seen_counts_from_now(self) -> None:
        seen = saw((beat(10, 5), 1000, NOW - 60))
        assert wait(seen, beat(10, 5), index=1070).not_before == pytest.approx(NOW + 9.085)


def test_after_a_gap_in_the_watch_what_was_seen_before_is_not_relied_on() -> None:
    last = beat(10, 5)
    seen = forget(saw((last, 1000, NOW - 60)))
    assert first_seen(seen, 10, 5, 1000) is None
    assert first_seen(note(seen, stored(last, 1000), NOW - 1), 10, 5, 1000) == NOW - 1


def test_a_sight_in_the_future_shortens_nothing() -> None:
    last = beat(10, 5)
    assert wait(saw((last, 1000, NOW + 50)), last).not_before == pytest.approx(NOW + 9.085)


def test_only_the_latest_beats_are_kept_and_an_old_one_is_not_taken_for_the_last() -> None:
    seen = saw(*((beat(10, number), 1000 + number, float(number)) for number in range(KEPT + 5)))
    assert len(seen.seen) == KEPT
    assert first_seen(seen, 10, 2, None) is None
    assert first_seen(seen, 10, KEPT + 4, None) == KEPT + 4
    assert seen.tops == {10: KEPT + 4}


def test_terms_that_fell_out_of_memory_are_forgotten_but_not_the_highest() -> None:
    seen = saw((beat(50, 1), 999, 1.0), *((beat(40, n), 1000 + n, 2.0) for n in range(KEPT)))
    assert set(seen.tops) == {40}
    assert seen.highest_term == 50
