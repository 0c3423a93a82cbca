"""The orders as they stand in Consul: whatever cannot be understood counts as not there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hafailover.text import is_node_name, unix_time

# Strict: a "2" is no number of blocks, and infinity no time.
_CONFIG = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)
Height = Annotated[int, Field(ge=0, lt=1 << 63)]
LONGEST_PAUSE_S = 7 * 86400.0
Document = TypeVar("Document", bound=BaseModel)


class Pause(BaseModel):
    """Nobody takes over by itself for a while."""

    model_config = _CONFIG

    id: str
    by: str = ""
    reason: str = ""
    until: str
    """UTC; for people, and for agents that start later."""
    for_s: Annotated[float, Field(gt=0, le=LONGEST_PAUSE_S)]
    """No host is held back for longer, however wrong its wall clock is."""

    @property
    def until_unix(self) -> float:
        """:raises ValueError: no time."""
        return unix_time(self.until)


class Drain(BaseModel):
    """A host is not to sign."""

    model_config = _CONFIG

    node: str
    by: str = ""
    reason: str = ""
    at: str = ""


class Plan(BaseModel):
    """A handover at a height, or in a window without duties."""

    model_config = _CONFIG

    id: str
    to: str | None = None
    """``None``: to the best standby at that time."""
    term: Height
    """Another term's active does not carry it out."""
    at_height: Height | None = None
    window_blocks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """So many heights in a row without a block or a chunk to produce."""
    despite_budget: bool = False
    """Also where the validator may not miss much more in this epoch."""
    by: str = ""
    at: str = ""
    state: Literal["waiting", "asked", "done", "failed"] = "waiting"
    text: str = ""
    """What it waits for, or what came of it."""
    start: Height | None = None
    end: Height | None = None
    """The heights from ``start`` up to but without ``end`` that were chosen."""

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed")


class Drill(BaseModel):
    """An exercise that the active's agent is to perform on its own host."""

    model_config = _CONFIG

    id: str
    kind: Literal["neard", "agent", "host"]
    node: str
    term: Height
    despite_budget: bool = False
    """Also where the validator may not miss much more in this epoch."""
    by: str = ""
    refused: str = ""
    """Why the agent did not."""
    taken: bool = False
    """The agent performs it, or has: whoever finds it so does nothing."""


class LastDrill(BaseModel):
    """How the last exercise went. ``succeeded_at``: unix time of the last one that did; 0 for never."""

    model_config = _CONFIG

    kind: str
    ok: bool
    at: str
    text: str = ""
    succeeded_at: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A plan and its ModifyIndex."""

    plan: Plan
    index: int


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Everything that is ordered."""

    pause: Pause | None = None
    pause_index: int = 0
    drains: tuple[Drain, ...] = ()
    plan: Stored | None = None
    drill: Drill | None = None
    drill_index: int = 0
    last_drill: LastDrill | None = None


def utc(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="seconds")


def read_book(entries: dict[str, tuple[int, dict[str, Any] | None]]) -> OrderBook:
    """Makes the book of what lies below the prefix.

    :param entries: ModifyIndex and content by name, such as ``drained/host1``.
    """
    pause: Pause | None = None
    drill: Drill | None = None
    last_drill: LastDrill | None = None
    pause_index, drill_index, plan, drains = 0, 0, None, []
    for name, (index, value) in sorted(entries.items()):
        if value is None:
            continue
        if name == "pause":
            pause, pause_index = _pause(value), index
        elif name == "plan":
            found = _parse(Plan, value)
            plan = Stored(found, index) if found is not None else None
        elif name == "drill":
            drill, drill_index = _parse(Drill, value), index
        elif name == "last_drill":
            last_drill = _parse(LastDrill, value)
        elif name.startswith("drained/") and is_node_name(name.removeprefix("drained/")):
            drain = _parse(Drain, {**value, "node": name.removeprefix("drained/")})
            # A host that somebody wanted drained is, however badly that was written down.
            drains.append(drain or Drain(node=name.removeprefix("drained/"), reason="an unreadable order"))
    return OrderBook(pause, pause_index, tuple(drains), plan, drill, drill_index, last_drill)


def _pause(value: dict[str, Any]) -> Pause | None:
    pause = _parse(Pause, value)
    if pause is None:
        return None
    try:
        _ = pause.until_unix
    except (ValueError, OverflowError):
        return None
    return pause


def _parse(kind: type[Document], value: dict[str, Any]) -> Document | None:
    try:
        return kind.model_validate(value)
    except ValidationError:
        return None
