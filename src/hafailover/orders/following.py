"""A planned handover as an operator sees it: ordered, followed to its end, taken back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hafailover.clock import boottime
from hafailover.core.beat import Beat, Phase
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulWatch
from hafailover.orders.desk import DEADLINE_S, Desk
from hafailover.orders.documents import Plan

LOOK_S = 0.3
ACTIVE_WITHIN_S = 30.0


class PlanError(Exception):
    """The plan was not made, or came to nothing, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A planned handover that took place. ``start``, ``end``: the heights that were free of duties."""

    from_node: str
    to_node: str
    term: int
    start: int | None
    end: int | None
    total_s: float


def newest_beat(watch: ConsulWatch) -> Beat | None:
    """The heartbeat as Consul's leader has it. :raises CallError: Consul could not be asked."""
    _, stored = watch.heartbeat(None, 0.0, fast=True)
    return stored.beat if stored is not None else None


def order(desk: Desk, plan: Plan) -> None:
    """:raises PlanError: another plan stands. :raises CallError: Consul could not be asked."""
    before = desk.read().plan
    if before is not None and not before.plan.over:
        raise PlanError(
            f"a switchover is planned already ({before.plan.text or 'waiting'}); "
            "take it back first: hafailover switchover --cancel"
        )
    if not desk.plan(plan, before.index if before is not None else 0):
        raise PlanError("somebody else has planned a switchover at this very moment")


def cancel(desk: Desk) -> Plan:
    """:raises PlanError: nothing is planned. :raises CallError: Consul could not be asked."""
    for _ in range(5):
        stored = desk.read().plan
        if stored is None or stored.plan.over:
            raise PlanError("no switchover is planned")
        if desk.cancel(stored.index):
            return stored.plan
    raise PlanError("the plan changes as one looks; try again")


def follow(
    address: Address, account_id: str, plan: Plan, active: str, say: Callable[[str], None], limit_s: float
) -> Moved:
    """Waits until another host is active.

    :param active: the host that hands over.
    :param limit_s: how long to wait; the plan stands after that.
    :raises PlanError: it came to nothing, or takes longer. :raises CallError: Consul could not be asked.
    """
    desk = Desk(address, account_id, DEADLINE_S)
    watch = ConsulWatch(address, account_id, DEADLINE_S)
    started, said, done_at = boottime(), "", None
    start = end = None
    while boottime() - started < limit_s:
        beat = newest_beat(watch)
        if beat is not None and beat.term > plan.term and beat.phase is Phase.ACTIVE:
            return Moved(active, beat.node, beat.term, start, end, boottime() - started)
        now = desk.read().plan
        if now is None or now.plan.id != plan.id:
            raise PlanError("the plan was cancelled")
        start, end = now.plan.start, now.plan.end
        if now.plan.text != said:
            said = now.plan.text
            say(said)
        if now.plan.state == "failed":
            raise PlanError(now.plan.text)
        if now.plan.state == "done":
            done_at = done_at or boottime()
            if boottime() - done_at > ACTIVE_WITHIN_S:
                raise PlanError(f"{now.plan.text}, but nobody else became active; see: hafailover status")
        time.sleep(LOOK_S)
    raise PlanError(f"not within {limit_s:g} s; the plan stands: hafailover switchover --status, --cancel")
