"""The guard's memory, what comes in and what goes out: plain values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hafailover.core.views import KeyState, NeardPhase
from hafailover.core.words import Checked, Claim

if TYPE_CHECKING:
    from hafailover.guard.word import WordKey


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """Times in seconds."""

    public_key: str
    account_id: str
    node: str = ""
    """This host's name, which stands in the words that it gives."""
    words: WordKey | None = field(default=None, repr=False, compare=False)
    """What makes and checks words; a guard without it gives none and believes none."""
    hot_swap: bool = True
    drop_budget_s: float = 1.5
    load_s: float = 3.0
    """A hot load that is not confirmed by then is taken back."""
    resend_s: float = 0.25
    """A signal can be lost while neard reads its files: repeated until /status shows the effect."""
    drop_resend_s: float = 0.1
    stop_s: float = 60.0
    """How long a neard that is stopped without hurry gets before SIGKILL."""
    backoff_first_s: float = 1.0
    backoff_most_s: float = 60.0
    stable_s: float = 300.0
    """A neard that ran so long starts again without a longer pause."""


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
class Probed:
    """neard's /status answered."""

    probe: int
    public_key: str | None
    height: int


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    probe: int
    problem: str


@dataclass(frozen=True, slots=True)
class LinkFailed:
    """The key could not be put into place, or neard would not take it."""

    problem: str


@dataclass(frozen=True, slots=True)
class UnlinkFailed:
    """The key link could not be removed, or neard would refuse the reload that drops the key."""

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
    | Probed
    | ProbeFailed
    | LinkFailed
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
class StartNeard:
    """Start neard; the key link is absent unless ``LinkKey`` came just before."""


@dataclass(frozen=True, slots=True)
class LinkKey:
    """Check the credential and put the link into neard's home."""


@dataclass(frozen=True, slots=True)
class UnlinkKey:
    """Remove the link, and if neard may hold the key, check that it would take the reload."""

    loaded: bool = True


@dataclass(frozen=True, slots=True)
class SignalReload:
    """SIGHUP."""


@dataclass(frozen=True, slots=True)
class TerminateNeard:
    """SIGTERM."""


@dataclass(frozen=True, slots=True)
class KillNeard:
    """SIGKILL to neard and its process group."""


@dataclass(frozen=True, slots=True)
class ProbeNeard:
    probe: int


@dataclass(frozen=True, slots=True)
class Report:
    """Log the reason and tell the agent the new state."""

    reason: str


@dataclass(frozen=True, slots=True)
class KillGuard:
    """SIGKILL to this process, which neard follows."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Nothing is left to guard."""


GuardEffect = (
    StartNeard
    | LinkKey
    | UnlinkKey
    | SignalReload
    | TerminateNeard
    | KillNeard
    | ProbeNeard
    | Report
    | KillGuard
    | Quit
)
