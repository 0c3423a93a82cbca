"""What the API tells: the documents of version 1, made from the agent's own state and the last look. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from hafailover.core.production import BAD
from hafailover.core.views import Role
from hafailover.observe.health import Answer as Health
from hafailover.observe.history import Change, changes, drills, productions
from hafailover.observe.overview import Overview, forced_words
from hafailover.observe.records import NodeRecord, TermRecord
from hafailover.web.pool_watch import View

VERSION: Literal[1] = 1
FRESH_S = 5.0
"""A look that is older tells nothing of the pool as it is: by then another host may be active."""
MOST_CHANGES = 200

Level = Literal["safe", "at-risk", "danger", "unknown"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Verdict(_Document):
    """Whether the pool is safe, at one glance."""

    level: Level = Field(
        description="safe: one host signs and another is ready. at-risk: one signs and nothing would take "
        "over by itself. danger: nobody signs, several say so, somebody else does, or what the active signs "
        "does not get into the chain. unknown: Consul has "
        f"not told for {FRESH_S:g} s."
    )
    text: str = Field(description="One sentence for people.")


class LastBeat(_Document):
    """This host's last proof of its lease."""

    sent_boottime_s: float = Field(description="When it was sent, in seconds on this host's CLOCK_BOOTTIME.")
    age_s: float = Field(description="Seconds since then.")
    took_s: float = Field(description="Seconds until Consul's answer.")


class StatusDocument(_Document):
    """Answer of /api/status."""

    v: Literal[1] = VERSION
    at: str = Field(description="UTC, of this host's wall clock.")
    account_id: str
    node: str = Field(description="The host that answers.")
    verdict: Verdict
    host: NodeRecord = Field(description="The answering host's own record, as it is now.")
    healthy: bool = Field(description="Whether its agent works: what /healthz says.")
    health: str
    last_beat: LastBeat | None = Field(
        description="null as long as this agent has sent no beat that succeeded."
    )
    pool: Overview | None = Field(description="The pool at the last look at Consul that succeeded.")
    pool_age_s: float | None = Field(description="Seconds since that look began.")
    problem: str = Field(description="Why the look after that one failed; empty if none did.")


class HistoryDocument(_Document):
    """Answer of /api/history."""

    v: Literal[1] = VERSION
    at: str = Field(description="UTC, of this host's wall clock.")
    account_id: str
    node: str = Field(description="The host that answers.")
    changes: list[Change] = Field(description=f"The latest {MOST_CHANGES} changes of signer, oldest first.")
    changes_total: int = Field(description="All that are on record.")
    drills: list[TermRecord] = Field(description=f"The latest {MOST_CHANGES} drills, oldest first.")
    production: list[TermRecord] = Field(
        description=f"The latest {MOST_CHANGES} times that what a host signed did not arrive, or did again."
    )
    age_s: float | None = Field(description="Seconds since the look that found them began.")
    problem: str = Field(description="Why the look after that one failed; empty if none did.")


def status(
    account_id: str,
    host: NodeRecord,
    health: Health,
    beat: tuple[float, float] | None,
    view: View,
    now: float,
) -> StatusDocument:
    """:param beat: when the last one was sent (CLOCK_BOOTTIME) and how long it took, in seconds.
    :param now: CLOCK_BOOTTIME.
    """
    seen = view.seen
    age = now - seen.at if seen is not None else None
    return StatusDocument(
        at=_utc(),
        account_id=account_id,
        node=host.node,
        verdict=verdict(host, view, now),
        host=host,
        healthy=health.good,
        health=health.text,
        last_beat=LastBeat(
            sent_boottime_s=round(beat[0], 4), age_s=round(now - beat[0], 3), took_s=round(beat[1], 4)
        )
        if beat is not None
        else None,
        pool=seen.overview if seen is not None else None,
        pool_age_s=round(age, 1) if age is not None else None,
        problem=view.problem,
    )


def history(account_id: str, node: str, view: View, now: float) -> HistoryDocument:
    """:param now: CLOCK_BOOTTIME."""
    records: Sequence[TermRecord] = view.seen.history if view.seen is not None else ()
    rows = changes(records)
    return HistoryDocument(
        at=_utc(),
        account_id=account_id,
        node=node,
        changes=rows[-MOST_CHANGES:],
        changes_total=len(rows),
        drills=drills(records)[-MOST_CHANGES:],
        production=productions(records)[-MOST_CHANGES:],
        age_s=round(now - view.seen.at, 1) if view.seen is not None else None,
        problem=view.problem,
    )


def verdict(host: NodeRecord, view: View, now: float) -> Verdict:
    seen = view.seen
    if text := forced_words(host):
        return Verdict(level="danger", text=text)
    if seen is None or now - seen.at > FRESH_S:
        # Nothing in it that changes by the second: it is read out whenever it changes.
        why = view.problem or "no answer from Consul"
        return Verdict(level="unknown", text=f"the pool cannot be seen ({why}); this host is {host.role}")
    pool = seen.overview
    return Verdict(level=_level(pool), text=pool.verdict)


def schema() -> dict[str, Any]:
    """The JSON Schema of both answers, by name below ``$defs``."""
    _, whole = models_json_schema(
        [(StatusDocument, "serialization"), (HistoryDocument, "serialization")],
        ref_template="#/$defs/{model}",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"hafailover's HTTP API, version {VERSION}",
        "description": "Fields may be added to version 1; none is taken away, and none changes its meaning.",
        "oneOf": [{"$ref": "#/$defs/StatusDocument"}, {"$ref": "#/$defs/HistoryDocument"}],
        **whole,
    }


def schema_text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def _level(pool: Overview) -> Level:
    if pool.ok:
        return "safe"
    if any(host.foreign for host in pool.hosts):
        return "danger"
    claims = [host for host in pool.hosts if host.role == Role.ACTIVE]
    signer = next((host for host in claims if host.node == pool.active), None)
    found = signer.production if signer is not None else None
    if found is not None and found.grade in BAD:
        return "danger"
    return "at-risk" if pool.active is not None and len(claims) == 1 else "danger"


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    print(schema_text(), end="")
