"""The successor's wait: when may the new holder of the lock arm, and what must it publish meanwhile."""

from dataclasses import replace

import pytest

from hafailover.core.beat import Beat, Phase
from hafailover.core.sightings import (
    KEPT,
    MOST_PROMISES,
    Sightings,
    Wait,
    believed,
    first_seen,
    forget,
    note,
    successor_wait,
    without,
)
from hafailover.core.words import Vouches
from hafailover.timing import LONGEST_GONE_WITHIN_S, PROFILES, Profile

from .bench import beat, lived, stored

DEFAULT = PROFILES["default"]
WIDE = PROFILES["wide"]
NOW = 500.0
NONE = Vouches()
LONGEST = LONGEST_GONE_WITHIN_S * 1.01 + DEFAULT.margin_s


def saw(*sights: tuple[Beat, int, float]) -> Sightings:
    sightings = Sightings()
    for one, index, at in sights:
        sightings = note(sightings, stored(one, index), at)
    return sightings


def wait(
    sightings: Sightings,
    predecessor: Beat | None,
    vouches: Vouches = NONE,
    index: int = 1000,
    profile: Profile = DEFAULT,
) -> Wait:
    before = stored(predecessor, index) if predecessor is not None else None
    if predecessor is not None:
        sightings = lived(sightings, predecessor, NOW)
    return successor_wait(sightings, before, vouches, NOW, profile)


def test_a_host_is_waited_for_as_long_as_it_has_promised_in_an_earlier_term() -> None:
    """Somebody may write over each beat of its present term with a short promise in its name."""
    before, forged = beat(10, 5, gone_within_s=15.0), beat(12, 5, gone_within_s=0.5)
    other = beat(11, 5, "c", gone_within_s=14.0)
    sightings = saw((before, 900, NOW - 60), (other, 950, NOW - 30), (forged, 1000, NOW - 5))
    got = wait(sightings, forged, Vouches(upto=11))
    assert got.not_before == pytest.approx(NOW - 5 + 15.0 * 1.01 + 0.5)
    assert got.gone_within_s == 15.0


def test_what_it_has_promised_while_it_waited_was_for_others() -> None:
    waiting, last = beat(10, 5, gone_within_s=15.0, phase=Phase.WAITING), beat(12, 5)
    got = wait(saw((waiting, 900, NOW - 60), (last, 1000, NOW - 5)), last, Vouches(upto=11))
    assert got.not_before == pytest.approx(NOW - 5 + 8.5 * 1.01 + 0.5)


def own(term: int, node: str = "b") -> Vouches:
    """A word that this node's key is gone."""
    return Vouches(nodes=((node, term),))


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


def test_a_shorter_promise_than_this_hosts_own_timing_is_not_relied_on() -> None:
    """Who writes over a holder's first beats may promise anything in its name."""
    last = beat(10, 5, gone_within_s=6.0)
    got = wait(saw((last, 1000, NOW)), last, profile=WIDE)
    assert got.not_before == pytest.approx(NOW + WIDE.successor_wait_s(WIDE.gone_within_s))
    assert got.gone_within_s == WIDE.gone_within_s


def test_no_heartbeat_means_the_longest_wait_of_any_profile_from_now() -> None:
    got = wait(saw((beat(10, 5), 1000, NOW - 60)), None)
    assert got.not_before == pytest.approx(NOW + LONGEST)
    assert got.gone_within_s == LONGEST_GONE_WITHIN_S
    assert got.reason == "no readable heartbeat of a predecessor"


def test_released_may_be_followed_at_once_if_its_guards_word_is_good() -> None:
    got = wait(Sightings(), beat(10, 6, phase=Phase.RELEASED), Vouches(upto=10))
    assert (got.not_before, got.reason) == (NOW, "term 10 was released by b")
    assert got.suspicious_after == NOW + DEFAULT.margin_s


def test_a_recorded_drop_may_be_followed_at_once() -> None:
    got = wait(Sightings(), beat(10, 6), own(10))
    assert (got.not_before, got.reason) == (NOW, "b confirmed that its key of term 10 is gone")


def test_the_drop_of_another_term_says_nothing() -> None:
    assert wait(Sightings(), beat(10, 6), own(9)).not_before == pytest.approx(NOW + 9.085)
    assert wait(Sightings(), beat(10, 6), own(11, "c")).not_before == pytest.approx(NOW + 9.085)


@pytest.mark.parametrize("phase", [Phase.RELEASED, Phase.PASSED])
def test_without_a_word_that_is_good_an_end_is_waited_out(phase: Phase) -> None:
    """Whoever may write to Consul can write that a term is over."""
    got = wait(Sightings(), beat(10, 6, phase=phase, inherits=beat(9, 3, "c")), Vouches(upto=9))
    assert got.not_before == pytest.approx(NOW + 9.085)
    assert (
        got.reason == "b's release carries a word that this host's guard has not found good: waiting it out"
    )
    got = wait(Sightings(), beat(10, 6, phase=phase, word="", inherits=beat(9, 3, "c")), Vouches(upto=9))
    assert got.reason == "b's release carries no word of its guard: waiting it out"


class TestTermsOfOthers:
    """Somebody writes over the first beat of a holder, and nobody sees whose the term is."""

    FORGED = beat(11, 9, "c", gone_within_s=0.5)

    @pytest.mark.parametrize("phase", [Phase.ACTIVE, Phase.WAITING, Phase.PASSED, Phase.RELEASED])
    def test_a_beat_of_a_term_that_was_not_seen_to_be_its_host_s_is_waited_for_longest(
        self, phase: Phase
    ) -> None:
        last = replace(self.FORGED, phase=phase)
        for seen in (Sightings(), saw((self.FORGED, 1000, NOW - 0.2))):
            got = successor_wait(seen, stored(last, 1001), NONE, NOW, DEFAULT)
            assert got.not_before == pytest.approx(NOW + LONGEST)
            assert not got.known

    def test_it_is_waited_for_from_the_last_news_of_the_heartbeat_on(self) -> None:
        """Whoever writes over a hidden holder's beats is seen to do it."""
        seen = saw((self.FORGED, 1000, NOW - 2.5), (replace(self.FORGED, sequence=10), 1001, NOW - 2))
        got = successor_wait(seen, stored(replace(self.FORGED, sequence=10), 1001), NONE, NOW, DEFAULT)
        assert got.not_before == pytest.approx(NOW - 2 + LONGEST)
        assert not got.known
        # What the watch has not shown yet is news.
        got = successor_wait(seen, stored(replace(self.FORGED, sequence=11), 1002), NONE, NOW, DEFAULT)
        assert got.not_before == pytest.approx(NOW + LONGEST)

    def test_nor_is_the_word_of_a_host_believed_that_speaks_for_itself_alone(self) -> None:
        """An agent that is compromised has its own guard give one for the active's term."""
        last = replace(self.FORGED, phase=Phase.RELEASED)
        seen = saw((self.FORGED, 1000, NOW - 1.4), (replace(self.FORGED, sequence=10), 1001, NOW))
        assert successor_wait(seen, stored(last, 1002), own(11, "c"), NOW, DEFAULT).not_before > NOW + 15
        # It is for a term that it was seen to hold, and so is this host's own in any case.
        seen = saw((self.FORGED, 1000, NOW - 1.6), (replace(self.FORGED, sequence=10), 1001, NOW))
        assert successor_wait(seen, stored(last, 1002), own(11, "c"), NOW, DEFAULT).not_before == NOW
        mine = successor_wait(Sightings(), stored(last, 1002), own(11, "c"), NOW, DEFAULT, own="c")
        assert mine.not_before == NOW

    def test_nor_for_an_earlier_term_that_was_somebody_elses(self) -> None:
        """It held a later term itself, and names itself in the beat that hid the one before."""
        hidden = beat(11, 9, "c", Phase.WAITING, gone_within_s=0.5)
        ones = [
            (beat(12, number, "c", Phase.WAITING), 1001 + number, NOW - 2 + number) for number in range(3)
        ]
        last = beat(12, 9, "c", Phase.PASSED, inherits=hidden)
        seen = saw((hidden, 1000, NOW - 2.5), *ones)
        got = successor_wait(seen, stored(last, 1009), own(12, "c"), NOW, DEFAULT, own="a")
        assert got.not_before == pytest.approx(NOW + LONGEST)
        # Whose terms they were is known to the host itself.
        assert successor_wait(seen, stored(last, 1009), own(12, "c"), NOW, DEFAULT, own="c").not_before == NOW

    def test_its_first_beats_written_over_in_its_name_hide_no_promise(self) -> None:
        """And the release before, which carries a good word, is inherited."""
        released = beat(10, 8, "b", Phase.RELEASED)
        ones = [
            (beat(11, number, "c", Phase.WAITING, gone_within_s=0.5), 1001 + number, NOW - 2 + number)
            for number in range(3)
        ]
        last = beat(11, 9, "c", Phase.PASSED, gone_within_s=0.5, inherits=released)
        seen = saw((beat(10, 7, "b"), 999, NOW - 3), (released, 1000, NOW - 2.1), *ones)
        got = successor_wait(seen, stored(last, 1009), Vouches(upto=10), NOW, DEFAULT)
        assert got.not_before >= NOW + DEFAULT.gone_within_s

    def test_a_word_for_a_later_term_counts_up_to_the_last_one_that_was_seen(self) -> None:
        before, after = beat(10, 5, "c"), beat(10, 7, "c")
        seen = saw((before, 1000, NOW - 8), (after, 1001, NOW - 6))
        words = believed(seen, own(12, "c"), "a", DEFAULT)
        assert (words.covers(10, "c"), words.covers(12, "c")) == (True, False)

    def test_a_gap_in_the_watch_ends_what_was_seen(self) -> None:
        seen = saw((self.FORGED, 1000, NOW - 9), (self.FORGED, 1001, NOW))
        assert forget(seen).lives == {}

    def test_its_own_beats_tell_a_holder_nothing(self) -> None:
        assert without(saw((self.FORGED, 1000, NOW)), 11, 10).lives == {}


class TestFloor:
    """No beat takes back what others have promised, whoever wrote it."""

    SEEN = saw((beat(10, 5, "b"), 1000, NOW - 2))
    UNTIL = NOW - 2 + 9.085

    @pytest.mark.parametrize(
        "forged",
        [
            beat(10, 6, "b", gone_within_s=0.5),
            beat(11, 1, "c", gone_within_s=0.5),
            beat(11, 1, "c", Phase.WAITING, gone_within_s=0.5),
            beat(11, 1, "c", Phase.PASSED, gone_within_s=0.5, inherits=beat(9, 9, "c", Phase.RELEASED)),
            beat(11, 1, "c", Phase.RELEASED, gone_within_s=0.5),
        ],
        ids=["a shorter promise", "a later term", "one that waits", "an old release", "a release"],
    )
    def test_a_forged_beat_makes_the_wait_no_shorter(self, forged: Beat) -> None:
        assert wait(self.SEEN, forged, index=1001).not_before >= self.UNTIL - 1e-9

    def test_nor_do_old_words_or_those_of_other_hosts(self) -> None:
        """A compromised agent can have its own guard say that its own key is gone, in any term."""
        released = beat(11, 1, "c", Phase.RELEASED, gone_within_s=0.5)
        for vouches in (Vouches(upto=9), own(11, "c"), own(10, "c"), own(9, "b")):
            got = wait(self.SEEN, released, vouches, index=1001)
            assert got.not_before >= self.UNTIL - 1e-9, vouches

    def test_a_word_of_a_later_term_ends_all_before_it(self) -> None:
        released = beat(11, 1, "c", Phase.RELEASED)
        assert wait(self.SEEN, released, Vouches(upto=11), index=1001).not_before == NOW

    def test_many_later_beats_do_not_push_a_promise_out_of_memory(self) -> None:
        seen = self.SEEN
        for number in range(3 * KEPT):
            seen = note(seen, stored(beat(11, number, "c", gone_within_s=0.5), 2000 + number), NOW - 1)
        got = wait(seen, beat(11, 3 * KEPT - 1, "c", gone_within_s=0.5), index=2000 + 3 * KEPT - 1)
        assert got.not_before == pytest.approx(NOW - 1 + 9.085)

    @pytest.mark.parametrize(
        "over",
        [
            beat(10, 6, gone_within_s=0.5),
            beat(11, 6, "c", gone_within_s=0.5),
            beat(11, 6, "c", Phase.WAITING, gone_within_s=0.5),
            beat(9, 6, "c", Phase.RELEASED, gone_within_s=0.5),
        ],
        ids=["its own term", "a later one", "one that waits", "one that is over"],
    )
    def test_who_writes_over_each_beat_hides_no_promise(self, over: Beat) -> None:
        """The active goes on beating, and the watch shows only what was written over its beats."""
        seen = saw((beat(10, 5, "b"), 1000, NOW - 300))
        for number in range(100):
            seen = note(seen, stored(replace(over, sequence=6 + number), 1001 + number), NOW - 100 + number)
        last = replace(over, term=12, node="c", phase=Phase.RELEASED)
        got = wait(seen, last, Vouches(upto=9), index=2000)
        assert got.not_before >= NOW - 1 + 9.085 - 1e-9

    def test_too_many_terms_are_too_many_to_remember(self) -> None:
        seen = Sightings()
        for term in range(MOST_PROMISES + 1):
            assert not seen.overflows
            seen = note(seen, stored(beat(10 + term, 1), 1000 + term), NOW)
        assert seen.overflows

    def test_what_is_long_past_is_forgotten(self) -> None:
        waits = beat(9, 1, "c", Phase.WAITING)
        seen = note(note(self.SEEN, stored(waits, 990), NOW), stored(beat(11, 1), 1001), NOW + 80)
        assert {one.term for one in seen.promises} == {10, 11}
        seen = note(seen, stored(beat(11, 2), 1002), NOW + 601)
        assert {one.term for one in seen.promises} == {11}

    def test_the_promise_of_a_term_that_began_with_a_long_wait_does_not_last(self) -> None:
        """A holder that waited for one it did not know promised 15 s; since it signs, it promises 8.5."""
        waited = beat(10, 1, phase=Phase.WAITING, gone_within_s=15.0)
        seen = saw((waited, 990, NOW - 300), (beat(10, 300), 1290, NOW - 5))
        assert wait(seen, beat(10, 300), index=1290).not_before == pytest.approx(NOW - 5 + 9.085)


def test_a_waiting_holder_whose_guard_vouches_for_it_leaves_its_predecessor() -> None:
    last = beat(10, 5, phase=Phase.WAITING, inherits=beat(9, 3, "c"))
    assert wait(Sightings(), last, own(10)).not_before == pytest.approx(NOW + 9.085)
    assert "the key of c (term 9)" in wait(Sightings(), last, own(10)).reason
    assert wait(Sightings(), beat(10, 5, phase=Phase.WAITING), own(10)).not_before == pytest.approx(
        NOW + LONGEST
    )
    # But once it has armed, all before it was over.
    assert wait(Sightings(), last, Vouches(upto=10)).not_before == NOW


def test_a_heartbeat_of_another_history_says_nothing() -> None:
    got = wait(Sightings(), beat(10, 6, history="0" * 32), Vouches(upto=10))
    assert got.not_before == pytest.approx(NOW + LONGEST)
    assert not got.known
    passed = beat(10, 6, phase=Phase.PASSED, inherits=beat(9, 6, "c", history="0" * 32))
    assert wait(Sightings(), passed, Vouches(upto=10)).not_before == pytest.approx(NOW + LONGEST)


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.ACTIVE])
def test_a_holder_that_waited_may_have_armed_since(phase: Phase) -> None:
    inner = beat(9, 3, "c", gone_within_s=15.0)
    last = beat(10, 5, phase=phase, gone_within_s=15.0, inherits=inner)
    got = wait(saw((inner, 800, NOW - 70), (last, 1000, NOW - 2)), last)
    assert got.not_before == pytest.approx(NOW - 2 + 15.65)


def test_a_waiting_holders_predecessor_is_not_shortened_by_a_record_of_its_drop() -> None:
    last = beat(10, 5, phase=Phase.WAITING, inherits=beat(9, 3, "c"))
    assert wait(Sightings(), last, own(9, "c")).not_before == pytest.approx(NOW + 9.085)


class TestPassedOn:
    """A holder gave up before it armed: what counts is the beat that it passes on."""

    def test_the_wait_goes_on_where_it_began(self) -> None:
        inner = beat(9, 3, "c")
        got = wait(saw((inner, 800, NOW - 7)), beat(10, 5, phase=Phase.PASSED, inherits=inner), own(10))
        assert got.not_before == pytest.approx(NOW - 7 + 9.085)
        assert "the key of c (term 9)" in got.reason

    def test_one_not_seen_counts_from_now(self) -> None:
        passed = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c"))
        assert wait(Sightings(), passed, own(10)).not_before == pytest.approx(NOW + 9.085)

    def test_one_that_was_overtaken_is_as_good_as_unknown(self) -> None:
        """The later beat, which was seen, may have promised more."""
        inner = beat(9, 3, "c")
        seen = saw((inner, 800, NOW - 7), (beat(9, 4, "c"), 801, NOW - 6))
        got = wait(seen, beat(10, 5, phase=Phase.PASSED, inherits=inner), own(10))
        assert got.not_before == pytest.approx(NOW + 15.65)
        assert not got.known

    def test_released_and_dropped_still_count(self) -> None:
        released = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c", Phase.RELEASED))
        both = Vouches(upto=9, nodes=(("b", 10),))
        assert wait(Sightings(), released, both).not_before == NOW
        passed = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c"))
        assert wait(Sightings(), passed, both).not_before == NOW

    def test_the_drop_of_the_one_who_passed_it_on_says_nothing(self) -> None:
        passed = beat(10, 5, phase=Phase.PASSED, inherits=beat(9, 3, "c"))
        assert wait(Sightings(), passed, own(10)).not_before == pytest.approx(NOW + 9.085)

    def test_an_unknown_wait_is_the_longest(self) -> None:
        got = wait(Sightings(), beat(10, 5, phase=Phase.PASSED))
        assert got.not_before == pytest.approx(NOW + LONGEST)
        assert got.reason == "b passed on an unknown wait"

    def test_a_chain_that_was_not_flattened_is_unknown(self) -> None:
        inner = beat(9, 3, "c", Phase.PASSED)
        got = wait(Sightings(), beat(10, 5, phase=Phase.PASSED, inherits=inner), Vouches(upto=10))
        assert got.not_before == pytest.approx(NOW + LONGEST)

    def test_of_two_writes_with_one_sequence_the_later_sight_counts(self) -> None:
        inner = beat(9, 3, "c")
        seen = saw((inner, 800, NOW - 7), (inner, 805, NOW - 4))
        got = wait(seen, beat(10, 5, phase=Phase.PASSED, inherits=inner), own(10))
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

    def test_the_promise_of_another_hosts_term_that_is_over_is_nothing_to_it(self) -> None:
        seen = saw(
            (beat(9, 3, "c", gone_within_s=15.0), 990, NOW - 8),
            (beat(10, 7), 1001, NOW - 5),
            (beat(10, 6), 1002, NOW - 4),
        )
        assert wait(seen, beat(10, 6), Vouches(upto=9), index=1002).not_before == pytest.approx(
            NOW - 4 + 9.085
        )

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
        got = wait(seen, old, Vouches(upto=10))
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


def test_a_sight_in_the_future_changes_nothing() -> None:
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
