"""The lines of JSON between agent and guard, over a Unix socket.

The agent sends commands, one object a line: ``{"op": "arm", "term": 7, "deadline": 1234.5}``. The guard
answers each with its whole state and sends it, unasked, whenever it changes. Deadlines are CLOCK_BOOTTIME
seconds, which both processes read from the same kernel, so a line that was delayed cannot stretch a grant.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar

from hafailover.core.beat import HISTORY_ID, WORD
from hafailover.core.effects import ArmGuard, CheckWord, DropGuard, Vouch
from hafailover.core.views import GuardView, KeyState, NeardPhase
from hafailover.core.words import Checked, Claim, Scope
from hafailover.guard import model as m
from hafailover.text import is_text

E = TypeVar("E", bound=StrEnum)

VERSION = 2
"""Of the guard's reports: since 2 they name the history that a term is of."""
MAX_LINE_BYTES = 64 * 1024
MOST_TERM = 1 << 53
"""A term is an index of Consul's: a thousand writes a second reach this in 285000 years."""
MAX_CLAIMS = 8
MAX_NAME_CHARS = 256

PING: dict[str, Any] = {"op": "ping"}


class ProtocolError(ValueError):
    """A line that is not of this protocol; its sender is disconnected."""


@dataclass(frozen=True, slots=True)
class GuardReport:
    """One line of the guard's: what the core needs, and figures for people and metrics."""

    view: GuardView
    event: str = ""
    """What has just happened, in words; empty in answers to pings."""
    guard_pid: int = 0
    neard_pid: int | None = None
    restarts: int = 0
    load_s: float | None = None
    drop_s: float | None = None


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """:raises ProtocolError: not one JSON object of a sensible size."""
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"a line of {len(line)} bytes")
    try:
        # As UTF-8 alone: json would take UTF-16 as well, whose lines end elsewhere.
        data = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise ProtocolError("a line that is not JSON") from None
    if not isinstance(data, dict):
        raise ProtocolError("a line that is not an object")
    return data


def order_of(effect: ArmGuard | DropGuard | Vouch | CheckWord) -> dict[str, Any]:
    """The command by which the agent has the guard do what the core wants."""
    match effect:
        case ArmGuard():
            op = "arm"
        case DropGuard():
            op = "drop"
        case Vouch():
            op = "vouch"
        case CheckWord():
            op = "check"
    return {"op": op, **asdict(effect)}


def parse_command(data: dict[str, Any]) -> m.GuardEvent | None:
    """The event that a command asks for; ``None`` for a ping.

    :raises ProtocolError: an unknown command or a value that is missing or of the wrong kind.
    """
    match data.get("op"):
        case "ping":
            return None
        case "arm":
            return m.ArmAsked(_term(data), _deadline(data), _history(data), _claims(data))
        case "grant":
            return m.GrantGiven(_term(data), _deadline(data))
        case "drop":
            urgent = data.get("urgent") is not False
            return m.DropAsked(_term(data), urgent, _reason(data), _history(data))
        case "vouch":
            return m.VouchAsked(
                _term(data), _history(data), _whole(data, "height"), _name(data, "handover_to")
            )
        case "check":
            return m.CheckAsked(_claim(data.get("claim")))
        case "restart":
            return m.RestartAsked(_reason(data))
        case "drill":
            return m.DrillAsked(data.get("whole") is True)
    raise ProtocolError("an unknown command")


def describe(guard: m.Guard, event: str, guard_pid: int, *, tier1: bool = False) -> dict[str, Any]:
    """The guard's state as it goes over the socket.

    :param tier1: whether neard was started with a config.json that leaves TIER1 on.
    """
    return {
        "v": VERSION,
        "event": event,
        "guard_pid": guard_pid,
        "neard": str(guard.phase),
        "neard_pid": guard.pid,
        "key": str(guard.key),
        "term": guard.term,
        "retired": guard.retired,
        "refused_term": guard.refused_term,
        "tainted": guard.tainted,
        "drop_budget_s": guard.config.drop_budget_s,
        "height": guard.height,
        "problem": "; ".join(filter(None, (guard.stranger, guard.file_problem or guard.problem))),
        "alarm": guard.alarm,
        "tier1": tier1,
        "public_key": guard.config.public_key,
        "account_id": guard.config.account_id,
        "restarts": max(guard.restarts, 0),
        "load_s": guard.load_s,
        "drop_s": guard.drop_s,
        "history": guard.history,
        "word": asdict(guard.word) if guard.word is not None else None,
        "checked": asdict(guard.checked) if guard.checked is not None else None,
    }


def parse_report(data: dict[str, Any]) -> GuardReport:
    """:raises ProtocolError: anything but a whole report of this version."""
    if data.get("v") != VERSION:
        raise ProtocolError("a guard of another version; restart it (unit neard.service)")
    view = GuardView(
        neard=_one_of(NeardPhase, data, "neard"),
        key=_one_of(KeyState, data, "key"),
        term=_whole(data, "term"),
        public_key=_text(data, "public_key"),
        account_id=_text(data, "account_id"),
        tainted=data.get("tainted") is True,
        height=_whole(data, "height"),
        problem=_text(data, "problem"),
        refused_term=_whole(data, "refused_term"),
        retired=_whole(data, "retired"),
        alarm=_text(data, "alarm") if "alarm" in data else "",
        tier1=data.get("tier1") is True,
        drop_budget_s=_duration(data.get("drop_budget_s")) or 0.0,
        history=_history(data),
        word=_claim(data["word"]) if data.get("word") is not None else None,
        checked=_checked(data.get("checked")),
    )
    pid = data.get("neard_pid")
    return GuardReport(
        view=view,
        event=_text(data, "event"),
        guard_pid=_whole(data, "guard_pid"),
        neard_pid=pid if isinstance(pid, int) and pid > 1 else None,
        restarts=_whole(data, "restarts"),
        load_s=_duration(data.get("load_s")),
        drop_s=_duration(data.get("drop_s")),
    )


def _history(data: dict[str, Any]) -> str:
    value = data.get("history", "")
    if value == "":
        return ""
    if not isinstance(value, str) or HISTORY_ID.fullmatch(value) is None:
        raise ProtocolError("no id of a history")
    return value


def _claims(data: dict[str, Any]) -> tuple[Claim, ...]:
    value = data.get("claims", [])
    if not isinstance(value, list) or len(value) > MAX_CLAIMS:
        raise ProtocolError("no list of claims")
    return tuple(_claim(one) for one in value)


def _claim(data: Any) -> Claim:
    if not isinstance(data, dict):
        raise ProtocolError("no claim")
    node, word = _name(data, "node"), data.get("word")
    if node is None or not isinstance(word, str) or WORD.fullmatch(word) is None:
        raise ProtocolError("a claim without its node or its word")
    return Claim(_term(data), _history(data), node, _whole(data, "height"), _name(data, "handover_to"), word)


def _checked(data: Any) -> Checked | None:
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ProtocolError("no known value of checked")
    return Checked(_claim(data.get("claim")), _one_of(Scope, data, "scope"))


def _name(data: dict[str, Any], name: str) -> str | None:
    """A host's name, or none at all."""
    value = data.get(name)
    if value is None:
        return None
    if not is_text(value) or not value or len(value) > MAX_NAME_CHARS:
        raise ProtocolError(f"no name {name}")
    return value


def _term(data: dict[str, Any]) -> int:
    term = _whole(data, "term")
    if term == 0:
        raise ProtocolError("a term of 0")
    if term >= MOST_TERM:
        raise ProtocolError(f"a term of {term}, which no lock of Consul's ever has")
    return term


def _deadline(data: dict[str, Any]) -> float:
    value = _seconds(data.get("deadline"))
    if value is None:
        raise ProtocolError("no deadline")
    return value


def _seconds(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def _duration(value: Any) -> float | None:
    seconds = _seconds(value)
    return seconds if seconds is not None and seconds >= 0 else None


def _reason(data: dict[str, Any]) -> str:
    return _text(data, "reason")[:500]


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not is_text(value):
        raise ProtocolError(f"no text {name}")
    return value


def _one_of(kind: type[E], data: dict[str, Any], name: str) -> E:
    try:
        return kind(_text(data, name))
    except ValueError:
        # Python's own message would show what stands there, whatever that is.
        raise ProtocolError(f"no known value of {name}") from None


def _whole(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ProtocolError(f"no whole number {name}")
    return value
