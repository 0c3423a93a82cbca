"""What the core wants done. Adapters carry it out and answer with events."""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.core.beat import Beat
from hafailover.core.words import Claim


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take the lock, and read the heartbeat and the dropped terms in the same transaction."""

    session: str


@dataclass(frozen=True, slots=True)
class SendBeat:
    """Write the beat if the lock is still ours, then renew the session."""

    session: str
    beat: Beat


@dataclass(frozen=True, slots=True)
class Release:
    """Write the last beat and release the lock, in one transaction."""

    session: str
    beat: Beat


@dataclass(frozen=True, slots=True)
class AbandonSession:
    """Destroy the session, and with it a lock that this host cannot use; a new session follows."""

    session: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordDropped:
    """Record that the key of a lost term is confirmed gone, with the guard's word for it."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class RenewHistory:
    """Consul's index went back within the history of this id: give it a fresh one, unless somebody has."""

    history: str


@dataclass(frozen=True, slots=True)
class Vouch:
    """Have the guard give its word that this host's key of the term is gone for good."""

    term: int
    history: str
    height: int
    handover_to: str | None


@dataclass(frozen=True, slots=True)
class CheckWord:
    """Have the guard check another guard's word."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class ArmGuard:
    """``claims``: words by which it arms earlier than the timed wait; the guard checks them once more."""

    term: int
    deadline: float
    history: str = ""
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantGuard:
    """Let the guard keep the key until a later deadline."""

    term: int
    deadline: float


@dataclass(frozen=True, slots=True)
class DropGuard:
    """Have the key dropped, and the term never armed again.

    ``urgent``: another host may be about to arm. Otherwise the lease is still held, and a neard that can only
    be stopped gets the time for it.
    """

    term: int
    urgent: bool
    reason: str
    history: str = ""


@dataclass(frozen=True, slots=True)
class RestartNeard:
    """Its key is gone for good, and another host signs or is about to: end it soon, and start it anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class KillHand:
    """Kill the guard and its neard: the guard does not do what keeps the pool safe."""

    reason: str


@dataclass(frozen=True, slots=True)
class WatchClosely:
    """Look at neard often and read new blocks (``on``), as a host does that is about to sign."""

    on: bool


@dataclass(frozen=True, slots=True)
class LookAtMembers:
    """Read the other hosts' records now: a decision hangs on them."""


@dataclass(frozen=True, slots=True)
class ExpectHandover:
    """This host is the target: watch the lock with default consistency for a while, which is faster."""


@dataclass(frozen=True, slots=True)
class RecordTerm:
    """Append to the history: this host began or ended a term."""

    term: int
    began: bool
    cause: str
    from_node: str | None
    height: int
    waited_s: float
    silent_s: float | None = None
    """From the predecessor's last sign of life, as this host saw it, to the loaded key."""


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """Tell whoever asked for a handover what came of it."""

    request_id: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerTakeover:
    """Tell whoever ordered a takeover without a lease how it stands: signing, or refused or over and why."""

    order: str
    signs: bool
    text: str


@dataclass(frozen=True, slots=True)
class EndFirstTermOrder:
    """An operator's order to sign first whatever the chain shows has been carried out, and is over."""

    order: str
    by: str
    term: int


Effect = (
    Acquire
    | SendBeat
    | Release
    | AbandonSession
    | RecordDropped
    | RenewHistory
    | Vouch
    | CheckWord
    | ArmGuard
    | GrantGuard
    | DropGuard
    | RestartNeard
    | KillHand
    | WatchClosely
    | LookAtMembers
    | ExpectHandover
    | RecordTerm
    | AnswerRequest
    | AnswerTakeover
    | EndFirstTermOrder
)
