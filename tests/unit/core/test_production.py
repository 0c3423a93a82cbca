"""What the duties since a change of signer say: by hand for each rule, and for whatever neard may count."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafailover.core import events as ev
from hafailover.core import foreign
from hafailover.core.production import (
    BACKWARD_S,
    BAD,
    EARLY_S,
    LONG,
    MANY,
    MOST_STEPS,
    STILL_S,
    Grade,
    Share,
    Tally,
    follow,
)
from hafailover.core.state import Stage
from hafailover.core.views import KeyState
from hafailover.core.work import Counts, Work
from hafailover.observe.production import is_bad, is_unknown, record_of

from .bench import KEY, Core, guard, member, neard

BEGAN = 100.0
ZERO = Counts()


@dataclass
class Validator:
    """One look a second at a validator's counts."""

    tally: Tally = field(default_factory=Tally)
    produced: Counts = field(default_factory=lambda: Counts(70, 70, 700))
    expected: Counts = field(default_factory=lambda: Counts(72, 71, 720))
    now: float = BEGAN
    epoch: int = 1

    def look(self, done: Counts = ZERO, due: Counts | None = None, seconds: float = 1.0) -> Grade:
        """:param due: as much as ``done`` if it is not given."""
        self.now += seconds
        self.produced = self.produced.plus(done)
        self.expected = self.expected.plus(due if due is not None else done)
        return self.see()

    def see(self) -> Grade:
        work = Work(self.now, self.epoch, True, self.produced, self.expected)
        self.tally = follow(self.tally, BEGAN, work)
        return self.tally.grade


def young() -> Validator:
    """The key has just been loaded, and the first look is there."""
    validator = Validator()
    validator.see()
    return validator


def settled() -> Validator:
    """It has done all its duties for two minutes: a block in four seconds, an endorsement in each."""
    validator = young()
    for second in range(120):
        block = Counts(1, 1, 1) if second % 4 == 0 else Counts(0, 0, 1)
        assert validator.look(block) is Grade.GOOD
    return validator


BLOCK, CHUNK, ENDORSEMENT = Counts(blocks=1), Counts(chunks=1), Counts(endorsements=1)


def test_nothing_was_due_yet() -> None:
    validator = young()
    assert validator.look() is Grade.NOT_DUE
    assert validator.look(seconds=600) is Grade.NOT_DUE


def test_what_was_due_before_the_key_was_loaded_does_not_count() -> None:
    validator = settled()
    assert validator.tally.blocks.whole == Share(30, 30)
    assert validator.tally.chunks.whole == Share(30, 30)
    assert validator.tally.endorsements.whole == Share(120, 120)
    assert validator.tally.work is not None
    assert validator.tally.work.expected == Counts(102, 101, 840)


def test_a_look_from_before_the_key_was_loaded_is_no_base() -> None:
    early = Work(BEGAN - 0.1, 1, True, Counts(1, 1, 1), Counts(9, 9, 9))
    assert follow(Tally(), BEGAN, early).work is None


def test_another_signing_begins_anew_and_none_ends_it() -> None:
    validator = settled()
    work = Work(validator.now + 9, 1, True, validator.produced, validator.expected)
    anew = follow(validator.tally, validator.now + 5, work)
    assert (anew.blocks.whole, anew.began) == (Share(), validator.now + 5)
    assert follow(validator.tally, None, work) == Tally()


def test_when_the_last_of_each_kind_was_done() -> None:
    validator = young()
    validator.look(BLOCK)
    validator.look(ENDORSEMENT)
    validator.look(due=Counts(1, 1, 1))
    tally = validator.tally
    assert (tally.blocks.done_at, tally.chunks.done_at, tally.endorsements.done_at) == (101, None, 102)


# --- the first seconds


@pytest.mark.parametrize("chunks", [0, 1])
def test_five_seconds_after_the_key_deaf_peers_show(chunks: int) -> None:
    """Four equal validators, blocks of 1 s: one own block, five endorsements, of which it does its own."""
    validator = young()
    validator.look(due=ENDORSEMENT)
    assert validator.look(Counts(0, chunks, 0), Counts(1, 1, 1)) is Grade.DOUBT
    validator.look(ENDORSEMENT)
    assert validator.look(due=ENDORSEMENT) is Grade.DOUBT


def test_without_a_block_of_its_own_the_endorsements_show_it() -> None:
    validator = young()
    for _ in range(4):
        grade = validator.look(due=ENDORSEMENT)
    assert grade is Grade.DOUBT


def test_the_network_has_two_seconds_to_learn_of_the_new_host() -> None:
    validator = young()
    assert validator.look(due=Counts(1, 1, 5)) is Grade.GOOD
    assert validator.look(due=ENDORSEMENT, seconds=1.1) is Grade.DOUBT


def test_a_first_block_that_was_missed_is_made_good_by_endorsements() -> None:
    validator = young()
    validator.look(due=Counts(1, 1, 1))
    grades = [validator.look(ENDORSEMENT) for _ in range(4)]
    assert grades[0] is Grade.DOUBT
    assert grades[-1] is Grade.GOOD
    assert validator.look(due=Counts(1, 1, 0)) is Grade.DOUBT, "chunks: none of two"


def test_a_doubt_passes_with_the_first_minute() -> None:
    validator = young()
    assert validator.look(CHUNK, BLOCK.plus(CHUNK), seconds=5) is Grade.DOUBT
    assert validator.look(seconds=EARLY_S) is Grade.GOOD


@pytest.mark.parametrize("due", [BLOCK, CHUNK, ENDORSEMENT])
def test_nothing_done_is_not_good_however_little_was_due(due: Counts) -> None:
    validator = young()
    assert validator.look(due=due) is Grade.GOOD, "it may be counted yet"
    assert validator.look() is Grade.DOUBT
    assert validator.look(seconds=10 * EARLY_S) is Grade.DOUBT
    assert validator.look(due) is Grade.GOOD


@pytest.mark.parametrize(
    ("staked", "own", "other"),
    [
        ("ed25519:x", "ed25519:y", True),
        ("ed25519:y", "ed25519:y", False),
        ("", "ed25519:y", False),
        ("ed25519:x", "", False),
    ],
)
def test_a_stake_with_another_key_makes_all_work_vain(staked: str, own: str, other: bool) -> None:
    """Whatever is done for the account then is done by somebody else."""
    first = Work(BEGAN, 1, True, public_key=staked)
    tally = follow(follow(Tally(), BEGAN, first, own), BEGAN, replace(first, looked_at=BEGAN + 1), own)
    assert (tally.grade is Grade.OTHER_KEY) is other
    assert (tally.deaf_since == BEGAN) is other
    assert is_bad(record_of(tally, BEGAN + 1)) is other


def test_two_blocks_missed_and_none_done_are_enough_without_endorsements() -> None:
    validator = young()
    validator.look(due=BLOCK)
    assert validator.look(due=BLOCK) is Grade.DEAF
    assert validator.tally.deaf_since == validator.now


def test_two_blocks_missed_are_not_enough_where_endorsements_arrive() -> None:
    validator = young()
    for due in (BLOCK, ZERO, BLOCK, ZERO, ZERO):
        grade = validator.look(ENDORSEMENT, due.plus(ENDORSEMENT))
    assert grade is Grade.GOOD


def course(rng: random.Random, seconds: int, *, deaf: bool) -> list[Grade]:
    """One of four equal validators, blocks of 1 s, from the key on: what each second's look says.

    A host that peers do not send to gets no approvals for its blocks, and no witnesses but its own chunks'.
    An endorsement is counted one block later.
    """
    validator, waiting, grades = young(), (0, 0), []
    for _ in range(seconds):
        block, chunk = rng.random() < 0.25, rng.random() < 0.25
        endorsed = chunk if deaf else rng.random() < 0.97
        done = Counts(block and not deaf, chunk, waiting[0])
        grades.append(validator.look(done, Counts(block, chunk, waiting[1])))
        waiting = (endorsed, 1)
    return grades


def test_how_soon_a_deaf_host_is_seen_and_how_seldom_one_in_order_is_taken_for_one() -> None:
    rng = random.Random(20261129)
    bad = {Grade.DOUBT, Grade.DEAF}
    deaf = [course(rng, 20, deaf=True) for _ in range(200)]
    sound = [course(rng, 100, deaf=False) for _ in range(100)]
    assert sum(one[4] in bad for one in deaf) > 0.9 * len(deaf), "at the look 5 s after the key"
    assert sum(one[9] in bad for one in deaf) > 0.97 * len(deaf)
    assert sum(one[19] is Grade.DEAF for one in deaf) > 0.9 * len(deaf)
    assert sum(one[4] in bad for one in sound) < 0.05 * len(sound)
    assert not any(Grade.DEAF in one for one in sound)


# --- later


@pytest.mark.parametrize(("duty", "few"), [(BLOCK, 4), (CHUNK, 5), (ENDORSEMENT, 7)])
def test_nothing_of_one_kind_arrives_any_more(duty: Counts, few: int) -> None:
    validator = settled()
    grades = [validator.look(due=duty) for _ in range(few)]
    assert grades == [Grade.GOOD] * (few - 1) + [Grade.DEAF]
    since = validator.tally.deaf_since
    assert validator.look(due=duty) is Grade.DEAF
    assert validator.tally.deaf_since == since
    # It heals as soon as its work arrives again.
    for _ in range(few):
        grade = validator.look(duty)
    assert grade is Grade.GOOD
    assert validator.tally.deaf_since is None


@pytest.mark.parametrize("duty", [BLOCK, CHUNK, ENDORSEMENT])
def test_less_than_half_arrives(duty: Counts) -> None:
    """Two of three are missed, never four in a row."""
    validator = settled()
    grades = [validator.look(duty if number % 3 == 0 else ZERO, duty) for number in range(2 * MANY)]
    assert grades[-1] is Grade.DEAF


def test_of_more_than_half_and_less_than_four_fifths_the_longer_row_tells() -> None:
    """No reason to wake anybody, and not well either."""
    validator = settled()
    for number in range(2 * LONG):
        assert validator.look(ZERO if number % 9 in (1, 3, 5, 7) else ENDORSEMENT, ENDORSEMENT) is Grade.GOOD
    found = validator.tally.endorsements.last(LONG)
    assert found.expected == LONG
    assert found.produced in (55, 56)
    assert validator.tally.recents[2].expected == MANY, "the grade is about fewer"


def test_a_validator_that_misses_one_duty_in_ten_is_in_order() -> None:
    validator = settled()
    for number in range(500):
        due = Counts(number % 4 == 0, number % 4 == 0, 1)
        assert validator.look(ZERO if number % 10 == 9 else due, due) is Grade.GOOD


def test_the_grade_names_the_fewest_duties_that_show_it() -> None:
    validator = settled()
    for _ in range(4):
        validator.look(due=BLOCK)
    blocks, chunks, endorsements = validator.tally.recents
    assert blocks == Share(0, 4)
    assert chunks == Share(20, 20)
    assert endorsements == Share(20, 20)


# --- what neard may count


def test_an_account_that_lost_its_seat_has_no_duties_and_no_alarm() -> None:
    validator = young()
    validator.look(due=BLOCK)
    assert validator.look(due=BLOCK) is Grade.DEAF
    without = Work(validator.now + 1, 2, validator=False)
    tally = follow(validator.tally, BEGAN, without)
    assert (tally.grade, tally.deaf_since) == (Grade.NO_VALIDATOR, None)
    assert tally.blocks.whole == Share(0, 2)
    back = Work(validator.now + 2, 3, True, Counts(1, 0, 0), Counts(1, 0, 0))
    again = follow(tally, BEGAN, back)
    assert (again.grade, again.blocks.whole) == (Grade.GOOD, Share(1, 3))


def test_a_new_epoch_counts_from_its_beginning() -> None:
    validator = settled()
    validator.epoch, validator.produced, validator.expected = 2, Counts(1, 2, 3), Counts(1, 2, 4)
    validator.now += 1
    assert validator.see() is Grade.GOOD
    assert validator.tally.blocks.whole == Share(31, 31)
    assert validator.tally.endorsements.whole == Share(123, 124)


def test_a_neard_that_is_behind_says_nothing_until_it_has_caught_up() -> None:
    """Started anew, it counts what was there at its head, perhaps in the epoch before."""
    validator = settled()
    before = validator.tally
    for epoch, produced, expected in ((1, Counts(50, 50, 500), Counts(72, 71, 720)), (0, ZERO, ZERO)):
        old = Work(validator.now + 1, epoch, True, produced, expected)
        tally = follow(before, BEGAN, old)
        assert replace(tally, behind_since=None) == before
        assert tally.behind_since == validator.now + 1
    validator.tally = tally
    assert validator.look(BLOCK, seconds=5) is Grade.GOOD
    assert validator.tally.blocks.whole == Share(31, 31)
    assert validator.tally.behind_since is None


def test_counts_that_stay_lower_are_believed_in_the_end() -> None:
    validator = settled()
    validator.produced = validator.produced.minus(BLOCK)
    validator.expected = validator.expected.minus(BLOCK)
    for _ in range(int(BACKWARD_S) + 1):
        validator.look()
    assert validator.tally.behind_since is None
    assert validator.tally.blocks.whole == Share(30, 30)
    validator.look(BLOCK)
    assert validator.tally.blocks.whole == Share(31, 31)


counts = st.builds(Counts, *[st.integers(0, (1 << 63) - 1) | st.integers(0, 30)] * 3)
looks = st.lists(
    st.builds(
        Work,
        looked_at=st.floats(BEGAN - 5, BEGAN + 300, allow_nan=False),
        epoch=st.integers(0, 3),
        validator=st.booleans(),
        produced=counts,
        expected=counts,
    ),
    max_size=40,
)


@settings(deadline=None)
@given(looks)
def test_whatever_neard_counts_the_tally_is_bounded_and_never_negative(found: list[Work]) -> None:
    tally = Tally()
    for work in sorted(found, key=lambda one: one.looked_at):
        tally = follow(tally, BEGAN, work)
        for kind in (tally.blocks, tally.chunks, tally.endorsements):
            assert min(kind.whole.produced, kind.whole.expected) >= 0
            assert len(kind.steps) <= MOST_STEPS
            assert kind.last(MANY).expected <= kind.whole.expected
            assert (kind.done_at is None) == (kind.whole.produced == 0)
        assert (tally.deaf_since is not None) == (tally.grade in BAD)
        if tally.work is not None and not tally.work.validator:
            assert tally.grade is Grade.NO_VALIDATOR


seconds = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 4), st.booleans(), st.booleans()),
    max_size=60,
)


@settings(deadline=None)
@given(seconds)
def test_epochs_and_restarts_of_neard_lose_no_duty_and_count_none_twice(
    course: list[tuple[int, int, int, bool, bool]],
) -> None:
    """Each second's duties are all done. A neard that is started anew is behind for one look."""
    validator, whole = young(), Counts()
    for blocks, chunks, endorsements, epoch_ends, restarts in course:
        due = Counts(blocks, chunks, endorsements)
        if epoch_ends:
            # The look came at the epoch's last block: nothing of it is lost.
            validator.epoch += 1
            validator.produced = validator.expected = ZERO
        if restarts:
            behind = Work(validator.now + 0.5, validator.epoch - 1, True, ZERO, ZERO)
            validator.tally = follow(validator.tally, BEGAN, behind)
        grade = validator.look(due)
        whole = whole.plus(due)
        assert grade is (Grade.GOOD if whole.total else Grade.NOT_DUE)
        tally = validator.tally
        done = Counts(
            tally.blocks.whole.produced, tally.chunks.whole.produced, tally.endorsements.whole.produced
        )
        assert done == whole
        assert tally.blocks.whole.expected == whole.blocks


@settings(deadline=None)
@given(st.integers(0, 60), st.sampled_from([BLOCK, CHUNK, ENDORSEMENT]))
def test_a_host_that_does_nothing_is_found_out_whenever_it_begins(after: int, duty: Counts) -> None:
    validator = young()
    for _ in range(after):
        assert validator.look(duty) is Grade.GOOD
    grades = [validator.look(due=duty) for _ in range(8)]
    assert grades[-1] is Grade.DEAF


# --- in the core


def test_only_a_host_that_signs_and_whose_neard_tells_has_a_production() -> None:
    core = Core().arm()
    tally = foreign.production(core.state, core.now)
    assert tally is not None
    assert (tally.grade, tally.unknown_since) == (Grade.UNKNOWN, core.hold.stage_since), "no look yet"
    core.feed(ev.WorkSeen(Work(core.now, 1, True, Counts(1, 1, 1), Counts(1, 1, 1))))
    tally = foreign.production(core.state, core.now)
    assert tally is not None
    assert (tally.began, tally.grade) == (core.hold.stage_since, Grade.NOT_DUE)
    core.feed(ev.WorkFailed("no answer within 5 s"))
    tally = foreign.production(core.state, core.now + foreign.STALE_S + 0.1)
    assert tally is not None
    assert (tally.grade, tally.unknown_since, tally.why) == (Grade.UNKNOWN, core.now, "no answer within 5 s")
    core.feed(ev.GuardSeen(guard(KeyState.ABSENT, term=20)))
    assert core.hold.stage is not Stage.ARMED, "the guard has dropped the key"
    assert foreign.production(core.state, core.now) is None


class Signer:
    """A host that signs, and whose neard answers once a second: its head, and the counts."""

    def __init__(self) -> None:
        self.core = Core().arm()
        self.core.no_validator = False
        self.height, self.counts = 100, Counts(9, 9, 90)

    def second(
        self, *, moves: bool, height: int | None = None, due: Counts | None = None, **more: Any
    ) -> Tally | None:
        """:param due: as much as was done if it is not given."""
        core = self.core
        core.now += 1.0
        if moves:
            self.height, self.counts = self.height + 1, self.counts.plus(ENDORSEMENT)
        self.height = height if height is not None else self.height
        core.answer_beats(core.tick())
        core.feed(ev.NeardSeen(neard(self.height, public_key=KEY, **more)))
        core.feed(ev.WorkSeen(Work(core.now, 1, True, self.counts, due if due is not None else self.counts)))
        return foreign.production(core.state, core.now)

    def grades(self, seconds: int, *, moves: bool, **more: Any) -> list[Grade]:
        found = [self.second(moves=moves, **more) for _ in range(seconds)]
        assert None not in found
        return [one.grade for one in found if one is not None]


def test_a_chain_that_stands_still_is_never_called_good() -> None:
    """The site's uplink is lost and Consul lives: no block comes in, and nothing is counted as missed."""
    signer = Signer()
    assert signer.grades(20, moves=True)[-1] is Grade.GOOD
    grades = signer.grades(int(STILL_S) + 2, moves=False)
    assert grades[: int(STILL_S) - 1] == [Grade.GOOD] * (int(STILL_S) - 1)
    assert grades[-1] is Grade.STILL
    tally = signer.second(moves=False)
    assert tally is not None and not tally.alone
    assert tally.deaf_since == pytest.approx(signer.core.now - 3.0)
    assert tally.head_made_at == pytest.approx(signer.core.now - STILL_S - 3.0)
    assert signer.grades(1, moves=True) == [Grade.GOOD]


def test_a_chain_at_rest_before_any_duty_was_due_is_told_too() -> None:
    signer = Signer()
    assert signer.grades(1, moves=False) == [Grade.NOT_DUE]
    assert signer.grades(20, moves=False)[-1] is Grade.STILL


def others_at(core: Core, height: int) -> None:
    members = [member(node, ready=False, height=height) for node in ("b", "c")]
    core.feed(ev.MembersSeen(tuple(members), KEY))


@pytest.mark.parametrize("behind", [True, False])
def test_an_old_head_that_moves_is_old_by_its_timestamp_where_this_neard_catches_up(behind: bool) -> None:
    signer = Signer()
    assert signer.grades(20, moves=True, head_age_s=math.inf)[-1] is Grade.GOOD, "not known yet"
    if behind:
        others_at(signer.core, signer.height + 21)
    more = {"head_age_s": STILL_S + 1, "syncing": not behind}
    assert signer.grades(1, moves=True, **more) == [Grade.STILL]


@pytest.mark.parametrize("ahead", [0, 2])
def test_another_validators_clock_that_was_ahead_makes_no_chain_stand_still(ahead: int) -> None:
    """neard stamps each block later than the one before, so that one stamped 60 s ahead drags the next 60 s
    of blocks along, and the blocks after them look old by what was learned from those.

    :param ahead: by so many blocks the others' neards are ahead, as for a moment they are now and then.
    """
    signer = Signer()
    signer.grades(20, moves=True)
    for _ in range(60):
        others_at(signer.core, signer.height + 1 + ahead)
        assert signer.grades(1, moves=True, head_age_s=44.0) == [Grade.GOOD]


def test_a_neard_that_alone_stands_still_is_told_from_a_chain_that_does() -> None:
    signer = Signer()
    signer.grades(20, moves=True)
    for _ in range(20):
        others_at(signer.core, signer.height + 9)
        tally = signer.second(moves=False)
    assert tally is not None and tally.alone


def test_a_neard_that_does_not_answer_is_no_chain_that_stands_still() -> None:
    signer = Signer()
    signer.grades(20, moves=True)
    signer.core.now += STILL_S + 10.0
    tally = foreign.production(signer.core.state, signer.core.now)
    assert tally is not None and tally.grade is Grade.UNKNOWN


# --- where neard does not tell


def stopped() -> Signer:
    """No block has come in for 20 s."""
    signer = Signer()
    signer.grades(20, moves=True)
    assert signer.grades(20, moves=False)[-1] is Grade.STILL
    return signer


def deaf() -> Signer:
    """Nothing of what it signs arrives."""
    signer = Signer()
    signer.grades(20, moves=True)
    due = signer.counts
    for _ in range(12):
        due = due.plus(ENDORSEMENT)
        tally = signer.second(moves=False, height=signer.core.state.last_head + 1, due=due)
    assert tally is not None and tally.grade is Grade.DEAF
    return signer


@pytest.mark.parametrize("bad", [stopped, deaf])
@pytest.mark.parametrize("guard_is_away", [True, False])
def test_what_was_bad_is_so_until_it_is_told_that_nothing_is_known(
    bad: Callable[[], Signer], guard_is_away: bool
) -> None:
    """status exits with 1 all the while, and the alert stands: nothing was cured."""
    core = bad().core
    before = foreign.production(core.state, core.now)
    assert before is not None
    # The head was looked at last, or the counts.
    core.feed(ev.WorkSeen(replace(work_of(core), looked_at=core.now + 0.5)), after=0.5)
    core.feed(ev.WorkFailed("no answer within 5 s"))
    if guard_is_away:
        core.feed(ev.GuardLost())
    silent = 0
    for tenth in range(1, 600):
        now = core.now + tenth / 10
        tally = foreign.production(core.state, now)
        assert tally is not None and tally.grade in (before.grade, Grade.UNKNOWN)
        assert tally.deaf_since == before.deaf_since, "no cure: the critical alert stands"
        record = record_of(tally, now)
        assert is_bad(record) or is_unknown(record), f"status exits with 0 after {tenth / 10} s"
        if tally.grade is Grade.UNKNOWN:
            silent += 1
            assert tally.why == "no answer within 5 s"
    assert 290 < silent < 310


def work_of(core: Core) -> Work:
    assert core.state.chain.work is not None
    return core.state.chain.work


@pytest.mark.parametrize("head_age_s", [0.0, math.inf])
def test_a_guard_that_comes_back_brings_no_newer_block(head_age_s: float) -> None:
    signer = stopped()
    signer.core.feed(ev.GuardLost(), after=0.1)
    signer.core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=20)), after=0.1)
    before = foreign.production(signer.core.state, signer.core.now)
    assert before is not None and before.grade is Grade.STILL
    assert set(signer.grades(20, moves=False, head_age_s=head_age_s)) == {Grade.STILL}
    assert signer.grades(1, moves=True, head_age_s=head_age_s) == [Grade.GOOD]


def test_without_a_look_at_the_head_nothing_is_called_good() -> None:
    """The counts alone do not show that the chain stands still."""
    signer = Signer()
    signer.grades(20, moves=True)
    core, counts = signer.core, signer.counts
    heard_at = core.now
    for second in range(1, 40):
        core.answer_beats(core.tick(1.01))
        core.feed(ev.NeardFailed("no answer to status"))
        core.feed(ev.WorkSeen(Work(core.now, 1, True, counts, counts)))
        tally = foreign.production(core.state, core.now)
        assert tally is not None
        assert tally.grade is (Grade.GOOD if second < foreign.STALE_S else Grade.UNKNOWN)
    assert tally is not None
    assert (tally.unknown_since, tally.why) == (heard_at, "no answer to status")
    core = signer.core = Signer().core
    signer.grades(3, moves=True)
    core.feed(ev.GuardLost(), after=0.1)
    tally = foreign.production(core.state, core.now)
    assert tally is not None and tally.grade is Grade.UNKNOWN


def test_counts_that_are_missed_are_bad_whatever_the_head_is() -> None:
    core = deaf().core
    due = work_of(core)
    for _ in range(60):
        due = replace(due, looked_at=core.now + 1.0, expected=due.expected.plus(ENDORSEMENT))
        core.answer_beats(core.tick(1.0))
        core.feed(ev.WorkSeen(due))
        tally = foreign.production(core.state, core.now)
        assert tally is not None and (tally.grade, tally.unknown_since) == (Grade.DEAF, None)


def test_a_neard_that_takes_nearly_all_of_its_time_to_answer_is_known_throughout() -> None:
    """An answer in 4.5 s of the 5 s that it has, and 3 s until the next look."""
    signer = Signer()
    signer.grades(20, moves=True)
    core, counts, looked_at = signer.core, signer.counts, signer.core.now
    begin = core.now
    for tenth in range(600):
        core.now = begin + tenth / 10
        if tenth % 10 == 0:
            signer.height, counts = signer.height + 1, counts.plus(ENDORSEMENT)
            core.answer_beats(core.tick())
            core.feed(ev.NeardSeen(neard(signer.height, public_key=KEY)))
        if core.now >= looked_at + 4.5:
            core.feed(ev.WorkSeen(Work(looked_at, 1, True, counts, counts, took_s=4.5)))
            looked_at = core.now + 3.0
        tally = foreign.production(core.state, core.now)
        assert tally is not None and tally.grade is Grade.GOOD
        assert foreign.undone(core.state, core.now) is not None
