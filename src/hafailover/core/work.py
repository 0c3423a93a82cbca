"""The account's work as the chain counts it, and what its growth shows between two looks. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

IDLE_ACTIVE_S = 45.0
"""An active that does none of its duties for so long is not well."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Blocks, chunks and endorsements of the pool's account in one epoch."""

    blocks: int = 0
    chunks: int = 0
    endorsements: int = 0

    @property
    def total(self) -> int:
        return self.blocks + self.chunks + self.endorsements

    @property
    def most(self) -> int:
        """Of the kind that there is most of: a block and its chunk are due at once."""
        return max(self.blocks, self.chunks, self.endorsements)

    @property
    def sane(self) -> bool:
        return min(self.blocks, self.chunks, self.endorsements) >= 0

    def plus(self, other: Counts) -> Counts:
        return Counts(
            self.blocks + other.blocks, self.chunks + other.chunks, self.endorsements + other.endorsements
        )

    def minus(self, other: Counts) -> Counts:
        return Counts(
            self.blocks - other.blocks, self.chunks - other.chunks, self.endorsements - other.endorsements
        )

    def __str__(self) -> str:
        return f"{self.blocks} blocks, {self.chunks} chunks, {self.endorsements} endorsements"


@dataclass(frozen=True, slots=True)
class Work:
    """One look at neard's ``validators``. ``epoch``: the height at which the counts began."""

    looked_at: float
    """When neard was asked, in seconds on this host's CLOCK_BOOTTIME."""
    epoch: int
    validator: bool
    """The account is a validator of the present epoch: if not, there is nothing that it could sign."""
    produced: Counts = Counts()
    expected: Counts = Counts()
    took_s: float = 0.0
    """How long neard took to answer."""
    public_key: str = ""
    """The key that the account's stake of this epoch is with; empty if neard does not tell."""

    @property
    def answered_at(self) -> float:
        """When neard's answer was there; it counted at some time between."""
        return self.looked_at + self.took_s

    def since(self, before: Work) -> tuple[Counts, Counts] | None:
        """What was produced and what was expected since an earlier look; ``None`` where that cannot be told.

        With another epoch the counts begin anew: then it is what has come since that epoch's beginning.
        """
        if not (self.validator and before.validator):
            return None
        if self.epoch < before.epoch:
            return None
        if self.epoch > before.epoch:
            return self.produced, self.expected
        produced, expected = self.produced.minus(before.produced), self.expected.minus(before.expected)
        # Less than before: neard looked at another branch of the chain.
        return (produced, expected) if produced.sane and expected.sane else None


@dataclass(frozen=True, slots=True)
class Finding:
    """Work of the account that no host of the pool did. Times in seconds on this host's CLOCK_BOOTTIME."""

    done: Counts
    began: float
    """The work was done after this moment."""
    last: float
    """When its last growth was seen."""
    grave_at: float | None = None
    """When growth was seen that came while no host of the pool can have signed, as this host knew it then."""
    sure: bool = False
    """The same, with the news that has come since: an alarm."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the looks show since no host of the pool can have signed."""

    base: Work | None = None
    """The look that the present window without work began with."""
    finding: Finding | None = None
    proved: bool = False
    """The window is long enough: nobody works for the account."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What the active itself was to do and did, by the same looks."""

    base: Work | None = None
    """The first look since it signs, or the last one that showed something done."""
    due: Counts = Counts()
    """Expected since, without anything produced."""
    due_since: float | None = None
    """When the first of these was seen to be due."""


@dataclass(frozen=True, slots=True)
class Pass:
    """An operator's order to sign first although the chain shows work, or shows nothing."""

    order: str
    by: str
    until: float
    """On this host's CLOCK_BOOTTIME; later it is void."""


@dataclass(frozen=True, slots=True)
class Chain:
    """All that the core remembers of the account's work."""

    work: Work | None = None
    error: str = ""
    """Why the last look brought nothing; empty if it did."""
    evidence: Evidence = field(default_factory=Evidence)
    duties: Duties = field(default_factory=Duties)
    order: Pass | None = None
