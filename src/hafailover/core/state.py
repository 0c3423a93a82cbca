"""The core's memory: what is known, what is held, and the limits it decides by."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.core.changed import replace
from hafailover.core.effects import Effect
from hafailover.core.production import HeadSeen, Tally
from hafailover.core.sightings import Sightings, Wait
from hafailover.core.views import GuardView, LockView, Member, NeardView, Orders, Request, Role
from hafailover.core.words import Claim, Vouches
from hafailover.core.work import Chain
from hafailover.timing import Profile


@dataclass(frozen=True, slots=True)
class Config:
    """What the operator chose. Times in seconds, heights in blocks."""

    node: str
    account_id: str
    profile: Profile
    priority: int = 0
    hot_swap: bool = True
    require_shadow: bool = True
    """A standby must track the pool's shards to be ready; not so where promotion restarts neard."""
    max_lag_blocks: int = 5
    min_peers: int = 1
    max_head_age_s: float = 30.0
    """A head that has not moved for so long, while others moved on, is not fresh."""
    arm_timeout_s: float = 4.0
    """From asking the guard to arm to the key's confirmed load."""
    settle_s: float = 0.2
    """After a holder whose neard died: time for the last block it may have signed to get here."""
    patience_s: float = 3.0
    """How long a new holder whose own neard is not fit waits for it before it passes the lock on."""
    rpc_silent_s: float = 5.0
    """An active whose neard's RPC has not answered for so long gives way to a ready standby."""
    unfit_s: float = 10.0
    """The same for an active whose neard is syncing or lags behind the others."""
    backoff_s: float = 5.0
    """After giving up the lock, the time for others to try."""
    handover_headstart_s: float = 3.0
    """How long others leave the lock to the named target of a handover."""
    restart_after_drop: bool = True
    """A neard that held the key is restarted as the lock goes to another host."""
    abandon_s: float = 45.0
    """A lease that could not be proved for so long is given up together with its session."""
    prepare_s: float = 3.0
    """How long the target of a switchover has to say that it is there and ready."""


class Stage(StrEnum):
    """What a holder of the lock is about."""

    WAITING = "waiting"
    ARMING = "arming"
    ARMED = "armed"
    FENCED = "fenced"
    DROPPING = "dropping"
    RELEASING = "releasing"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Hold:
    """The lease of this host, from the acquisition of the lock to its end."""

    session: str
    term: int
    stage: Stage
    stage_since: float
    acquired_at: float
    wait: Wait
    predecessor: StoredBeat | None
    first: bool = False
    """No active before it is on record: the chain must show that nobody else signs."""
    sequence: int = 0
    """Of the last beat sent; each try has its own."""
    proven_at: float | None = None
    """When the last beat that succeeded was sent; none has, as long as it is ``None``."""
    next_beat_at: float = 0.0
    beat_in_flight: bool = False
    release_in_flight: bool = False
    restart_told: bool = False
    """neard, which has had the key, was told to restart, since another host takes over."""
    gone_within_s: float = 0.0
    """What the beats publish."""
    ever_armed: bool = False
    gone_height: int | None = None
    """The head when the key, once loaded, was first reported to be absent; news of the end may come later."""
    cause: str = ""
    """Why the term ends; for the history and for the successor."""
    handover_to: str | None = None
    final: Phase = Phase.PASSED
    """The phase of the beat that goes with the release."""
    drop_told: int = 0
    """Of the guard's reports, the last one before it was told to drop."""
    killed_hand: bool = False
    doubt_until: float = 0.0
    """After a lapse in the proof: until then another may have the key, if Consul was restored meanwhile."""
    history: str = ""
    """The id of Consul's history in which the lock was taken; it stays the term's own whatever comes."""
    began_at: float = 0.0
    """When the acquisition's answer came: a predecessor's beat that was never seen counts from here."""
    highest_term: int = 0
    """The highest term that was known of when this one began."""
    handed: bool = False
    """It has watched live the term that was handed over to it: a short memory does not hold it back."""
    asked: frozenset[Claim] = frozenset()
    """Words of others that the guard was asked about."""
    good: tuple[Claim, ...] = ()
    """Those that it found good, by which the wait was shortened."""
    gone_since: float | None = None
    """Since when this host's own key is confirmed gone, while its guard's word for that is awaited."""
    vouch_at: float = 0.0
    """When the guard is asked for its word again."""
    word: Claim | None = None
    """Its word for the end of this term."""
    witnessed_at: float | None = None
    """When a block of the pool's account was last seen to appear, before this host armed."""

    @property
    def passed_on(self) -> Beat | None:
        """The predecessor's beat as it is passed on: one that it had inherited itself, or its own."""
        if self.predecessor is None:
            return None
        beat = self.predecessor.beat
        if beat.phase is Phase.PASSED:
            return beat.inherits
        return replace(beat, inherits=None)


@dataclass(frozen=True, slots=True)
class Forced:
    """This host signs without a lease: see :mod:`hafailover.core.forced`."""

    order: str
    by: str
    term: int
    since: float
    silent_at: float
    """When Consul was last asked in vain, which is what the guard's deadline counts from."""
    loaded_at: float | None = None
    leaving: str = ""
    """Why the key goes; empty as long as it stays."""
    drop_told: int = 0
    history: str = ""


@dataclass(frozen=True)
class State:
    """Everything the core remembers between two events. It has no slots: see ``core/changed.py``."""

    config: Config
    role: Role = Role.STARTING
    reason: str = "the agent has just started"
    role_since: float = 0.0
    last_now: float = 0.0
    awake_at: float = -1e9
    """When this process last came back from a stall of its own."""

    session: str | None = None
    lock: LockView | None = None
    lock_at: float = 0.0
    """When the lock's present holder was first seen."""
    free_since: float | None = None
    heartbeat: StoredBeat | None = None
    sightings: Sightings = field(default_factory=Sightings)
    watching_since: float | None = None
    """Since when this process has watched the heartbeat without a gap; ``None`` if it does not yet."""
    dropped: frozenset[Claim] = frozenset()
    """Records of lost terms; none of them is believed before the guard has checked its word."""
    history: str = ""
    """The id of Consul's history. Terms, sightings, records and words mean nothing in another one."""
    past_histories: tuple[str, ...] = ()
    vouches: Vouches = field(default_factory=Vouches)
    """What guards' words that were checked have said in this history."""
    members: tuple[Member, ...] = ()
    pool_public_key: str | None = None
    members_at: float = -1e9
    request: Request | None = None
    request_at: float = 0.0
    """When it was first seen; it is decided by records that were read later."""
    look_at: float = 0.0
    """When the others' records are to be read again for the request's sake."""
    answered_request: str | None = None
    budget_low: str = ""
    """Why a request is refused that does not say ``despite_budget``; empty: it is not."""
    orders: Orders = field(default_factory=Orders)

    neard: NeardView | None = None
    neard_at: float | None = None
    neard_error: str = ""
    last_head: int = 0
    """The head that neard last told of; a neard that has died since may have signed up to it."""
    height_at: float = 0.0
    """When neard's head height last changed."""
    unfit_since: float | None = None
    chain: Chain = field(default_factory=Chain)
    """The account's work, as the chain counts it."""
    production: Tally = field(default_factory=Tally)
    """What the pool was to do and did since this host signs."""
    head_seen: HeadSeen | None = None
    """neard's newest block, for what production says; never forgotten."""
    quiet_since: float = -1e9
    """When this host last took the lock for the first time since its head has moved."""

    guard: GuardView | None = None
    guard_at: float = 0.0
    guard_reports: int = 0
    """How many reports of guards have come."""
    hand_gone: bool = False
    killed_after: int = -1
    """After which of its reports a silent guard was killed, without a lock being held."""

    hold: Hold | None = None
    forced: Forced | None = None
    answered_at: float = 0.0
    """When Consul's leader last answered this host, at the earliest the agent's start."""
    acquiring: bool = False
    acquire_at: float = 0.0
    """Until then a free lock is left to others."""
    retry_at: float = 0.0
    """Until then no further attempt on the lock is made."""
    ended_term: int = 0
    """The highest term of ours that is over: never taken up again."""
    watching_closely: bool = False
    expected_request: str | None = None
    """The handover to this host that it has prepared for."""
    stray_term: int = -1
    """The term whose key the guard was told to drop, since this host does not hold the lock."""
    restarted_for: int = 0
    """The term for whose sake the once-armed neard was told to restart."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One step's result. ``reason`` is the state's own, in words fit for a log and a status page."""

    state: State
    effects: tuple[Effect, ...]
    reason: str


Step = tuple[State, list[Effect]]
