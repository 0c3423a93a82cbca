"""Who had the key when, from two witnesses, and whether two hosts ever had it at once. Pure.

The first witness is neard's own ``/status``, asked all along. The second are the notes that a stand-in makes
of itself: before a key can sign, and after it no longer can. Both speak of one process at a time, and the
kernel says when that has ended: a process that is gone signs nothing, a frozen one may again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Span = tuple[float, float]

WAKE_LIMIT_S = 0.5
"""A machine that was suspended as a whole wakes up with what it had. Within this time its key must be gone;
that nobody else has one until then is not promised (docs/how-it-works.md, "not guaranteed")."""


@dataclass(frozen=True, slots=True)
class Life:
    """A neard process, from when it was first seen to its end, on CLOCK_BOOTTIME; ``None`` while it runs."""

    pid: int
    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A host's neard had the key at least from ``start`` to ``end``, in seconds on CLOCK_BOOTTIME."""

    host: str
    start: float
    end: float
    woke_at: float | None = None
    """It begins with the end of a suspension of the whole machine."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Two hosts had the key at once."""

    one: Holding
    other: Holding

    @property
    def start(self) -> float:
        return max(self.one.start, self.other.start)

    @property
    def end(self) -> float:
        return min(self.one.end, self.other.end)

    @property
    def tolerated(self) -> bool:
        """Whether it is the moment after a machine woke up, in which nothing is promised."""
        woke = [one.woke_at for one in (self.one, self.other) if one.woke_at is not None]
        return any(self.end - at <= WAKE_LIMIT_S for at in woke)

    def __str__(self) -> str:
        return (
            f"{self.one.host} and {self.other.host} both had the key loaded "
            f"from {self.start:.3f} to {self.end:.3f}, for {(self.end - self.start) * 1000:.0f} ms"
        )


@dataclass
class Sightings:
    """What one host's ``/status`` has said so far.

    A neard that gives no answer still has what it last said it had, until it says otherwise or is dead.
    """

    host: str
    closed: list[Holding] = field(default_factory=list)
    keyless: list[Span] = field(default_factory=list)
    """From the first to the last question of an unbroken row of answers without a key."""
    _since: float | None = None
    _sure_until: float = 0.0
    _died_at: float = 0.0

    @property
    def holds(self) -> bool:
        return self._since is not None

    def answer(self, asked: float, answered: float, shows: bool | None) -> None:
        """An answer, in seconds on CLOCK_BOOTTIME; ``None`` where none came that could be understood."""
        if asked <= self._died_at:
            # It was given by a process that is gone, or by nobody.
            return
        if shows is None:
            if self._since is not None:
                self._sure_until = max(self._sure_until, asked)
            return
        if shows:
            if self._since is None:
                self._since = answered
            self._sure_until = max(self._sure_until, asked)
            return
        self._close(self._sure_until)
        if self.keyless and (not self.closed or self.closed[-1].end < self.keyless[-1][0]):
            self.keyless[-1] = (self.keyless[-1][0], asked)
        else:
            self.keyless.append((asked, asked))

    def died(self, at: float) -> None:
        """Its process has ended."""
        self._close(at)
        self._died_at = max(self._died_at, at)

    def holdings(self, now: float) -> list[Holding]:
        """All up to now."""
        if self._since is None:
            return list(self.closed)
        return [*self.closed, Holding(self.host, self._since, now)]

    def _close(self, end: float) -> None:
        if self._since is not None:
            self.closed.append(Holding(self.host, self._since, max(end, self._since)))
            self._since = None


def noted(
    host: str,
    lines: Iterable[Mapping[str, Any]],
    public_key: str,
    lives: Sequence[Life],
    seen: Sightings,
    now: float,
) -> list[Holding]:
    """What a stand-in's notes say. Where the note of a drop is missing, as on a full disk, others fill in."""
    events = [line for line in lines if line.get("public_key") == public_key]
    ends: dict[int, list[float]] = {}
    for life in lives:
        if life.end is not None:
            ends.setdefault(life.pid, []).append(life.end)
    found = []
    for number, event in enumerate(events):
        if event["event"] != "load":
            continue
        start, pid = float(event["boottime"]), event["pid"]
        drop = next(
            (float(e["boottime"]) for e in events[number + 1 :] if e["event"] == "drop" and e["pid"] == pid),
            None,
        )
        death = min((end for end in ends.get(pid, []) if end >= start), default=now)
        found.append(
            Holding(host, start, min(death, drop if drop is not None else _seen_gone(seen, start, now)))
        )
    return found


def _seen_gone(seen: Sightings, start: float, now: float) -> float:
    """Until when a key that was loaded at ``start`` was surely there, by ``/status`` alone."""
    gone = min((max(first, start) for first, last in seen.keyless if last >= start), default=None)
    if gone is None:
        return now
    return max((one.end for one in seen.closed if start <= one.end <= gone), default=start)


def clipped(holdings: Iterable[Holding], drops: Sequence[float]) -> list[Holding]:
    """Ends what was only presumed where the process itself has noted its drop. ``drops`` are in order."""
    found = []
    for one in holdings:
        index = bisect_left(drops, one.start)
        end = min(one.end, drops[index]) if index < len(drops) else one.end
        found.append(replace(one, end=end))
    return found


def awake(holding: Holding, asleep: Sequence[Span]) -> list[Holding]:
    """The parts of a holding in which the machine was not suspended as a whole."""
    parts, start, woke = [], holding.start, None
    for begins, ends in sorted(asleep):
        if ends <= start or begins >= holding.end:
            continue
        if begins > start:
            parts.append(replace(holding, start=start, end=begins, woke_at=woke))
        start = woke = ends
    if start < holding.end:
        parts.append(replace(holding, start=start, woke_at=woke))
    return parts


def clashes(holdings: Iterable[Holding]) -> list[Clash]:
    """Every time that two hosts had the key at once."""
    found: list[Clash] = []
    running: list[Holding] = []
    for one in sorted(holdings, key=lambda one: one.start):
        running = [other for other in running if other.end > one.start]
        if one.end > one.start:
            found += [Clash(other, one) for other in running if other.host != one.host]
            running.append(one)
    return found
