"""A planned switchover as an operator asks for it: the wish, the wait, and what it cost."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from hafailover.clock import boottime
from hafailover.core.beat import Phase
from hafailover.core.signing import KNOWS_WITHIN_S, MOMENT_S
from hafailover.core.views import KNOWN_BY_BLOCKS, Request
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulWatch
from hafailover.lock.patience import Patience
from hafailover.lock.roster import Roster
from hafailover.observe.look import Look
from hafailover.observe.overview import Overview

ANSWER_WITHIN_S = 10.0
DONE_WITHIN_S = 30.0
DEADLINE_S = 2.0
POLL_S = 0.1
WATCH_S = 2.0
RENEW_S = 3.0
"""The wish's session lives for 10 s."""
ANOTHER_WISH = "another switchover is being asked for; try again when it is over"


class HandoverRefusedError(Exception):
    """The pool did not move, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What a switchover did."""

    from_node: str
    to_node: str
    term: int
    gap_s: float
    """From the release's being seen to the new active's first beat being seen, in seconds."""
    total_s: float
    """From the wish to the new active."""


def switch_over(
    address: Address,
    account_id: str,
    to: str | None,
    say: Callable[[str], None],
    from_height: int = 0,
    change: Callable[[], int | None] = lambda: None,
    answered: Callable[[], None] = lambda: None,
    *,
    despite_budget: bool = False,
) -> Handover:
    """Asks the active to hand over, and waits until another host is active.

    :param to: the target, or ``None`` for the best standby.
    :param say: takes a line for each step.
    :param from_height: the key moves once the active's head is so high, or some seconds later; 0: at once.
    :param change: another such height once there is a reason for one; asked until the active answers.
    :param answered: called as soon as it has accepted.
    :param despite_budget: also where its agent knows that the validator may not miss much more in this epoch.
    :raises HandoverRefusedError: nobody is active, the target is not ready, or the active refused.
    :raises CallError: Consul could not be asked; while the wish stands, for longer than an election takes.
    """
    view = Look(address, account_id).take()
    to = check_target(view, to)
    assert view.active is not None and view.term is not None
    roster = Roster(address, account_id, DEADLINE_S)
    watch = ConsulWatch(address, account_id, WATCH_S)
    # Not when the release may be there already: the first call takes longer than the others.
    watch.heartbeat(None, 0.0, fast=True)
    request = Request(uuid.uuid4().hex, to, view.term, from_height, despite_budget=despite_budget)
    started = boottime()
    answer_within_s = ANSWER_WITHIN_S + (MOMENT_S if from_height else 0.0)
    lacking = next((host.blocks_lacking for host in view.hosts if host.node == to), 0)
    if lacking:
        answer_within_s += KNOWS_WITHIN_S
        seen = max(0, KNOWN_BY_BLOCKS - lacking)
        say(
            f"{to} knows {seen} of the {KNOWN_BY_BLOCKS} blocks by which it tells how old its head is: "
            f"{view.active} signs until it does, {KNOWS_WITHIN_S:g} s at most"
        )
    with roster.wish(request, say) as session:
        if session is None:
            raise HandoverRefusedError(ANOTHER_WISH)
        reason = _await_answer(roster, session, request, answer_within_s, change)
        answered()
        say(reason)
        return _await_active(watch, view.active, view.term, started)


def check_target(view: Overview, to: str | None) -> str:
    """The host to hand over to, ready as far as Consul shows.

    :param to: a host's name, or ``None`` for the best standby.
    :raises HandoverRefusedError: nobody is active, or the target is not ready.
    """
    if view.active is None or view.term is None:
        raise HandoverRefusedError(f"there is no active to hand over: {view.verdict}")
    to = to or _best(view)
    _check_target(to, view.active, {host.node: (host.ready, host.role, host.reason) for host in view.hosts})
    return to


def _best(view: Overview) -> str:
    if not view.standbys:
        reasons = "; ".join(f"{host.node}: {host.reason}" for host in view.hosts if host.node != view.active)
        raise HandoverRefusedError(f"no standby is ready: {reasons or 'there is none'}")
    return view.standbys[0].node


def _check_target(to: str, active: str, hosts: dict[str, tuple[bool, str, str]]) -> None:
    if to == active:
        raise HandoverRefusedError(f"{to} is the active already")
    if to not in hosts:
        raise HandoverRefusedError(f"no host named {to} is known; there are {', '.join(sorted(hosts))}")
    ready, role, reason = hosts[to]
    if not ready:
        raise HandoverRefusedError(f"{to} is not ready: {role}: {reason}")


def _await_answer(
    roster: Roster, session: str, request: Request, within_s: float, change: Callable[[], int | None]
) -> str:
    asked_at = renewed_at = boottime()
    consul, changed = Patience(), False
    while boottime() - asked_at < within_s:
        # The same wish with another height: whom it names has prepared for it, and need not do so again.
        if (height := change()) is not None:
            request, changed = replace(request, from_height=height), True
        with consul.may_fail():
            answer = roster.answer_to(request.id)
            if answer is not None:
                accepted, reason = answer
                if not accepted:
                    raise HandoverRefusedError(reason)
                return reason
            if changed:
                if not roster.ask(session, request):
                    raise HandoverRefusedError(ANOTHER_WISH)
                changed = False
            if boottime() - renewed_at > RENEW_S:
                roster.renew_session(session)
                renewed_at = boottime()
        time.sleep(POLL_S)
    if consul.failure is not None:
        raise consul.failure
    raise HandoverRefusedError(f"the active did not answer within {within_s:g} s")


def _await_active(watch: ConsulWatch, before: str, term: int, started: float) -> Handover:
    """Follows the heartbeat until another term is active."""
    index: int | None = None
    released_at: float | None = None
    accepted_at = boottime()
    consul = Patience()
    while boottime() - accepted_at < DONE_WITHIN_S:
        stored = None
        with consul.may_fail():
            index, stored = watch.heartbeat(index, WATCH_S, fast=True)
        now = boottime()
        if stored is None:
            time.sleep(POLL_S)
            continue
        beat = stored.beat
        if released_at is None and (beat.phase is Phase.RELEASED or beat.term > term):
            released_at = now
        if beat.term > term and beat.phase is Phase.ACTIVE:
            return Handover(before, beat.node, beat.term, now - (released_at or now), now - started)
    if consul.failure is not None:
        raise consul.failure
    raise HandoverRefusedError(
        f"{before} accepted, but nobody else became active within {DONE_WITHIN_S:g} s; see: hafailover status"
    )
