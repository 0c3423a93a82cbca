"""When this host first saw which beat, and how long a successor therefore has to wait.

This is the arithmetic that keeps two hosts from signing at once; ``docs/how-it-works.md`` proves it in words.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.timing import LONGEST_GONE_WITHIN_S, Profile

KEPT = 128
"""Beats remembered: two minutes of them, far more than any wait is long."""


@dataclass(frozen=True, slots=True)
class Sighting:
    term: int
    sequence: int
    index: int
    first_seen: float
    gone_within_s: float


@dataclass(frozen=True, slots=True)
class Sightings:
    """Beats that this host saw in its watch, oldest first, and the highest term it ever saw."""

    seen: tuple[Sighting, ...] = ()
    highest_term: int = 0
    tops: dict[int, int] = field(default_factory=dict)
    """The highest sequence seen of each remembered term."""


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
    return Sightings(seen, max(sightings.highest_term, beat.term), tops)


def forget(sightings: Sightings) -> Sightings:
    """Drops what was seen when, keeping the highest term: after a gap in the watch nothing is certain."""
    return replace(sightings, seen=(), tops={})


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
    dropped_terms: frozenset[int],
    now: float,
    profile: Profile,
) -> Wait:
    """How long the new holder of the lock waits before it may arm.

    :param predecessor: the heartbeat as read by the acquiring transaction; ``None`` if absent or unreadable.
    :param dropped_terms: lost terms whose holders have recorded that their key is confirmed gone.
    :param now: CLOCK_BOOTTIME after the acquisition, in seconds.
    """
    if predecessor is None:
        return _unknown(now, profile, "no readable heartbeat of a predecessor")
    beat = predecessor.beat
    if beat.term < sightings.highest_term:
        seen = f"the heartbeat is of term {beat.term}, but term {sightings.highest_term} was seen before"
        return _unknown(now, profile, seen)
    if beat.phase is Phase.PASSED:
        if beat.inherits is None:
            return _unknown(now, profile, f"{beat.node} passed on an unknown wait")
        return _wait_for(sightings, beat.inherits, None, dropped_terms, now, profile)
    return _wait_for(sightings, beat, predecessor.index, dropped_terms, now, profile)


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


def _unknown(now: float, profile: Profile, reason: str) -> Wait:
    return replace(_timed(now, LONGEST_GONE_WITHIN_S, profile, reason), known=False)


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


def _wait_for(
    sightings: Sightings,
    beat: Beat,
    index: int | None,
    dropped_terms: frozenset[int],
    now: float,
    profile: Profile,
) -> Wait:
    if beat.phase is Phase.RELEASED:
        unplanned = beat.handover_to is None
        return ended_at_once(now, profile, f"term {beat.term} was released by {beat.node}", unplanned)
    if beat.term in dropped_terms:
        return ended_at_once(now, profile, dropped_reason(beat), unplanned=True)
    if beat.phase is Phase.PASSED:
        return _unknown(now, profile, f"{beat.node} passed on an unknown wait")
    gone_within_s = beat.gone_within_s
    if beat.sequence < sightings.tops.get(beat.term, 0):
        if not _written_last(sightings, beat.term, index):
            return _unknown(now, profile, f"the heartbeat of {beat.node} (term {beat.term}) went backwards")
        # It came late, and a beat that it has overtaken may have promised more.
        promises = [s.gone_within_s for s in sightings.seen if s.term == beat.term]
        gone_within_s = max(gone_within_s, *promises)
    seen = first_seen(sightings, beat.term, beat.sequence, index)
    since = now if seen is None else min(seen, now)
    reason = f"the key of {beat.node} (term {beat.term}) is gone {gone_within_s:g} s after its last beat"
    return _timed(since, gone_within_s, profile, reason)


def dropped_reason(beat: Beat) -> str:
    return f"{beat.node} confirmed that its key of term {beat.term} is gone"
