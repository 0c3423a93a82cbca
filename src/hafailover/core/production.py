"""What the pool was to do since this host signs, what of it the chain shows, and what that says. Pure.

A loaded key is not yet a validator that produces: peers may go on sending to the host that signed before it,
and then it gets neither the approvals for its blocks nor what it has to endorse. The chain's counts show it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from hafailover.core.work import Counts, Work

EARLY_S = 60.0
"""So long after a change of signer the first duties of all are looked at singly."""
FIRST_DUTIES_S = 2.0
"""The network has so long to learn of the new host, before what it misses says anything."""
FEW_BLOCKS, FEW_CHUNKS, FEW_ENDORSEMENTS = 4, 6, 8
"""Of the last so many of one kind under a quarter was done: nothing arrives. A host in order does 95 of 100
blocks, so that one in 160 000 rows of four is missed by chance; five of six chunks, or seven of eight
endorsements, are missed more seldom still."""
MANY = 20
"""Of the last so many of one kind under half was done: little arrives."""
LONG = 100
"""Our choice: of so many of one kind, less than the network asks for is told, and wakes nobody."""
LEAST = 0.8
"""The part of its blocks and of its chunks that a validator must do in an epoch to keep its seat (mainnet's
``block_producer_kickout_threshold`` and ``chunk_producer_kickout_threshold``)."""
ENOUGH_BLOCKS, ENOUGH_CHUNKS = 8, 12
"""For the same, where there were no more yet, since blocks are rare; of endorsements all 20 are needed."""
FIRST_BLOCKS = 2
"""Blocks due since the change, and none done, that show the same if the endorsements do not gainsay it."""
SOUND_ENDORSEMENTS = 4
"""So many endorsements, three quarters of them done, show that what is sent to the account arrives."""
STILL_S = 15.0
"""A head that is older: the chain stands still, or this host sees no more of it. neard makes its block within
2 s of the one before (``max_block_production_delay``; 1.8 s on mainnet), and a turn that nobody takes
costs about as much: some seven in a row were missed. neard's ``/health`` waits for ten such delays."""
UNKNOWN_S = 30.0
"""Our choice: so long neard may keep silent on the account's duties (ten looks) before it is told. Until then
what was bad stays so: silence is no cure."""
BACKWARD_S = 30.0
"""Counts below those of a look before: neard is behind, or on another branch, and told so for so long."""
MOST_STEPS = 128


class Grade(StrEnum):
    """What the duties since the change of signer say."""

    UNKNOWN = "unknown"
    NO_VALIDATOR = "no validator"
    """The account has no seat in this epoch: nothing can be due."""
    NOT_DUE = "not due"
    GOOD = "good"
    DOUBT = "doubt"
    """The change is young, and what was due first is missing, or nothing was done since at all: not well, and
    no reason yet to wake anybody."""
    DEAF = "deaf"
    """The key is loaded, and nothing or little of what it signs gets into the chain."""
    STILL = "still"
    """No block comes in any more, so the counts say nothing: by :func:`stands_still` alone."""
    OTHER_KEY = "other key"
    """The account's stake of this epoch is with another key: the chain takes nothing that this one signs."""


BAD = (Grade.DEAF, Grade.STILL, Grade.OTHER_KEY)
"""What somebody is woken for."""
NOT_WELL = (Grade.DOUBT, *BAD)


@dataclass(frozen=True, slots=True)
class Share:
    """Of so many duties that were due, so many were done."""

    produced: int = 0
    expected: int = 0

    def plus(self, other: Share) -> Share:
        return Share(self.produced + other.produced, self.expected + other.expected)

    def under(self, part: float) -> bool:
        return self.produced < part * self.expected

    @property
    def sound(self) -> bool:
        return self.expected > 0 and not self.under(0.75)


@dataclass(frozen=True, slots=True)
class Kind:
    """The duties of one kind since this host signs."""

    whole: Share = Share()
    done_at: float | None = None
    """When one was last seen done, in seconds on this host's CLOCK_BOOTTIME."""
    steps: tuple[Share, ...] = ()
    """What the last looks brought, the latest last: as many as it takes for :data:`LONG` duties."""

    def grown(self, by: Share, at: float) -> Kind:
        if by == Share():
            return self
        return Kind(
            self.whole.plus(by), at if by.produced else self.done_at, _latest((*self.steps, by)[-MOST_STEPS:])
        )

    def last(self, duties: int) -> Share:
        """The latest looks that hold so many duties, or all that there are."""
        found = Share()
        for step in reversed(self.steps):
            if found.expected >= duties:
                break
            found = found.plus(step)
        return found


@dataclass(frozen=True, slots=True)
class Tally:
    """The duties since this host signs: what was counted from the first look after its key was loaded."""

    began: float | None = None
    """Since when it signs, in seconds on this host's CLOCK_BOOTTIME; ``None``: it does not."""
    work: Work | None = None
    """The last look; its counts are those of the epoch."""
    behind_since: float | None = None
    """Since when neard counts less than it did."""
    blocks: Kind = field(default_factory=Kind)
    chunks: Kind = field(default_factory=Kind)
    endorsements: Kind = field(default_factory=Kind)
    grade: Grade = Grade.UNKNOWN
    deaf_since: float | None = None
    """Since when the grade has been one of :data:`BAD` without a break."""
    head_made_at: float | None = None
    """When neard's newest block was made, as far as this host can tell, on its CLOCK_BOOTTIME."""
    alone: bool = False
    """The grade is :attr:`Grade.STILL`, and other hosts of the pool have newer blocks."""
    unknown_since: float | None = None
    """Since when neard has not told all that the grade needs, or this host signs; ``None``: it tells.

    The grade is then :attr:`Grade.UNKNOWN`, or for :data:`UNKNOWN_S` the last one that was not well.
    """
    why: str = ""
    """Why neard tells nothing; empty where that is not known either."""

    def recent(self, kind: Kind, few: int) -> Share:
        """What the present grade is about: the fewest duties that are as bad, else the last of them."""
        found = kind.last(few)
        return found if found.expected >= few and found.under(0.25) else kind.last(MANY)

    @property
    def recents(self) -> tuple[Share, Share, Share]:
        """Of blocks, chunks and endorsements."""
        return (
            self.recent(self.blocks, FEW_BLOCKS),
            self.recent(self.chunks, FEW_CHUNKS),
            self.recent(self.endorsements, FEW_ENDORSEMENTS),
        )


@dataclass(frozen=True, slots=True)
class HeadSeen:
    """The newest block that neard has told of. It outlives neard's process and the guard's connection, since
    the same block told again is no newer one. Times are in seconds on this host's CLOCK_BOOTTIME."""

    height: int
    first_seen_at: float
    heard_at: float
    """When neard last said that this is its newest block."""
    made_at: float
    """When it was made, as far as this host can tell."""
    alone: bool
    """Other hosts of the pool have newer blocks."""


def follow(before: Tally, began: float | None, work: Work, public_key: str = "") -> Tally:
    """Takes a look in.

    :param began: since when this host signs, or ``None``.
    :param public_key: the key that it signs with; empty if that is not known.
    """
    if began is None:
        return Tally()
    if before.began != began:
        before = Tally(began)
    if work.looked_at < began:
        # Under way while the key was loaded: duties of the host before are in it.
        return before
    if before.work is None:
        return _graded(replace(before, work=work), public_key)
    if _is_behind(before.work, work):
        since = before.behind_since if before.behind_since is not None else work.looked_at
        if work.looked_at - since < BACKWARD_S:
            return replace(before, behind_since=since)
        return _graded(replace(before, work=work, behind_since=None), public_key)
    produced, expected = _growth(before.work, work)
    if not work.validator:
        # What was missed in an epoch that is over is no state of this one.
        kinds = [replace(one, steps=()) for one in (before.blocks, before.chunks, before.endorsements)]
    else:
        pairs = zip(
            (before.blocks, before.chunks, before.endorsements),
            (produced.blocks, produced.chunks, produced.endorsements),
            (expected.blocks, expected.chunks, expected.endorsements),
            strict=True,
        )
        kinds = [kind.grown(Share(done, due), work.looked_at) for kind, done, due in pairs]
    blocks, chunks, endorsements = kinds
    tally = replace(before, blocks=blocks, chunks=chunks, endorsements=endorsements)
    return _graded(replace(tally, work=work, behind_since=None), public_key)


def stands_still(tally: Tally, head: HeadSeen) -> Tally:
    """With what the age of the newest block says beside the counts, which stand still with the chain."""
    tally = replace(tally, head_made_at=head.made_at)
    old_at = head.made_at + STILL_S
    if tally.began is None or head.heard_at <= old_at or tally.grade in (Grade.NO_VALIDATOR, Grade.OTHER_KEY):
        return tally
    since = max(old_at, tally.began)
    since = min(since, tally.deaf_since) if tally.deaf_since is not None else since
    return replace(tally, grade=Grade.STILL, deaf_since=since, alone=head.alone)


def _is_behind(before: Work, work: Work) -> bool:
    """Whether neard counts less than before, in the same epoch or by having gone back to one before it."""
    if work.epoch != before.epoch:
        return work.epoch < before.epoch
    if not (work.validator and before.validator):
        return False
    return not (work.produced.minus(before.produced).sane and work.expected.minus(before.expected).sane)


def _growth(before: Work, work: Work) -> tuple[Counts, Counts]:
    """With another epoch the counts begin anew; the end of the one before it is left out, up to a look."""
    since = work.since(before)
    if since is not None:
        return since
    if work.validator and work.epoch > before.epoch:
        return work.produced, work.expected
    return Counts(), Counts()


def _latest(steps: tuple[Share, ...]) -> tuple[Share, ...]:
    """Without those at the beginning that :data:`LONG` duties do not need."""
    first, due = len(steps), 0
    while first > 0 and due < LONG:
        first -= 1
        due += steps[first].expected
    return steps[first:]


def _graded(tally: Tally, public_key: str) -> Tally:
    assert tally.work is not None
    grade = _grade(tally, tally.work, public_key)
    if grade not in BAD:
        return replace(tally, grade=grade, deaf_since=None)
    since = tally.deaf_since if tally.deaf_since is not None else tally.work.looked_at
    return replace(tally, grade=grade, deaf_since=since)


def _grade(tally: Tally, work: Work, public_key: str) -> Grade:
    if not work.validator:
        return Grade.NO_VALIDATOR
    if public_key and work.public_key and public_key != work.public_key:
        return Grade.OTHER_KEY
    kinds = (tally.blocks, tally.chunks, tally.endorsements)
    if not any(kind.whole.expected for kind in kinds):
        return Grade.NOT_DUE
    if _is_deaf(tally):
        return Grade.DEAF
    signs_for = work.looked_at - (tally.began or 0.0)
    if signs_for >= FIRST_DUTIES_S and not any(kind.whole.produced for kind in kinds):
        return Grade.DOUBT
    if FIRST_DUTIES_S <= signs_for < EARLY_S and _is_doubtful(tally):
        return Grade.DOUBT
    return Grade.GOOD


def _is_deaf(tally: Tally) -> bool:
    limits = (
        (tally.blocks, FEW_BLOCKS, ENOUGH_BLOCKS),
        (tally.chunks, FEW_CHUNKS, ENOUGH_CHUNKS),
        (tally.endorsements, FEW_ENDORSEMENTS, MANY),
    )
    for kind, few, enough in limits:
        latest, longer = kind.last(few), kind.last(MANY)
        if latest.expected >= few and latest.under(0.25):
            return True
        if longer.expected >= enough and longer.under(0.5):
            return True
    blocks = tally.blocks.whole
    return blocks.produced == 0 and blocks.expected >= FIRST_BLOCKS and not _arrives(tally)


def _is_doubtful(tally: Tally) -> bool:
    blocks, chunks, endorsements = tally.blocks.whole, tally.chunks.whole, tally.endorsements.last(MANY)
    if blocks.expected and not blocks.produced and not _arrives(tally):
        return True
    if chunks.expected >= 2 and tally.chunks.last(MANY).under(0.5):
        return True
    return endorsements.expected >= 2 and endorsements.under(0.5)


def _arrives(tally: Tally) -> bool:
    """Whether the endorsements show that peers send to this host: most of what it endorses is others'."""
    latest = tally.endorsements.last(FEW_ENDORSEMENTS)
    return latest.expected >= SOUND_ENDORSEMENTS and latest.sound
