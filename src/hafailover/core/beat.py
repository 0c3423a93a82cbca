"""The beat: what the holder of the lease publishes under ``heartbeat``, and how it is read back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hafailover.text import is_text

MAX_BEAT_BYTES = 4096
HISTORY_ID = re.compile(r"[0-9a-f]{32}")
WORD = re.compile(r"[0-9a-f]{64}")


class Phase(StrEnum):
    """What the holder of the term is doing."""

    WAITING = "waiting"
    """It holds the lock, waits out its predecessor or its own checks, and has not armed."""
    ACTIVE = "active"
    """It may have armed its neard."""
    RELEASED = "released"
    """Its key is confirmed gone; the lock was released in the same transaction."""
    PASSED = "passed"
    """It gave the lock up before it ever armed; ``inherits`` is what it knew of its predecessor."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat. ``gone_within_s``: the key is gone so many seconds after this beat was sent."""

    term: int
    sequence: int
    node: str
    phase: Phase
    gone_within_s: float
    height: int = 0
    """Highest block height that the holder's neard had when the beat was sent."""
    handover_to: str | None = None
    cause: str = ""
    inherits: Beat | None = None
    """The predecessor's beat, unchanged, in beats of a holder that has not armed."""
    history: str = ""
    """The id of Consul's history that the term belongs to."""
    word: str = ""
    """Its guard's word that the key is gone, in the last beat of a term: :mod:`hafailover.core.words`."""

    def to_json(self) -> str:
        return json.dumps(_plain(self), separators=(",", ":"), sort_keys=True)


class BeatError(ValueError):
    """A heartbeat that cannot be understood; it counts as one never seen."""


@dataclass(frozen=True, slots=True)
class StoredBeat:
    """A beat as Consul holds it. ``index`` (its ModifyIndex) tells two writes of equal content apart."""

    beat: Beat
    index: int


def parse_beat(raw: bytes | str | None) -> Beat | None:
    """Reads a beat. ``None`` for an absent value.

    :raises BeatError: for anything that is not a whole and sensible beat.
    """
    if raw is None:
        return None
    if len(raw) > MAX_BEAT_BYTES:
        raise BeatError(f"heartbeat of {len(raw)} bytes, at most {MAX_BEAT_BYTES} are sensible")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BeatError("heartbeat is not JSON") from error
    return _beat(data, depth=0)


def _plain(beat: Beat) -> dict[str, Any]:
    data: dict[str, Any] = {
        "v": 1,
        "term": beat.term,
        "sequence": beat.sequence,
        "node": beat.node,
        "phase": str(beat.phase),
        "gone_within": beat.gone_within_s,
        "height": beat.height,
    }
    if beat.handover_to is not None:
        data["handover_to"] = beat.handover_to
    if beat.cause:
        data["cause"] = beat.cause
    if beat.history:
        data["history"] = beat.history
    if beat.word:
        data["word"] = beat.word
    if beat.inherits is not None:
        data["inherits"] = _plain(beat.inherits)
    return data


def _beat(data: Any, depth: int) -> Beat:
    if not isinstance(data, dict) or data.get("v") != 1:
        raise BeatError("heartbeat is not an object of version 1")
    gone_within = data.get("gone_within")
    if not isinstance(gone_within, int | float) or isinstance(gone_within, bool):
        raise BeatError("heartbeat has no number gone_within")
    # A shorter promise than any host can keep, or a wait without end, is as bad as no promise.
    if not 0.5 <= gone_within <= 60:
        raise BeatError("heartbeat promises a gone_within outside 0.5 to 60 s")
    try:
        phase = Phase(str(data.get("phase")))
    except ValueError:
        raise BeatError("heartbeat has an unknown phase") from None
    inherits = data.get("inherits")
    if inherits is not None and depth >= 1:
        raise BeatError("heartbeat inherits more than one beat")
    return Beat(
        term=_whole(data, "term"),
        sequence=_whole(data, "sequence"),
        node=_text(data, "node"),
        phase=phase,
        gone_within_s=float(gone_within),
        height=_whole(data, "height"),
        handover_to=_text(data, "handover_to") if data.get("handover_to") is not None else None,
        cause=_text(data, "cause") if data.get("cause") else "",
        inherits=_beat(inherits, depth + 1) if inherits is not None else None,
        history=_hex(data, "history", HISTORY_ID),
        word=_hex(data, "word", WORD),
    )


def _hex(data: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = data.get(name, "")
    if value == "":
        return ""
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise BeatError(f"heartbeat has a {name} that is none")
    return value


def _whole(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise BeatError(f"heartbeat has no whole number {name}")
    return value


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not is_text(value) or not value or len(value) > 256:
        raise BeatError(f"heartbeat has no text {name}")
    return value
