"""What the core knows of the world: immutable views, each made by one adapter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hafailover.core.words import Checked, Claim

FORCED = "forced by "
"""So begins, in the history, the cause of a term without a lease."""


KNOWN_BY_BLOCKS = 10
"""After so many blocks that it has seen come in, a host knows how old its neard's head is."""


class NeardPhase(StrEnum):
    """The life of the neard process, as the guard sees it."""

    DOWN = "down"
    BOOTING = "booting"
    """It runs, its RPC has not answered yet."""
    UP = "up"
    STOPPING = "stopping"


class KeyState(StrEnum):
    """Whether neard holds the validator key, as far as it is confirmed."""

    ABSENT = "absent"
    LOADING = "loading"
    LOADED = "loaded"
    DROPPING = "dropping"


@dataclass(frozen=True, slots=True)
class GuardView:
    """The guard's own report of itself and its neard."""

    neard: NeardPhase
    key: KeyState
    term: int = 0
    """The term it holds or last held a grant for; 0 for none."""
    public_key: str = ""
    """Of the credential that it would load."""
    account_id: str = ""
    tainted: bool = False
    """This neard process has held the key at some time."""
    height: int = 0
    """Head height when the key's absence was last confirmed."""
    problem: str = ""
    """Why it cannot arm, in words; empty if it can."""
    refused_term: int = 0
    """The last term whose arming it refused or failed."""
    drop_budget_s: float = 0.0
    """From its decision to drop to the key's absence, as it was started with."""
    retired: int = 0
    """The highest term that it will never arm again. With the key absent, this is the proof of a drop."""
    alarm: str = ""
    """It has seen a neard with a key that it had not given to it; kept until the guard starts anew."""
    tier1: bool = False
    """Its neard was started with a config.json that leaves TIER1 on; for people, nothing is decided by it."""
    history: str = ""
    """Of Consul's history: what ``term``, ``retired`` and ``refused_term`` belong to."""
    word: Claim | None = None
    """The last word that it gave."""
    checked: Checked | None = None
    """What it made of the last word that it was asked about."""


@dataclass(frozen=True, slots=True)
class NeardView:
    """One good answer of neard's ``/status`` (and what goes with it)."""

    height: int
    syncing: bool
    public_key: str | None
    """The validator key that neard says it has loaded."""
    version: str = ""
    peers: int | None = None
    shadow: bool | None = None
    """Whether it tracks the pool's shards without the key; ``None``: not known."""
    head_age_s: float = 0.0
    """How long before this answer the head's block was made, as the chain's timestamps tell."""
    steady: bool = True
    """Blocks have come in time for a while."""
    live: bool = True
    """It is steady, and the head is as new as can be: nothing is missing."""
    node_key: str = ""
    """Public key of its node_key.json."""
    blocks_lacking: int = 0
    """So many more of :data:`KNOWN_BY_BLOCKS` blocks are to be seen before the head's age is known."""
    looked_at: float | None = None
    """When neard answered, on this host's CLOCK_BOOTTIME: the news may be older than its arrival."""


@dataclass(frozen=True, slots=True)
class LockView:
    """The lock key as last seen. ``index``: its ModifyIndex, which while held is the holder's term."""

    session: str | None
    node: str | None
    index: int


@dataclass(frozen=True, slots=True)
class Member:
    """Another host's record of itself."""

    node: str
    alive: bool
    ready: bool
    priority: int
    height: int
    lag: int
    role: str = ""
    reason: str = ""
    neard_version: str = ""
    prepared_for: str | None = None
    """The wish that it has seen and is ready to be the target of."""
    steady: bool = True
    """A planned handover to it costs nothing: it could sign at once, and its neard will not be restarted."""
    blocks_lacking: int = 0
    """So many more blocks it has to see before it knows how old its head is: till then it waits for another
    block before it signs."""


def seconded(heights: Iterable[int]) -> int:
    """The highest block height that two hosts at least have reached; of fewer than three hosts the highest.

    :param heights: one of each host.
    """
    ordered = sorted(heights, reverse=True)
    return ordered[1] if len(ordered) > 2 else max(ordered, default=0)


@dataclass(frozen=True, slots=True)
class Request:
    """An operator's wish to move the key to the host named ``to``."""

    id: str
    to: str
    term: int
    """The term it was meant for: a wish that outlived its time moves nothing."""
    from_height: int = 0
    """The key moves once the active's own head is so high, and not before; 0: at once."""
    to_height: int = 0
    """Its head must not be higher by then, or the time is missed; 0: no limit."""
    despite_budget: bool = False
    """Also where the validator may not miss much more in this epoch."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What operators have ordered for the pool. It stands until it is taken back or has run out."""

    paused_until: float = -1e9
    """Until then, on this host's CLOCK_BOOTTIME, nobody takes over but who is named or was the active."""
    drained: frozenset[str] = frozenset()
    """Hosts that are not to sign."""


class Role(StrEnum):
    """What a host is to its pool."""

    STARTING = "starting"
    SYNCING = "syncing"
    STANDBY = "standby"
    DRAINED = "drained"
    PROMOTING = "promoting"
    ACTIVE = "active"
    DEMOTING = "demoting"
    FENCED = "fenced"
    FORCED = "forced"
    """It signs without a lease, by an operator's order."""
