"""The guard's memory, what comes in and what goes out: plain values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from hafailover.core.views import KeyState, NeardPhase
from hafailover.core.words import Checked, Claim
from hafailover.timing import LONGEST_GONE_WITHIN_S

if TYPE_CHECKING:
    from hafailover.guard.word import WordKey


class Link(StrEnum):
    """What is known of the key link in neard's home."""

    GONE = "gone"
    """Seen to be absent, and nothing is under way that could place it."""
    PLACING = "placing"
    PLACED = "placed"
    REMOVING = "removing"
    """Its removal was asked for and is not confirmed: it may be there."""


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """Times in seconds."""

    public_key: str
    account_id: str
    home: str = "neard's home"
    """For messages."""
    node: str = ""
    """This host's name, which stands in the words that it gives."""
    words: WordKey | None = field(default=None, repr=False, compare=False)
    """What makes and checks words; a guard without it gives none and believes none."""
    hot_swap: bool = True
    drop_budget_s: float = 1.5
    fence_after_s: float = LONGEST_GONE_WITHIN_S
    """No grant reaches further from now, whatever the agent asks for."""
    load_s: float = 3.0
    """A hot load that is not confirmed by then is taken back."""
    resend_s: float = 0.25
    """A signal can be lost while neard reads its files: repeated until /status shows the effect."""
    drop_resend_s: float = 0.1
    stop_s: float = 60.0
    """How long a neard that is stopped without hurry gets before SIGKILL."""
    handed_stop_s: float = 3.0
    """The same for one whose key another host has by now. nearcore ends its connections when SIGTERM comes,
    and its database after that; one that lasts longer may hold connections still, which swallow the new
    holder's messages. RocksDB's own log survives SIGKILL, and nearcore's tests kill nodes all the time."""
    backoff_first_s: float = 1.0
    backoff_most_s: float = 60.0
    stable_s: float = 300.0
    """A neard that ran so long starts again without a longer pause."""
    file_s: float = 1.0
    """A file operation that takes longer is told of: the disk is slow, or hangs."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard's state. Times on CLOCK_BOOTTIME."""

    config: GuardConfig
    phase: NeardPhase = NeardPhase.DOWN
    pid: int | None = None
    started_at: float = 0.0
    next_start_at: float | None = 0.0
    backoff_s: float = 0.0
    restarts: int = -1
    """Starts after the first one."""
    tainted: bool = False

    key: KeyState = KeyState.ABSENT
    key_since: float = 0.0
    term: int = 0
    deadline: float = 0.0
    retired: int = 0
    refused_term: int = 0
    history: str = ""
    """The id of Consul's history that ``term``, ``retired`` and ``refused_term`` belong to."""
    word: Claim | None = None
    """The last word that it gave."""
    checked: Checked | None = None
    """What it made of the last word that it was asked about."""
    problem: str = ""
    """Why this host cannot arm, or could not a short while ago."""
    problem_until: float | None = None
    stranger: str = ""
    """Who answers in place of the guard's own neard, and what to do; empty: nobody does."""
    alarm: str = ""
    """What must never be and was seen: a neard with a key that this guard has not given to it. Kept."""
    height: int = 0
    signal_at: float = 0.0
    """When SIGHUP is to be sent again."""
    kill_at: float | None = None
    """When neard gets SIGKILL unless what is awaited has happened."""
    killed: bool = False
    """This process got SIGKILL: from then on only its end is proof of anything."""
    terminate_at: float | None = None
    """When SIGTERM is to be sent again."""
    start_with_key: bool = False
    """Promotion by restart is under way: neard stops, and starts again with the key."""
    restart_now: bool = False
    """The stop under way was asked for: start again without a pause."""

    link: Link = Link.REMOVING
    """At the start nothing has been looked at yet."""
    file: int = 0
    """Number of the file operation that was asked for last; what earlier ones bring is void."""
    file_since: float | None = None
    """When that one was asked for; ``None``: it has ended, and with it all before it."""
    file_problem: str = ""
    """Why this host cannot arm now: a file operation has not ended for a while."""

    probe: int = 0
    """Number of the probe whose answer is awaited or was taken last; answers to earlier ones are void."""
    probing: bool = False
    probe_at: float = 0.0

    stopping: bool = False
    """The guard itself is to end, after neard."""
    load_s: float | None = None
    drop_s: float | None = None


# --- events


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class Started:
    pid: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    problem: str


@dataclass(frozen=True, slots=True)
class Exited:
    pid: int
    code: int
    """Exit code, or minus the number of the signal."""


@dataclass(frozen=True, slots=True)
class Lingers:
    """The process that was started has ended, and what it has started does not: no end of the key."""

    pid: int
    problem: str


@dataclass(frozen=True, slots=True)
class Probed:
    """neard's /status answered."""

    probe: int
    public_key: str | None
    height: int
    stranger: str = ""
    """Why it was not the guard's own child that answered; empty if it was."""


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    probe: int
    problem: str
    stranger: str = ""
    """Who listens in place of the guard's own child; empty: nobody else does."""


@dataclass(frozen=True, slots=True)
class KeyShown:
    """neard shows a key, in a look that was taken while it was to have none."""

    probe: int
    """Number of the last probe when the look began: whatever began since makes it void."""
    public_key: str
    stranger: str = ""
    """Why it was not the guard's own child that answered; empty if it was."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The home is fit for a start, and the key link is absent. ``file``: the operation's number."""

    file: int


@dataclass(frozen=True, slots=True)
class PrepareFailed:
    """The home is not fit for a start."""

    file: int
    problem: str


@dataclass(frozen=True, slots=True)
class Linked:
    """The key link is in place."""

    file: int


@dataclass(frozen=True, slots=True)
class LinkFailed:
    """The key could not be put into place, or neard would not take it."""

    file: int
    problem: str


@dataclass(frozen=True, slots=True)
class Unlinked:
    """The key link is absent."""

    file: int
    obstacles: str = ""
    """Why neard would refuse the reload that drops the key; empty: nothing that shows."""


@dataclass(frozen=True, slots=True)
class UnlinkFailed:
    """The key link could not be removed."""

    file: int
    problem: str


@dataclass(frozen=True, slots=True)
class ArmAsked:
    """``claims``: other guards' words by which the agent has shortened its wait."""

    term: int
    deadline: float
    history: str = ""
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantGiven:
    term: int
    deadline: float


@dataclass(frozen=True, slots=True)
class DropAsked:
    term: int
    urgent: bool
    reason: str
    history: str = ""


@dataclass(frozen=True, slots=True)
class VouchAsked:
    """Give a word that this host's key is gone in the term; ``height``: the highest that the agent knows."""

    term: int
    history: str
    height: int
    handover_to: str | None


@dataclass(frozen=True, slots=True)
class CheckAsked:
    """Say what another guard's word is worth."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class RestartAsked:
    """neard's key was dropped and another host takes over: restart it, and do not wait long for its end."""

    reason: str


@dataclass(frozen=True, slots=True)
class DrillAsked:
    """An operator's exercise: neard dies, or neard and guard (``whole``), as if by themselves."""

    whole: bool


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The guard got SIGTERM."""


GuardEvent = (
    Tick
    | Started
    | StartFailed
    | Exited
    | Lingers
    | Probed
    | ProbeFailed
    | KeyShown
    | Prepared
    | PrepareFailed
    | Linked
    | LinkFailed
    | Unlinked
    | UnlinkFailed
    | ArmAsked
    | GrantGiven
    | DropAsked
    | VouchAsked
    | CheckAsked
    | RestartAsked
    | DrillAsked
    | StopAsked
)


# --- effects


@dataclass(frozen=True, slots=True)
class PrepareHome:
    """Look at neard's home and take the key link away, before a start without the key.

    This and the next two are file operations: they may take for ever, so nothing waits for them. They are
    done one after another, in the order in which they were asked for, and each is answered with its number.
    """

    file: int


@dataclass(frozen=True, slots=True)
class LinkKey:
    """Check the credential and put the link into neard's home."""

    file: int


@dataclass(frozen=True, slots=True)
class UnlinkKey:
    """Remove the link, and look whether neard would take the reload that drops the key."""

    file: int


@dataclass(frozen=True, slots=True)
class StartNeard:
    """Start neard on a home that was prepared, or in which the key was linked."""


@dataclass(frozen=True, slots=True)
class SignalReload:
    """SIGHUP."""


@dataclass(frozen=True, slots=True)
class TerminateNeard:
    """SIGTERM."""


@dataclass(frozen=True, slots=True)
class KillNeard:
    """SIGKILL to neard and everything that its command has started."""


@dataclass(frozen=True, slots=True)
class ProbeNeard:
    probe: int


@dataclass(frozen=True, slots=True)
class Report:
    """Log the reason and tell the agent the new state."""

    reason: str
    loud: bool = False
    """As an error: somebody must look."""


@dataclass(frozen=True, slots=True)
class KillGuard:
    """SIGKILL to this process, which neard follows."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Nothing is left to guard."""


GuardEffect = (
    PrepareHome
    | LinkKey
    | UnlinkKey
    | StartNeard
    | SignalReload
    | TerminateNeard
    | KillNeard
    | ProbeNeard
    | Report
    | KillGuard
    | Quit
)
