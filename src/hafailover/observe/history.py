"""The history of a pool as people read it: one row for each change of signer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from hafailover.core.views import FORCED
from hafailover.observe.records import TermRecord
from hafailover.text import one_line

LONGEST_CAUSE, LONGEST_TIME, LONGEST_TEXT = 400, 40, 500
"""What is shown at most of what another host wrote."""


@dataclass(frozen=True, slots=True)
class Change:
    """A host began to sign. ``None`` and ``""`` where nothing is on record."""

    term: int
    at: str
    """UTC, of the new signer's wall clock."""
    from_node: str | None
    to_node: str
    cause: str
    """Why the term before ended, as its holder says; else why the new one could begin."""
    height_from: int | None
    """The head of the one before when its key was gone."""
    height_to: int
    silent_s: float | None
    """From the last sign of life of the one before, as the new signer saw it, to the loaded key."""
    blocks_missed: int | None
    chunks_missed: int | None
    endorsements_missed: int | None
    ended: bool
    """Whether the end of this term is on record."""
    production: str = ""
    """What was told of the new signer in this term if what it signed did not arrive; empty: nothing was."""

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)


def is_since(at: str, start: datetime | None) -> bool:
    """Whether something of that time is to be shown; what tells no time always is."""
    if start is None:
        return True
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return True
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) >= start


def drills(records: Sequence[TermRecord]) -> list[TermRecord]:
    """The drills, oldest first."""
    return sorted((record for record in records if record.event == "drill"), key=lambda one: one.at)


def productions(records: Sequence[TermRecord]) -> list[TermRecord]:
    """When what a host signed did not arrive, and did again, oldest first."""
    found = (record for record in records if record.event in ("not_producing", "producing"))
    return sorted(found, key=lambda one: one.at)


def changes(records: Sequence[TermRecord]) -> list[Change]:
    """The rows, by term."""
    began = {record.term: record for record in records if record.event == "began"}
    ended = {record.term: record for record in records if record.event == "ended"}
    measured = {record.term: record for record in records if record.event == "measured"}
    worked = productions(records)
    rows: list[Change] = []
    before: TermRecord | None = None
    for term in sorted(began):
        record = began[term]
        last = ended.get(before.term) if before is not None else None
        cost = measured.get(term)
        rows.append(
            Change(
                term=term,
                at=record.at,
                from_node=before.node if before is not None else record.from_node,
                to_node=record.node,
                cause=_cause(record, last),
                height_from=last.height if last is not None else None,
                height_to=record.height,
                silent_s=record.silent_s,
                blocks_missed=cost.blocks_missed if cost is not None else None,
                chunks_missed=cost.chunks_missed if cost is not None else None,
                endorsements_missed=cost.endorsements_missed if cost is not None else None,
                ended=term in ended,
                production=_production(
                    [one for one in worked if (one.term, one.node) == (term, record.node)]
                ),
            )
        )
        before = record
    return rows


def _cause(record: TermRecord, last: TermRecord | None) -> str:
    """Why the one before ceased, which says more than how long this one waited; but not of a forced one."""
    told = last is not None and last.cause and not record.cause.startswith(FORCED)
    return last.cause if last is not None and told else record.cause


def _production(told: Sequence[TermRecord]) -> str:
    """:param told: of one term, oldest first."""
    bad = [one for one in told if one.event == "not_producing"]
    if not bad:
        return ""
    again = f"; it arrives again since {told[-1].at[:LONGEST_TIME]}" if told[-1] is not bad[-1] else ""
    return one_line(f"{bad[-1].cause[:LONGEST_CAUSE]}{again}")[:LONGEST_TEXT]
