"""A drill from the side of who orders it: given, watched, judged, and kept in the history."""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from hafailover.clock import boottime
from hafailover.core.beat import Beat, Phase
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulWatch
from hafailover.lock.errors import CallError
from hafailover.lock.roster import Roster
from hafailover.observe.cost import Cost, plain
from hafailover.observe.records import TermRecord
from hafailover.orders.desk import DEADLINE_S, Desk
from hafailover.orders.documents import Drill, LastDrill, utc
from hafailover.orders.following import newest_beat

LOOK_S = 0.1
TAKEN_WITHIN_S = 10.0
AGENT_WITHIN_S = 20.0
"""Within it the service manager has started the agent again, and it has proved its lease."""
SLACK_S = 15.0
"""Beyond a successor's wait: Consul's own time to see that a host is gone, and a neard that starts."""
RESTART_LEAP = 500
"""An agent that goes on with a term leaves out more beats than this one can have sent meanwhile."""


class DrillRefusedError(Exception):
    """The drill was not held, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a drill went. ``seconds``: until the pool signed as it should, or until the patience ended."""

    kind: str
    ok: bool
    text: str
    from_node: str
    to_node: str
    term: int
    seconds: float

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)


def hold(address: Address, account_id: str, drill: Drill, wait_s: float) -> Outcome:
    """Orders the drill and watches what comes of it.

    :param wait_s: a successor's wait with the active's profile.
    :raises DrillRefusedError: the active's agent did not take it. :raises CallError: Consul failed before.
    """
    desk = Desk(address, account_id, DEADLINE_S)
    watch = ConsulWatch(address, account_id, DEADLINE_S)
    before = newest_beat(watch)
    if not desk.drill(drill, 0):
        raise DrillRefusedError(
            "another drill is under way, or its command was cut off: hafailover drill --clear"
        )
    try:
        _await_taken(desk, drill)
        return _watch(watch, drill, before, wait_s)
    finally:
        # Also where the command is cut off: an order that stands would be performed later, unwatched.
        with contextlib.suppress(CallError):
            now = desk.read()
            if now.drill is not None and now.drill.id == drill.id:
                desk.end_drill(now.drill_index)


def _watch(watch: ConsulWatch, drill: Drill, before: Beat | None, wait_s: float) -> Outcome:
    began = boottime()
    limit = AGENT_WITHIN_S if drill.kind == "agent" else wait_s + SLACK_S
    last = ""
    while boottime() - began < limit:
        time.sleep(LOOK_S)
        try:
            beat = newest_beat(watch)
        except CallError as error:
            # Its Consul may be on the host that has just been lost.
            last = str(error)
            continue
        if beat is None:
            continue
        ended = _judge(drill, before, beat, boottime() - began)
        if ended is not None:
            return ended
    expected = "its agent was not back" if drill.kind == "agent" else "nobody else was active"
    text = f"{expected} within {limit:.0f} s{f' ({last})' if last else ''}"
    return Outcome(drill.kind, False, text, drill.node, drill.node, drill.term, round(limit, 2))


def record(address: Address, account_id: str, outcome: Outcome, cost: Cost | None) -> None:
    """Keeps it in the history, and for the alert.

    :param cost: what the chain says that it cost, if it could be asked.
    :raises CallError: Consul could not be asked.
    """
    now = time.time()
    entry = TermRecord(
        event="drill",
        term=outcome.term,
        node=outcome.to_node,
        from_node=outcome.from_node,
        cause=f"{outcome.kind}: {outcome.text}",
        ok=outcome.ok,
        seconds=outcome.seconds,
        **plain(cost),
        at=utc(now),
    )
    name = f"{outcome.term:020d}.drill.{uuid.uuid4().hex[:8]}"
    Roster(address, account_id, DEADLINE_S).append_history(name, entry.model_dump())
    desk = Desk(address, account_id, DEADLINE_S)
    known = desk.read().last_drill
    succeeded_at = now if outcome.ok else known.succeeded_at if known is not None else 0.0
    desk.note_drill(
        LastDrill(kind=outcome.kind, ok=outcome.ok, at=utc(now), text=outcome.text, succeeded_at=succeeded_at)
    )


def _await_taken(desk: Desk, drill: Drill) -> None:
    end = boottime() + TAKEN_WITHIN_S
    while True:
        now = desk.read()
        if now.drill is None or now.drill.id != drill.id:
            raise DrillRefusedError("somebody has taken it back")
        if now.drill.taken:
            return
        if now.drill.refused:
            raise DrillRefusedError(now.drill.refused)
        # By its index: the agent may be taking it at this very moment.
        if boottime() >= end and desk.end_drill(now.drill_index):
            raise DrillRefusedError(f"the agent of {drill.node} did not take it within {TAKEN_WITHIN_S:g} s")
        time.sleep(LOOK_S)


def _judge(drill: Drill, before: Beat | None, beat: Beat, seconds: float) -> Outcome | None:
    """What this beat says of the drill; ``None`` if nothing yet."""
    if beat.phase is not Phase.ACTIVE:
        return None
    taken = round(seconds, 2)
    if drill.kind == "agent":
        if beat.term != drill.term:
            text = f"{beat.node} has taken over, though the agent was to be back in time"
            return Outcome(drill.kind, False, text, drill.node, beat.node, beat.term, taken)
        sent = before.sequence if before is not None else beat.sequence
        if beat.sequence - sent < RESTART_LEAP:
            return None
        text = "the agent is back in the same term"
        return Outcome(drill.kind, True, text, drill.node, beat.node, beat.term, taken)
    if beat.term <= drill.term:
        return None
    if beat.node == drill.node:
        text = "the same host has taken over from itself"
        return Outcome(drill.kind, False, text, drill.node, beat.node, beat.term, taken)
    return Outcome(drill.kind, True, "a standby has taken over", drill.node, beat.node, beat.term, taken)
