"""The documents that hosts publish below the pool's prefix: their own record, and the history."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hafailover.core.views import Member
from hafailover.lock.roster import Entry

# Strict: a "yes" is not yet ready, and NaN is no time.
_CONFIG = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)
Whole = Annotated[int, Field(gt=-(1 << 63), lt=1 << 63)]
"""What fits into the metrics, and into other programs' numbers."""


Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class DutyRecord(BaseModel):
    """The duties of one kind of a host that signs: blocks, chunks or endorsements, produced of expected."""

    model_config = _CONFIG

    produced: Count = 0
    """Since it signs."""
    expected: Count = 0
    recent_produced: Count = 0
    """Of the latest, as many as the grade is about."""
    recent_expected: Count = 0
    long_produced: Count = 0
    """Of the latest hundred or somewhat more; of all where there were no more yet."""
    long_expected: Count = 0
    epoch_produced: Count = 0
    """In this epoch, by whichever host."""
    epoch_expected: Count = 0
    last_s: Annotated[float, Field(ge=0, lt=1 << 40)] | None = None
    """How long ago one was last seen done; ``None``: none since it signs."""


class ProductionRecord(BaseModel):
    """What the chain shows of the duties of a host that signs."""

    model_config = _CONFIG

    grade: str = ""
    """One of :class:`hafailover.core.production.Grade`; anything else is as if nothing were known."""
    since: str = ""
    """UTC time for people: since when it signs."""
    blocks: DutyRecord = Field(default_factory=DutyRecord)
    chunks: DutyRecord = Field(default_factory=DutyRecord)
    endorsements: DutyRecord = Field(default_factory=DutyRecord)
    head_age_s: Annotated[float, Field(ge=0, lt=1 << 40)] | None = None
    """How long ago the newest block that its neard has was made, or was first seen; ``None``: not known."""
    alone: bool = False
    """No block comes in any more, and other hosts of the pool have newer ones."""
    unknown_s: Annotated[float, Field(ge=0, lt=1 << 40)] = 0.0
    """For how long neard has not told what it does."""
    why: str = ""
    """Why not."""
    routing: str = ""
    """The host's ``neard.validator_routing``, which the likely cause depends on; empty of older versions."""
    signs_s: Annotated[float, Field(ge=0, lt=1 << 40)] | None = None
    """For how long its key has been loaded; ``None`` of older versions."""


class Allowance(BaseModel):
    """How many duties of one kind may still be missed in this epoch, by one rule of the network."""

    model_config = _CONFIG

    rule: Literal["early_kickout", "seat"]
    """early_kickout: a shard's chunks go to others within the epoch. seat: the validator loses its seat."""
    duty: Literal["blocks", "chunks", "endorsements"]
    shard: Count | None = None
    missed: Count
    missable: Count
    """In a row, from now on. More, and the rule strikes."""
    full: Count
    """What ``missable`` would be if nothing had been missed in this epoch."""
    minutes: Annotated[float, Field(ge=0)] | None = None
    """In which so many come up, at this epoch's share of slots; ``None``: not known, or out of reach."""
    in_force: bool
    """Whether the rule holds for this validator: EarlyKickout does from protocol 87 on."""
    out_of_reach: bool
    """The epoch ends before so many come up."""
    lost: bool
    low: bool
    """The rule holds and is in reach, and less than half of ``full`` is left."""

    @property
    def ratio(self) -> float:
        """Of the budget that is left, from 0 to 1."""
        if self.lost:
            return 0.0
        return 1.0 if self.out_of_reach or not self.full else min(1.0, self.missable / self.full)


class Budget(BaseModel):
    """What a validator may still miss in this epoch, by a host's neard."""

    model_config = _CONFIG

    epoch_start: Count
    height: Count
    blocks_left: Count
    """Until the epoch ends."""
    protocol: Count | None = None
    source: Literal["protocol_config", "genesis_config", "mainnet"]
    """Where the thresholds come from: neard, or mainnet's where neard does not tell."""
    rows: Annotated[list[Allowance], Field(max_length=64)]


class NodeRecord(BaseModel):
    """A host's record of itself; figures are those of the moment it was written."""

    model_config = _CONFIG

    v: int = 1
    node: str
    agent: str = ""
    """Of the process that wrote it: made anew at each start."""
    role: str = "starting"
    reason: str = ""
    role_since: str = ""
    """UTC time for people, of the host's own wall clock."""
    ready: bool = False
    priority: Whole = 0
    height: Whole = 0
    lag: Whole = 0
    syncing: bool | None = None
    peers: Whole | None = None
    neard_version: str = ""
    agent_version: str = ""
    profile: str = ""
    timing: str = ""
    """What differs from the profile, such as ``fence_after_s=6``."""
    public_key: str = ""
    term: Whole = 0
    lease_left_s: float | None = None
    """Seconds until the active fences itself unless another beat succeeds."""
    gates: dict[str, str | None] = Field(default_factory=dict)
    """What a standby must meet, by name: an empty text if it does, ``None`` if that is not known."""
    disk_free_bytes: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    """Of the file system of neard's home, for neard; ``None`` where it is not known, or the disk hangs."""
    disk_free_ratio: float | None = None
    clock_ahead_s: Annotated[int, Field(gt=-(1 << 40), lt=1 << 40)] | None = None
    """This host's wall clock against the chain's timestamps, in whole seconds; ``None``: not known yet."""
    foreign: str = ""
    """What the chain shows of somebody else who signs with the pool's key, and what to do; empty: nothing."""
    duties_due: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    """Of a host that signs: blocks, chunks and endorsements that were due without any being done."""
    duties_due_s: Annotated[float, Field(ge=0, lt=1 << 40)] | None = None
    """For how long; 0 where none is due."""
    no_duty_since: str = ""
    """UTC time for people: when the last duty was seen done, or this host began to sign."""
    production: ProductionRecord | None = None
    """``None`` of a host that does not sign, or whose neard does not tell, or whose agent is older."""
    state_dir: str = ""
    """Why the agent cannot write into its state folder; empty if it can."""
    prepared_for: str | None = None
    """The switchover that this host has seen and is ready to be the target of."""
    steady: bool = True
    """Whether a planned switchover to this host costs nothing."""
    blocks_lacking: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """How many more blocks it has to see come in before it knows how old its neard's head is."""
    guard_problem: str = ""
    """Why its guard would not arm now, such as a neard that it has not started itself."""
    alarm: str = ""
    """What its guard has seen and must never be: a neard with a key that it had not given to it."""
    routing_problem: str = ""
    """That its neard was started with TIER1 on against ``neard.validator_routing``, and what that costs."""
    node_key: str = ""
    """Public key of neard's node_key.json, as its RPC shows it."""
    budget: Budget | None = None
    """What the validator may still miss in this epoch; ``None``: not known, or it is none."""
    budget_unknown_s: Annotated[float, Field(ge=0, lt=1 << 40)] | None = None
    """For how long that, or the protocol that EarlyKickout goes by, has not been known; 0: it is, or the
    account has no seat; ``None`` of older versions."""
    budget_unknown: str = ""
    """Why not."""


class TermRecord(BaseModel):
    """One entry of the history: a host ``began`` or ``ended`` a term, its ``measured`` cost, a ``drill``.

    Also that what it signed did not arrive (``not_producing``), or did again (``producing``), with how much.
    """

    model_config = _CONFIG

    v: int = 1
    event: str
    term: Whole
    node: str
    cause: str = ""
    from_node: str | None = None
    height: Whole = 0
    waited_s: float = 0.0
    silent_s: float | None = None
    """From the predecessor's last sign of life, as this host saw it, to the loaded key."""
    blocks_missed: Whole | None = None
    chunks_missed: Whole | None = None
    endorsements_missed: Whole | None = None
    """Of a ``measured`` or a ``drill``; ``None`` in those of older versions."""
    blocks_expected: Whole | None = None
    """Of a ``measured``: so many were due in the time that the missed ones are of."""
    chunks_expected: Whole | None = None
    endorsements_expected: Whole | None = None
    ok: bool | None = None
    """Of a ``drill``: whether it went as it should; ``cause`` is its kind."""
    seconds: float | None = None
    """Of a drill: from its beginning to a pool that signs as it should."""
    public_key: str = ""
    at: str = ""


def parse_record(entry: Entry) -> NodeRecord:
    """A host's record; one that cannot be understood shows as such instead of hiding the host."""
    try:
        return NodeRecord.model_validate({**entry.data, "node": entry.node})
    except ValidationError:
        return NodeRecord(node=entry.node, role="unknown", reason="its record cannot be understood")


def member_of(entry: Entry) -> Member:
    """The core's view of a host's record."""
    record = parse_record(entry)
    alive = entry.session is not None
    return Member(
        node=record.node,
        alive=alive,
        ready=alive and record.ready,
        priority=record.priority,
        height=record.height,
        lag=record.lag,
        role=record.role,
        reason=record.reason,
        neard_version=record.neard_version,
        prepared_for=record.prepared_for,
        steady=record.steady,
        blocks_lacking=record.blocks_lacking,
    )


def parse_history(entries: list[dict[str, Any]]) -> list[TermRecord]:
    """The history's entries that can be understood, oldest first."""
    records = []
    for entry in entries:
        try:
            records.append(TermRecord.model_validate(entry))
        except ValidationError:
            continue
    return records
