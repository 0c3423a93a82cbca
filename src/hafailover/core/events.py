"""What comes into the core. Every event says something that happened; none asks for anything but a wish."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hafailover.core.beat import StoredBeat
from hafailover.core.views import GuardView, LockView, Member, NeardView, Orders, Request
from hafailover.core.words import Claim
from hafailover.core.work import Pass, Work


class Outcome(StrEnum):
    """What a write to Consul proved."""

    OK = "ok"
    REFUSED = "refused"
    """Consul decided, by consensus, that the lock is not ours: a definite loss."""
    NO_PROOF = "no proof"
    """A timeout, an error, garbage: it says nothing, and the deadline goes on."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class SessionReady:
    session: str


@dataclass(frozen=True, slots=True)
class SessionGone:
    """Consul says that the session does not exist."""

    session: str


@dataclass(frozen=True, slots=True)
class ConsulAnswered:
    """Consul's leader has answered, whatever it said."""


@dataclass(frozen=True, slots=True)
class ConsulSilent:
    """Consul was asked at ``asked_at`` and has no leader that answers; said while it matters."""

    asked_at: float


@dataclass(frozen=True, slots=True)
class TakeoverOrdered:
    """An operator orders this host to sign without a lease. ``silent_at``: when Consul was asked in vain."""

    order: str
    by: str
    silent_at: float


@dataclass(frozen=True, slots=True)
class TakeoverEnded:
    """The operator has taken the order back."""


@dataclass(frozen=True, slots=True)
class LockSeen:
    lock: LockView


@dataclass(frozen=True, slots=True)
class BeatSeen:
    """The heartbeat as the watch shows it; ``None`` where it is absent or unreadable."""

    stored: StoredBeat | None


@dataclass(frozen=True, slots=True)
class WatchGap:
    """The watch on the heartbeat was broken: what was seen before it is no longer certain."""


@dataclass(frozen=True, slots=True)
class DroppedSeen:
    """Records of lost terms whose holders say that their key is gone."""

    claims: frozenset[Claim]


@dataclass(frozen=True, slots=True)
class HistorySeen:
    """The id of Consul's history, as a watch shows it or as a consistent read has it (``certain``)."""

    history: str
    certain: bool = False


@dataclass(frozen=True, slots=True)
class MembersSeen:
    members: tuple[Member, ...]
    pool_public_key: str | None


@dataclass(frozen=True, slots=True)
class RequestSeen:
    request: Request | None


@dataclass(frozen=True, slots=True)
class BudgetSeen:
    """What the validator may still miss in this epoch was looked at.

    ``low``: why nobody should spend any of it on a handover, in words for who asks for one; empty: enough is
    left, or it is not known.
    """

    low: str


@dataclass(frozen=True, slots=True)
class OrdersSeen:
    orders: Orders


@dataclass(frozen=True, slots=True)
class BeatAnswered:
    term: int
    sequence: int
    sent_at: float
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AcquireAnswered:
    """REFUSED: somebody else holds the lock. ``predecessor`` is what the same transaction read."""

    sent_at: float
    outcome: Outcome
    term: int = 0
    predecessor: StoredBeat | None = None
    dropped: frozenset[Claim] = frozenset()
    detail: str = ""
    history: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseAnswered:
    term: int
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NeardSeen:
    neard: NeardView


@dataclass(frozen=True, slots=True)
class NeardFailed:
    """neard's RPC gave no usable answer."""

    detail: str


@dataclass(frozen=True, slots=True)
class GuardSeen:
    guard: GuardView


@dataclass(frozen=True, slots=True)
class GuardLost:
    """The connection to the guard is gone."""


@dataclass(frozen=True, slots=True)
class HandGone:
    """The guard's connection is gone and its neard process is confirmed dead."""


@dataclass(frozen=True, slots=True)
class OwnBlockSeen:
    """A block of the pool's account appeared in this host's own view of the chain."""

    height: int


@dataclass(frozen=True, slots=True)
class WorkSeen:
    """What the chain counts of the account's work, by this host's neard."""

    work: Work


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """neard did not tell what the chain counts."""

    detail: str


@dataclass(frozen=True, slots=True)
class FirstTermAllowed:
    """An operator lets this host sign first whatever the chain shows; ``None``: no such order stands."""

    order: Pass | None


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """The operator has changed these of his choices: fields of :class:`hafailover.core.state.Config`."""

    priority: int
    require_shadow: bool
    max_lag_blocks: int
    min_peers: int
    max_head_age_s: float
    restart_after_drop: bool


Event = (
    Tick
    | SessionReady
    | SessionGone
    | ConsulAnswered
    | ConsulSilent
    | TakeoverOrdered
    | TakeoverEnded
    | LockSeen
    | BeatSeen
    | WatchGap
    | DroppedSeen
    | HistorySeen
    | MembersSeen
    | RequestSeen
    | BudgetSeen
    | OrdersSeen
    | BeatAnswered
    | AcquireAnswered
    | ReleaseAnswered
    | NeardSeen
    | NeardFailed
    | GuardSeen
    | GuardLost
    | HandGone
    | OwnBlockSeen
    | WorkSeen
    | WorkFailed
    | FirstTermAllowed
    | Reconfigured
)
