"""What is told: one notice, its JSON document, and its words. Pure but for the id and the time."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from hafailover import __version__
from hafailover.text import one_line

VERSION = 1
"""Of the JSON document: it grows when a field changes its meaning or goes away, not when one is added."""
LONGEST_CAUSE = 500


class What(StrEnum):
    """The kinds of notices. Who sends which, and why, is in docs/notifications.md."""

    BECAME_ACTIVE = "became_active"
    CEASED = "ceased"
    FENCED = "fenced"
    RESUMED = "resumed"
    DRILL_FAILED = "drill_failed"
    FOREIGN_SIGNER = "foreign_signer"
    NOT_PRODUCING = "not_producing"
    PRODUCING = "producing"
    TEST = "test"


class Severity(StrEnum):
    """How much it matters to somebody who is asleep."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened. ``summary`` goes on where the account's name ends: "host2 signs now"."""

    what: What
    severity: Severity
    term: int
    summary: str
    text: str
    cause: str = ""
    from_node: str | None = None
    to_node: str | None = None
    planned: bool | None = None
    height: int | None = None
    waited_s: float | None = None
    """How long a successor held the lock before it signed."""
    silent_s: float | None = None
    """From the predecessor's last sign of life, as its successor saw it, to the loaded key."""
    subject: str = ""
    """Tells apart what is of the same kind and term, and yet not the same."""
    suppressed: int = 0
    """How many like it were not told before it."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: str = field(default_factory=_now)
    """UTC, of this host's wall clock."""

    @property
    def key(self) -> tuple[str, int, str]:
        """What is the same event of the same term."""
        return str(self.what), self.term, self.subject

    def again(self, suppressed: int) -> Notice:
        """The same after so many that were kept back."""
        return replace(self, suppressed=suppressed)


@dataclass(frozen=True, slots=True)
class Message:
    """A notice as channels take it."""

    id: str
    what: str
    severity: Severity
    title: str
    text: str
    document: dict[str, Any]


def message(notice: Notice, account_id: str, node: str) -> Message:
    """The notice as this host tells it.

    :param node: this host, which the notice comes from.
    """
    title = one_line(f"{account_id}: {notice.summary}")
    text = one_line(notice.text)
    if notice.suppressed:
        text += f" {notice.suppressed} like this one were not sent since the last."
    document = {
        "version": VERSION,
        "id": notice.id,
        "event": str(notice.what),
        "severity": str(notice.severity),
        "account_id": account_id,
        "reported_by": node,
        "at": notice.at,
        "term": notice.term,
        "from": notice.from_node,
        "to": notice.to_node,
        "cause": one_line(notice.cause[:LONGEST_CAUSE]),
        "planned": notice.planned,
        "height": notice.height,
        "waited_s": notice.waited_s,
        "silent_s": notice.silent_s,
        "suppressed": notice.suppressed,
        "title": title,
        "text": text,
        "agent_version": __version__,
    }
    return Message(notice.id, str(notice.what), notice.severity, title, text, document)
