"""What findings say, by their ids."""

from __future__ import annotations

from collections.abc import Sequence

from hafailover.doctor.finding import Finding, Severity


def one(findings: Sequence[Finding], id_: str) -> Finding:
    """The only finding of that id."""
    (found,) = [finding for finding in findings if finding.id == id_]
    return found


def bad(findings: Sequence[Finding]) -> dict[str, Severity]:
    """Every warning and error, by id; each has something to do."""
    found = [one for one in findings if one.severity in (Severity.WARNING, Severity.ERROR)]
    assert all(finding.remedy for finding in found)
    return {finding.id: finding.severity for finding in found}


def ids(findings: Sequence[Finding], severity: Severity) -> list[str]:
    return [finding.id for finding in findings if finding.severity is severity]
