"""What an examination found: one line each, with what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    OK = "ok"
    INFO = "info"
    """Worth knowing; nothing has to be done."""
    SKIPPED = "skipped"
    """It could not be seen; the text says why."""
    WARNING = "warning"
    """It works, but not as well or as safely as it could."""
    ERROR = "error"
    """A failover, or signing itself, would not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``id`` is stable, for programs; ``node`` is the host that it is about, empty for this one or all."""

    id: str
    severity: Severity
    text: str
    remedy: str = ""
    node: str = ""

    def to_plain(self) -> dict[str, str]:
        return {
            "id": self.id,
            "severity": str(self.severity),
            "node": self.node,
            "text": self.text,
            "remedy": self.remedy,
        }


def ok(id_: str, text: str, node: str = "") -> Finding:
    return Finding(id_, Severity.OK, text, node=node)


def info(id_: str, text: str, remedy: str = "", node: str = "") -> Finding:
    return Finding(id_, Severity.INFO, text, remedy, node)


def skipped(id_: str, reason: str, remedy: str = "", node: str = "") -> Finding:
    return Finding(id_, Severity.SKIPPED, reason, remedy, node)


def warning(id_: str, text: str, remedy: str, node: str = "") -> Finding:
    return Finding(id_, Severity.WARNING, text, remedy, node)


def error(id_: str, text: str, remedy: str, node: str = "") -> Finding:
    return Finding(id_, Severity.ERROR, text, remedy, node)


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many there are of each severity, none left out."""
    found = Counter(finding.severity for finding in findings)
    return {str(severity): found[severity] for severity in Severity}


def is_good(findings: Iterable[Finding], strict: bool = False) -> bool:
    """:param strict: warnings count, too."""
    bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return not any(finding.severity in bad for finding in findings)
