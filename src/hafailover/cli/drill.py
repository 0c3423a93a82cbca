"""``hafailover drill``: a failover in earnest, measured and kept in the history."""

from __future__ import annotations

import json
import sys
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.budget import DespiteBudgetOption, refuse_low_budget
from hafailover.cli.common import ConfigOption, JsonOption, fail
from hafailover.cli.exit_codes import NOT_GOOD, OK, REFUSED, UNREACHABLE, WRONG_SETTINGS
from hafailover.cli.status import address_of, look_at
from hafailover.cli.switchover import FOLLOW_S, arrival_in, missed_since, production, whoami

if TYPE_CHECKING:
    from hafailover.lock.client import Address
    from hafailover.observe.arrival import Arrival
    from hafailover.observe.cost import Cost
    from hafailover.observe.overview import Overview
    from hafailover.orders.exercise import Outcome

WHAT = {
    "neard": "{active}'s neard is killed (SIGKILL); a standby is to take over within a second or two",
    "agent": "{active}'s agent is killed (SIGKILL); it is to be back in the same term, nothing lost",
    "host": "{active}'s neard, guard and agent are killed at once, which is less than a machine's loss",
    "switchover": "{active} hands over in a window without duties; nothing is to be lost",
}


def add_to(app: typer.Typer) -> None:
    app.command("drill")(drill)


def drill(
    kind: Annotated[str, typer.Option("--kind", help="neard, agent, host or switchover.")] = "switchover",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Take an order back whose command was cut off; hold no drill.")
    ] = False,
    despite_budget: DespiteBudgetOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try a failover in earnest, on the pool as it is, and keep the result in the history.

    It is refused (exit code 5) if no standby is ready, automatic failover is paused, what the active does is
    not seen to arrive or `hafailover status` finds something else wrong, or the validator may not miss much
    more in this epoch. Exit code 1: the drill failed, also where the new holder does not produce. By day,
    with people at hand.

    Examples: hafailover drill; hafailover drill --kind neard; hafailover drill --kind host --yes --json
    """
    from hafailover.lock.errors import CallError
    from hafailover.observe.arrival import Arrival
    from hafailover.observe.cost import plain
    from hafailover.orders import exercise
    from hafailover.orders.desk import DEADLINE_S, Desk
    from hafailover.orders.following import PlanError

    if kind not in WHAT:
        fail(f"--kind: {kind} is none of {', '.join(WHAT)}", WRONG_SETTINGS)
    address, account_id = address_of(config)
    try:
        if clear:
            Desk(address, account_id, DEADLINE_S).end_drill()
            raise typer.Exit(OK)
        view = _fit(address, account_id, despite_budget)
        if not yes:
            _ask(WHAT[kind].format(active=view.active))
            view = _unmoved(view, _fit(address, account_id, despite_budget))
        before = production(config)
        outcome = _hold(address, account_id, view, kind, as_json, despite_budget)
        cost = missed_since(before, config)
    except (exercise.DrillRefusedError, PlanError) as error:
        fail(f"no drill: {error}", REFUSED)
    except CallError as error:
        fail(f"Consul could not be asked: {error}", UNREACHABLE)
    # Where nobody has taken over, that is what went wrong.
    seen = arrival_in(address, account_id) if outcome.ok else Arrival()
    outcome = _with_what_came_of_it(outcome, seen)
    kept = _keep(address, account_id, outcome, cost)
    if as_json:
        print(json.dumps({**outcome.to_plain(), **plain(cost), **seen.to_plain()}))
    else:
        print(f"{'passed' if outcome.ok else 'FAILED'}: {outcome.text}, after {outcome.seconds:.1f} s")
        print(f"{outcome.from_node} -> {outcome.to_node}, term {outcome.term}; missed: {cost or 'unknown'}")
    if seen.advice:
        print(f"hafailover: {seen.advice}", file=sys.stderr)
    if not outcome.ok:
        raise typer.Exit(NOT_GOOD)
    raise typer.Exit(OK if kept else UNREACHABLE)


def _keep(address: Address, account_id: str, outcome: Outcome, cost: Cost | None) -> bool:
    """Writes it into the history; how it went is told even where that fails."""
    from hafailover.lock.errors import CallError
    from hafailover.orders import exercise

    try:
        exercise.record(address, account_id, outcome, cost)
    except CallError as error:
        print(
            f"hafailover: the drill is not in the history: Consul could not be asked: {error}",
            file=sys.stderr,
        )
        return False
    return True


def _with_what_came_of_it(outcome: Outcome, seen: Arrival) -> Outcome:
    """A pool that has moved and does nothing has passed no drill, nor has one whose new holder is gone."""
    if not outcome.ok or (seen.node == outcome.to_node and seen.producing):
        return outcome
    ok = seen.node == outcome.to_node and seen.producing is not False
    return replace(outcome, ok=ok, text=f"{outcome.text}; {seen}")


def _fit(address: Address, account_id: str, despite_budget: bool) -> Overview:
    """The pool as it is now, or the end of the command if that is in no state for a drill."""
    if not despite_budget:
        refuse_low_budget(address, account_id, "no drill")
    view = look_at(address, account_id)
    if view.active is None or view.term is None:
        fail(f"no drill: {view.verdict}", REFUSED)
    if view.paused:
        fail(f"no drill: automatic failover is paused {view.paused}", REFUSED)
    if view.plan:
        fail(f"no drill: a switchover is planned {view.plan}", REFUSED)
    if not view.standbys:
        fail("no drill: no standby is ready", REFUSED)
    if not view.ok:
        # Such as an active that does not produce: what the drill has broken could not be told from that.
        fail(f"no drill: {view.verdict}; see: hafailover status", REFUSED)
    return view


def _unmoved(before: Overview, view: Overview) -> Overview:
    """The pool as it is now, where the host that was named to whoever was asked signs still."""
    if (view.active, view.term) != (before.active, before.term):
        fail(f"no drill: the pool has moved meanwhile: {view.active} signs in term {view.term}", REFUSED)
    return view


def _ask(what: str) -> None:
    if not sys.stdin.isatty():
        fail("--yes: is needed where nobody can be asked", WRONG_SETTINGS)
    # A program reads stdout.
    print(what, file=sys.stderr)
    typer.confirm("Do it?", abort=True, err=True)


def _hold(
    address: Address, account_id: str, view: Overview, kind: str, quiet: bool, despite_budget: bool
) -> Outcome:
    from hafailover.observe.prospects import prospects
    from hafailover.orders import exercise
    from hafailover.orders.desk import DEADLINE_S, Desk
    from hafailover.orders.documents import Drill, Plan, utc
    from hafailover.orders.following import PlanError, follow, order
    from hafailover.orders.planning import DEFAULT_BLOCKS

    assert view.active is not None and view.term is not None
    number = uuid.uuid4().hex
    if kind != "switchover":
        wanted = Drill.model_validate(
            {
                "id": number,
                "kind": kind,
                "node": view.active,
                "term": view.term,
                "despite_budget": despite_budget,
                "by": whoami(),
            }
        )
        return exercise.hold(address, account_id, wanted, prospects(view).waited_s)
    plan = Plan(
        id=number,
        term=view.term,
        window_blocks=DEFAULT_BLOCKS,
        despite_budget=despite_budget,
        by=f"{whoami()}, a drill",
        at=utc(time.time()),
    )
    order(Desk(address, account_id, DEADLINE_S), plan)
    try:
        moved = follow(
            address, account_id, plan, view.active, lambda line: None if quiet else print(line), FOLLOW_S
        )
    except PlanError as error:
        return exercise.Outcome(kind, False, str(error), view.active, view.active, view.term, FOLLOW_S)
    ok = moved.to_node != view.active
    text = "handed over in a window" if ok else "the same host has taken over from itself"
    return exercise.Outcome(kind, ok, text, view.active, moved.to_node, moved.term, round(moved.total_s, 2))
