"""Words of guards: who has proved to whom that a key is gone, and what follows for a successor. Pure.

A heartbeat, a record of a drop, even Consul itself can be forged by whoever may write there. What lets a
successor arm before the timed wait is over is therefore not what stands there, but a *word*: a MAC that a
guard has made of it, with a key that only the guards of the pool can derive (:mod:`hafailover.guard.word`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from hafailover.core.beat import Beat, Phase


@dataclass(frozen=True, slots=True)
class Claim:
    """That the key of ``node`` is gone in ``term`` of ``history``, and its guard's word for it."""

    term: int
    history: str
    node: str
    height: int
    """The highest block height that the node may have signed."""
    handover_to: str | None = None
    word: str = ""


class Scope(StrEnum):
    """What a word that was checked says."""

    BAD = "bad"
    """No guard of the pool gave it for this."""
    NODE = "node"
    """That node's key is gone in this term and all before it; others' keys are another matter."""
    ALL = "all"
    """So is every key of an earlier term: the guard that gave it had armed in this very term."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a host's own guard has made of a claim."""

    claim: Claim
    scope: Scope


@dataclass(frozen=True, slots=True)
class Vouches:
    """What good words have said in this history."""

    upto: int = 0
    """Every key of this term and of all before it is gone."""
    nodes: tuple[tuple[str, int], ...] = ()
    """Hosts whose own key is gone, each with the term up to which that holds."""

    def covers(self, term: int, node: str) -> bool:
        return term <= self.upto or any(one == node and term <= upto for one, upto in self.nodes)

    def hearing(self, claim: Claim, scope: Scope) -> Vouches:
        """These and what a checked claim adds."""
        if scope is Scope.BAD:
            return self
        known = dict(self.nodes)
        known[claim.node] = max(known.get(claim.node, 0), claim.term)
        upto = max(self.upto, claim.term) if scope is Scope.ALL else self.upto
        return replace(self, upto=upto, nodes=tuple(sorted(known.items())))


def claim_of(beat: Beat) -> Claim | None:
    """What the last beat of a term claims, if it carries a word."""
    if beat.phase not in (Phase.RELEASED, Phase.PASSED) or not beat.word:
        return None
    return Claim(beat.term, beat.history, beat.node, beat.height, beat.handover_to, beat.word)


def claims_for(beat: Beat, dropped: frozenset[Claim]) -> list[Claim]:
    """Every claim that could shorten the wait for a predecessor whose last beat this is."""
    beats = [beat] if beat.inherits is None else [beat, beat.inherits]
    ends = {(one.term, one.node) for one in beats}
    told = [claim for one in beats if (claim := claim_of(one)) is not None]
    recorded = [c for c in dropped if c.word and c.history == beat.history and (c.term, c.node) in ends]
    return told + sorted(recorded, key=lambda one: (one.term, one.node, one.word))
