"""When this host first saw which beat, and how long a successor therefore has to wait.

This is the arithmetic that keeps two hosts from signing at once; ``docs/how-it-works.md`` proves it in words.
A heartbeat may have been forged by whoever can write to Consul, so two things here rest on no single one:
only a guard's word ends a wait early (:mod:`hafailover.core.words`), and no beat makes the wait end before
what earlier beats of any term have promised (:func:`_floor`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.core.words import Vouches
from hafailover.timing import LONGEST_GONE_WITHIN_S, Profile

KEPT = 128
"""Beats remembered: two minutes of them, far more than any wait is long."""

WAITING_KEPT_S = 75.0
"""How long the promise of a holder that waits matters: the longest is 60 s, the margin comes on top."""

SIGNING_KEPT_S = 600.0
"""How long it is remembered what a holder that signs has promised, although its beats are not seen any more:
somebody may write over each of them before the watch has shown it."""

LIVED_BEATS = 1.5
"""A term is a host's, as far as others can know, once they have seen its beats for the time of so many. Who
writes over a holder's first beat at once hides it, since a watch lags; the next one shows."""

MOST_PROMISES = 200
"""More than these in that time are no pool's; somebody writes them, and nothing of them is certain."""


@dataclass(frozen=True, slots=True)
class Sighting:
    term: int
    sequence: int
    index: int
    first_seen: float
    gone_within_s: float


@dataclass(frozen=True, slots=True)
class Promise:
    """What beats of one node in one term have promised, while it waited or since."""

    term: int
    node: str
    gone_within_s: float
    waiting: bool


@dataclass(frozen=True, slots=True)
class Sightings:
    """Beats that this host saw in its watch, oldest first, and the highest term it ever saw."""

    seen: tuple[Sighting, ...] = ()
    highest_term: int = 0
    tops: dict[int, int] = field(default_factory=dict)
    """The highest sequence seen of each remembered term."""
    promises: dict[Promise, float] = field(default_factory=dict)
    """When a beat with this promise was last seen for the first time.

    Kept for itself, so that no number of later beats can push one out of memory.
    """
    lives: dict[tuple[int, str], tuple[float, float]] = field(default_factory=dict)
    """Of each term and host: when a beat of a term that goes on was seen first and last."""
    backwards_at: float = -1e9
    """When a beat of a lower term than the highest was last seen: a backup's, or a forged one."""

    @property
    def overflows(self) -> bool:
        return len(self.promises) > MOST_PROMISES


def note(sightings: Sightings, stored: StoredBeat, now: float) -> Sightings:
    """Remembers that ``stored`` was visible at ``now``; the first time counts."""
    beat = stored.beat
    known = any(
        s.term == beat.term and s.sequence == beat.sequence and s.index == stored.index
        for s in reversed(sightings.seen)
    )
    if known:
        return sightings
    sight = Sighting(beat.term, beat.sequence, stored.index, now, beat.gone_within_s)
    seen = (*sightings.seen, sight)[-KEPT:]
    terms = {s.term for s in seen}
    tops = {term: top for term, top in sightings.tops.items() if term in terms}
    tops[beat.term] = max(beat.sequence, tops.get(beat.term, -1))
    promises = {
        one: at
        for one, at in sightings.promises.items()
        if now - at < (WAITING_KEPT_S if one.waiting else SIGNING_KEPT_S)
    }
    promises[Promise(beat.term, beat.node, beat.gone_within_s, beat.phase is Phase.WAITING)] = now
    lives = {one: span for one, span in sightings.lives.items() if now - span[1] < SIGNING_KEPT_S}
    if beat.phase in (Phase.WAITING, Phase.ACTIVE):
        first, _ = lives.get((beat.term, beat.node), (now, now))
        lives[beat.term, beat.node] = first, now
    backwards_at = now if beat.term < sightings.highest_term else sightings.backwards_at
    return Sightings(seen, max(sightings.highest_term, beat.term), tops, promises, lives, backwards_at)


def lived(sightings: Sightings, term: int, node: str, profile: Profile) -> bool:
    """Whether this host has seen that the term is that node's: its beats, for longer than one lasts."""
    first, last = sightings.lives.get((term, node), (0.0, 0.0))
    return last - first >= LIVED_BEATS * profile.beat_s


def believed(sightings: Sightings, vouches: Vouches, own: str, profile: Profile) -> Vouches:
    """What counts of these words: a host that speaks for itself alone is believed for terms that it held.

    A guard gives such a word for any term that its agent names. For a term that somebody else may hold, whose
    beats were written over, it proves nothing.

    :param own: this host, whose own guard is believed.
    """
    nodes = []
    for node, upto in vouches.nodes:
        held = [one for one, holder in sightings.lives if holder == node and one <= upto]
        terms = [upto] if node == own else [one for one in held if lived(sightings, one, node, profile)]
        if terms:
            nodes.append((node, max(terms)))
    return replace(vouches, nodes=tuple(nodes))


def without(sightings: Sightings, term: int, highest_term: int) -> Sightings:
    """What was seen but for one term: a holder's own beats tell it nothing of those that it waits for.

    :param highest_term: that was known when this term began.
    """
    seen = tuple(sight for sight in sightings.seen if sight.term != term)
    tops = {one: top for one, top in sightings.tops.items() if one != term}
    promises = {one: at for one, at in sightings.promises.items() if one.term != term}
    lives = {one: span for one, span in sightings.lives.items() if one[0] != term}
    highest = max(highest_term, *tops, *(one.term for one in promises), 0)
    return replace(sightings, seen=seen, tops=tops, promises=promises, lives=lives, highest_term=highest)


def forget(sightings: Sightings) -> Sightings:
    """Drops what was seen when: after a gap in the watch nothing of it is certain.

    The highest term stays, and so do promises: they only ever make a wait longer.
    """
    return replace(sightings, seen=(), tops={}, lives={})


def first_seen(sightings: Sightings, term: int, sequence: int, index: int | None) -> float | None:
    """When the beat was first seen, or ``None`` where that must not be relied on.

    A sighting counts for the highest sequence seen of its term, and for one that was written after all that
    was seen of it. Anything else stands there again after the restoration of a backup, and says nothing about
    what was written between.
    """
    if sightings.tops.get(term) != sequence and not _written_last(sightings, term, index):
        return None
    matches = [
        s.first_seen
        for s in sightings.seen
        if s.term == term and s.sequence == sequence and (index is None or s.index == index)
    ]
    return max(matches) if matches else None


def _written_last(sightings: Sightings, term: int, index: int | None) -> bool:
    """Whether a beat with this ModifyIndex was written after every beat of the term that was seen.

    While Consul elects a leader it keeps the beats that it has got, and then carries them out in any order.
    The last one carried out need not have the highest sequence, but whatever succeeded was sent before it.
    """
    return index is not None and all(s.index <= index for s in sightings.seen if s.term == term)


@dataclass(frozen=True, slots=True)
class Wait:
    """The earliest moment a successor may arm, why, and the ``gone_within_s`` it must publish at least."""

    not_before: float
    gone_within_s: float
    reason: str
    suspicious_after: float = 0.0
    """A block of the pool that first appears later than this was signed by somebody who should not."""
    known: bool = True
    """Whether it rests on a predecessor's beat; if not, there is nothing to pass on."""
    gone_at: float = -1e9
    """By then the predecessor's key was gone: a head made later stands above every height that it signed."""
    at_once: bool = False
    """The key's end was told, not waited out."""
    unplanned: bool = False
    """The predecessor's end came as a surprise: its last block may still be under way."""


def successor_wait(
    sightings: Sightings,
    predecessor: StoredBeat | None,
    vouches: Vouches,
    now: float,
    profile: Profile,
    history: str = "",
    told_at: float | None = None,
    own: str = "",
) -> Wait:
    """How long the new holder of the lock waits before it may arm.

    :param predecessor: the heartbeat as read after the acquisition; ``None`` if absent or unreadable.
    :param vouches: what guards' words that were checked have said.
    :param now: CLOCK_BOOTTIME after the acquisition, in seconds.
    :param history: the id of Consul's history in which the lock was taken.
    :param told_at: when the last of these words was checked; ``now`` unless given.
    :param own: this host's name.
    """
    if predecessor is None:
        return _unknown(now, profile, "no readable heartbeat of a predecessor")
    beat = predecessor.beat
    if beat.history != history:
        return _unknown(now, profile, f"the heartbeat of {beat.node} is of another history of Consul")
    if beat.term < sightings.highest_term:
        seen = f"the heartbeat is of term {beat.term}, but term {sightings.highest_term} was seen before"
        return _unknown(now, profile, seen)
    vouches = believed(sightings, vouches, own, profile)
    wait = _wait_for_ends(sightings, predecessor, vouches, now, profile, told_at, own)
    return _no_earlier(wait, _floor(sightings, vouches, now, profile))


def with_short_memory(wait: Wait, since: float, profile: Profile) -> Wait:
    """The wait of a host that has watched the heartbeat only since then.

    What it reads may have come from a backup, with a later term forgotten whose holder still has the key. By
    the time that this returns no key from before the watch began is left.
    """
    floor = _timed(since, LONGEST_GONE_WITHIN_S, profile, "")
    if wait.not_before >= floor.not_before:
        return wait
    reason = f"{wait.reason}, but this host has not watched for long enough to know of every term"
    return replace(floor, reason=reason, known=False)


def _unknown(since: float, profile: Profile, reason: str) -> Wait:
    return replace(_timed(since, LONGEST_GONE_WITHIN_S, profile, reason), known=False)


def _timed(since: float, gone_within_s: float, profile: Profile, reason: str) -> Wait:
    not_before = since + profile.successor_wait_s(gone_within_s)
    # Half the margin is for the last rightful block to get here.
    suspicious = not_before - profile.margin_s / 2
    promised = max(gone_within_s, profile.gone_within_s)
    return Wait(not_before, promised, reason, suspicious, gone_at=since + gone_within_s)


def ended_at_once(now: float, profile: Profile, reason: str, unplanned: bool) -> Wait:
    """No wait: the predecessor's key is confirmed gone."""
    return Wait(
        now,
        profile.gone_within_s,
        reason,
        now + profile.margin_s,
        gone_at=now,
        at_once=True,
        unplanned=unplanned,
    )


def _wait_for_ends(
    sightings: Sightings,
    predecessor: StoredBeat,
    vouches: Vouches,
    now: float,
    profile: Profile,
    told_at: float | None,
    own: str,
) -> Wait:
    """The wait for every term whose key may still be there, as the last beat tells of them."""
    beat = predecessor.beat
    ends: list[tuple[Beat, int | None]] = [(beat, predecessor.index)]
    if _speaks_for_another(beat, vouches):
        before = beat.inherits
        if before is None or before.phase is Phase.PASSED or before.history != beat.history:
            return _unknown(now, profile, f"{beat.node} passed on an unknown wait")
        ends.append((before, None))
    waits = [
        _wait_for(sightings, one, index, now, profile)
        for one, index in ends
        if not _ended(sightings, vouches, one, own, profile)
    ]
    if waits:
        return max(waits, key=lambda wait: wait.not_before)
    last = ends[-1][0]
    told = now if told_at is None else told_at
    return ended_at_once(told, profile, _how_it_ended(last), unplanned=last.handover_to is None)


def _ended(sightings: Sightings, vouches: Vouches, beat: Beat, own: str, profile: Profile) -> bool:
    """Whether words say that the key of this term is gone.

    A host's word for itself holds for its earlier terms, too, but only for such as were its own: a beat in
    its name may stand in the place of another holder's.
    """
    if beat.term <= vouches.upto:
        return True
    its_own = beat.node == own or lived(sightings, beat.term, beat.node, profile)
    return its_own and vouches.covers(beat.term, beat.node)


def _speaks_for_another(beat: Beat, vouches: Vouches) -> bool:
    """Whether the holder whose last beat this is never armed, so that its predecessor is waited for, too.

    While it only waited, its own promise covers its predecessor; but once its guard's word has done away with
    that promise, the predecessor's is left.
    """
    if beat.phase is Phase.PASSED:
        return True
    only_its_own = beat.term > vouches.upto and vouches.covers(beat.term, beat.node)
    return beat.phase is Phase.WAITING and only_its_own


def _floor(sightings: Sightings, vouches: Vouches, now: float, profile: Profile) -> Wait | None:
    """The latest end of all that the beats seen have promised, but for terms that a word has vouched for.

    A beat that was forged can only make the wait longer: it takes back nothing that others have promised, and
    it may stand in the place of a beat of theirs, which was made good and not seen.
    """
    left = {one: at for one, at in sightings.promises.items() if not vouches.covers(one.term, one.node)}
    if not left:
        return None
    last = max(sightings.backwards_at, *left.values())
    waits = [
        _timed(
            min(at if one.waiting else last, now),
            one.gone_within_s,
            profile,
            f"{one.node} (term {one.term}) may have its key for so long",
        )
        for one, at in left.items()
    ]
    return max(waits, key=lambda wait: wait.not_before, default=None)


def _no_earlier(wait: Wait, floor: Wait | None) -> Wait:
    if floor is None or wait.not_before >= floor.not_before:
        return wait
    promised = max(wait.gone_within_s, floor.gone_within_s)
    return replace(floor, gone_within_s=promised, known=wait.known)


def _wait_for(sightings: Sightings, beat: Beat, index: int | None, now: float, profile: Profile) -> Wait:
    gone_within_s = _promise_s(sightings, beat, profile)
    if not lived(sightings, beat.term, beat.node, profile):
        unsure = f"this host has not seen for long enough that term {beat.term} is {beat.node}'s"
        return _unknown(_last_news(sightings, beat, index, now), profile, unsure)
    if beat.sequence < sightings.tops.get(beat.term, 0):
        if not _written_last(sightings, beat.term, index):
            return _unknown(now, profile, f"the heartbeat of {beat.node} (term {beat.term}) went backwards")
        # It came late, and a beat that it has overtaken may have promised more.
        promises = [s.gone_within_s for s in sightings.seen if s.term == beat.term]
        gone_within_s = max(gone_within_s, *promises)
    seen = first_seen(sightings, beat.term, beat.sequence, index)
    since = now if seen is None else min(seen, now)
    reason = f"the key of {beat.node} (term {beat.term}) is gone {gone_within_s:g} s after its last beat"
    if beat.phase in (Phase.RELEASED, Phase.PASSED):
        word = "a word that this host's guard has not found good" if beat.word else "no word of its guard"
        reason = f"{beat.node}'s release carries {word}: waiting it out"
    return _timed(since, gone_within_s, profile, reason)


def _promise_s(sightings: Sightings, beat: Beat, profile: Profile) -> float:
    """Within how many seconds the key is gone: what the beat says, but no less than this host would take, nor
    than the beat's host has promised in earlier terms.

    Somebody who writes over a holder's beats may promise anything in its name. What was promised while it
    waited was for others.
    """
    before = [one.gone_within_s for one in sightings.promises if one.node == beat.node and not one.waiting]
    return max(
        beat.gone_within_s, profile.gone_within_s, min(LONGEST_GONE_WITHIN_S, max(before, default=0.0))
    )


def _last_news(sightings: Sightings, beat: Beat, index: int | None, now: float) -> float:
    """When the heartbeat last changed: by then a holder that nobody saw had sent its last good beat."""
    if first_seen(sightings, beat.term, beat.sequence, index) is None:
        return now
    return min(max(one.first_seen for one in sightings.seen), now)


def _how_it_ended(beat: Beat) -> str:
    if beat.phase is Phase.RELEASED:
        return f"term {beat.term} was released by {beat.node}"
    return f"{beat.node} confirmed that its key of term {beat.term} is gone"
