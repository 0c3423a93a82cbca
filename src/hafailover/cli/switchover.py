"""``hafailover switchover``: a planned handover, when it is to happen, and what it cost."""

from __future__ import annotations

import getpass
import json
import socket
import time
import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from hafailover.cli.budget import DespiteBudgetOption, refuse_low_budget
from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import ANOTHER, NOT_GOOD, OK, REFUSED, UNREACHABLE, WRONG_SETTINGS
from hafailover.cli.names import host_names
from hafailover.cli.status import address_of
from hafailover.orders.planning import DEFAULT_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hafailover.config.settings import Settings
    from hafailover.lock.client import Address
    from hafailover.near.rpc import NeardRpc, Production
    from hafailover.observe.arrival import Arrival
    from hafailover.observe.cost import Cost
    from hafailover.observe.moment import Forecast
    from hafailover.observe.overview import Overview
    from hafailover.orders.documents import Plan

SETTLE_S = 8.0
"""How long the chain is watched after the handover for what was missed."""
ARRIVES_WITHIN_S = 15.0
"""So much longer the new holder may take until what it signs is seen to arrive."""
COUNTS_S = 5.0
"""So long neard may take to tell what the pool produced: a late answer is better than none."""
FOLLOW_S = 900.0
UNKNOWN_COST = "unknown, neard's RPC could not be asked or does not tell"


@dataclass(frozen=True, slots=True)
class Ended:
    """A handover that took place."""

    from_node: str
    seen: Arrival
    document: dict[str, Any]
    """What ``--json`` shows of it."""

    def fault(self, to: str | None = None) -> tuple[str, int]:
        """What is wrong with it, and the exit code: whoever goes on by that may reboot the old holder.

        :param to: the host that was to sign; ``None``: any other than before.
        """
        seen = self.seen
        if seen.failure:
            return str(seen), UNREACHABLE
        if seen.node is not None and (seen.node != (to or seen.node) or seen.node == self.from_node):
            another = f"{to or 'another host'} was to take over, but {seen.node} signs"
            return "; ".join(filter(None, (another, seen.fault, "see: hafailover status"))), ANOTHER
        return seen.fault, NOT_GOOD if seen.fault else OK


def add_to(app: typer.Typer) -> None:
    app.command("switchover")(switchover)


def switchover(
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="The host to hand over to. Default: the best standby.", autocompletion=host_names
        ),
    ] = None,
    at: Annotated[
        int | None, typer.Option("--at", metavar="HEIGHT", min=1, help="At this block height.")
    ] = None,
    in_window: Annotated[
        bool, typer.Option("--in-window", help="In the next window without duties: the default.")
    ] = False,
    blocks: Annotated[
        int, typer.Option("--blocks", min=1, max=10_000, help="So many blocks without a duty in a row.")
    ] = DEFAULT_BLOCKS,
    now: Annotated[
        bool, typer.Option("--now", help="Within 10 s, in the longest time without a duty that begins then.")
    ] = False,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="This very moment, whatever the validator has to produce.")
    ] = False,
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Follow it to its end. Default: yes, but not with --at."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take a planned switchover back.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say what is planned.")] = False,
    despite_budget: DespiteBudgetOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand the key over to a ready standby where nothing is lost by it, and say what it cost.

    Without --at, --now and --at-once it happens in the longest time of the next half minute in which the
    validator has neither a block nor a chunk to produce, or else in the first one after that. The active's
    agent sees to it: the plan stands whatever becomes of this command, and outlives a restart of the agent.
    --status and --cancel are for it. --now takes the best moment of the next 10 s and moves the key at once
    where there is none; where neard cannot be asked for it, too. It is refused where the validator may not
    miss much more in this epoch, and a plan waits as long as that is so; --despite-budget is for a handover
    that ends the loss. Exit code 0: the host of --to signs, without --to another one than before; 1: it
    holds the key, and what it does is not seen to arrive; 5: refused, or it came to nothing; 6: another host
    signs now.

    Examples: hafailover switchover; hafailover switchover --to host2 --in-window --blocks 5;
    hafailover switchover --at 187000000; hafailover switchover --now; hafailover switchover --cancel
    """
    times = {"--at": at is not None, "--in-window": in_window, "--now": now, "--at-once": at_once}
    chosen = [name for name, given in times.items() if given]
    if len(chosen) > 1:
        fail(f"{' and '.join(chosen)}: one of them, please", WRONG_SETTINGS)
    if status or cancel:
        _look_or_cancel(config, as_json, cancel)
    if not despite_budget:
        refuse_low_budget(*address_of(config), "not switched over")
    soon = "now" if now else "at once" if at_once else ""
    if soon and not dry_run:
        ended = _without_a_plan(config, to, as_json, best=now, despite_budget=despite_budget)
    else:
        waits = at is None if wait is None else wait
        ended = _planned(config, to, at, blocks, waits, dry_run, as_json, soon, despite_budget=despite_budget)
    if as_json:
        print(json.dumps(ended.document))
    fault, code = ended.fault(to)
    if code != OK:
        fail(fault, code)
    raise typer.Exit(OK)


def _without_a_plan(
    config: ConfigOption, to: str | None, as_json: bool, *, best: bool, despite_budget: bool
) -> Ended:
    """:param best: in the best moment of the next seconds, where one is known; or this very moment."""
    from hafailover.observe.handover import switch_over

    def say(line: str) -> None:
        if not as_json:
            print(line, flush=True)

    address, account_id = address_of(config)
    before = production(config)
    ask = partial(switch_over, address, account_id, to, say, despite_budget=despite_budget)
    with refusals("not switched over"):
        if best:
            forecast = _forecast(config, say)
            moment = forecast.best()
            say(moment.why)
            with forecast.watched():
                done = ask(moment.from_height, forecast.change, forecast.end)
        else:
            done = ask()
    say(
        f"{done.to_node} is active in term {done.term}: "
        f"{done.gap_s * 1000:.0f} ms between the two, {done.total_s:.1f} s in all"
    )
    return _ended(config, done.from_node, asdict(done), before, say)


def _planned(
    config: ConfigOption,
    to: str | None,
    at: int | None,
    blocks: int,
    wait: bool,
    dry_run: bool,
    as_json: bool,
    soon: str,
    *,
    despite_budget: bool,
) -> Ended:
    from hafailover.observe.handover import check_target
    from hafailover.observe.look import Look
    from hafailover.orders.desk import DEADLINE_S, Desk
    from hafailover.orders.following import order

    address, account_id = address_of(config)
    with refusals("not switched over"):
        view = Look(address, account_id).take()
        target = check_target(view, to)
        plan = _plan(view, to, at, blocks, whoami(), despite_budget=despite_budget)
        if dry_run:
            _say_what_would_happen(config, view, plan, target, as_json, soon)
        if not wait:
            order(Desk(address, account_id, DEADLINE_S), plan)
            _ordered(plan, target, view.budget_unknown, as_json)
        assert view.active is not None
        return _follow(config, plan, view.active, "not switched over", as_json)


def hand_over_in_a_window(
    config: ConfigOption, view: Overview, why: str, refused: str, as_json: bool, *, despite_budget: bool
) -> Ended:
    """What ``hafailover switchover`` does without options, for another command.

    :param view: the pool, with an active.
    :param why: which command it is, for those who see the plan.
    :param refused: what does not take place, as the message begins.
    """
    from hafailover.observe.handover import check_target

    with refusals(refused):
        check_target(view, None)
        by = f"{whoami()}, {why}"
        plan = _plan(view, None, None, DEFAULT_BLOCKS, by, despite_budget=despite_budget)
        assert view.active is not None
        return _follow(config, plan, view.active, refused, as_json)


def _plan(
    view: Overview, to: str | None, at: int | None, blocks: int, by: str, *, despite_budget: bool
) -> Plan:
    from hafailover.orders.documents import Plan, utc

    assert view.term is not None
    return Plan(
        id=uuid.uuid4().hex,
        to=to,
        term=view.term,
        at_height=at,
        window_blocks=blocks if at is None else None,
        despite_budget=despite_budget,
        by=by,
        at=utc(time.time()),
    )


def _follow(config: ConfigOption, plan: Plan, active: str, refused: str, as_json: bool) -> Ended:
    """Orders the plan and follows it to its end.

    :raises PlanError: it came to nothing, or takes longer. :raises CallError: Consul could not be asked.
    """
    from hafailover.orders.desk import DEADLINE_S, Desk
    from hafailover.orders.following import follow, order

    def say(line: str) -> None:
        if not as_json:
            print(line, flush=True)

    address, account_id = address_of(config)
    before = production(config)
    order(Desk(address, account_id, DEADLINE_S), plan)
    limit_s = FOLLOW_S if plan.at_height is None else 86400.0
    try:
        done = follow(address, account_id, plan, active, say, limit_s)
    except KeyboardInterrupt:
        fail(f"{refused}: the plan stands: hafailover switchover --status, --cancel", NOT_GOOD)
    free = f"at height {plan.at_height}"
    if plan.at_height is None:
        free = f"in the window from {done.start} to {(done.end or 1) - 1}"
    say(f"{done.to_node} is active in term {done.term}, {free}; {done.total_s:.1f} s in all")
    return _ended(config, active, asdict(done), before, say)


@contextmanager
def refusals(refused: str) -> Iterator[None]:
    """Ends the command where the pool declines a handover, or Consul cannot be asked.

    :param refused: what does not take place, as the message begins.
    """
    from hafailover.lock.errors import CallError
    from hafailover.observe.handover import HandoverRefusedError
    from hafailover.orders.following import PlanError

    try:
        yield
    except (HandoverRefusedError, PlanError) as error:
        fail(f"{refused}: {error}", REFUSED)
    except CallError as error:
        fail(f"Consul could not be asked: {error}", UNREACHABLE)


def _ended(
    config: ConfigOption,
    from_node: str,
    document: dict[str, Any],
    before: Production | None,
    say: Callable[[str], None],
) -> Ended:
    """Looks at what a handover has cost, and at what comes of what is signed now."""
    from hafailover.observe.cost import plain

    cost = missed_since(before, config)
    say(f"missed: {cost if cost is not None else UNKNOWN_COST}")
    seen = arrival_in(*address_of(config))
    if not (seen.failure or seen.fault):
        say(str(seen))
    return Ended(from_node, seen, {**document, **plain(cost), **seen.to_plain()})


def _forecast(config: ConfigOption, say: Callable[[str], None]) -> Forecast:
    """What this host's neard says of the next seconds."""
    from hafailover.observe.moment import Forecast

    settings = settings_or_exit(config)
    return Forecast(partial(_rpc, settings), settings.account_id, say)


def _say_what_would_happen(
    config: ConfigOption, view: Overview, plan: Plan, target: str, as_json: bool, soon: str
) -> NoReturn:
    """:param soon: without a plan: ``at once``, or ``now``, which is the best moment of the next seconds."""
    from hafailover.near.rpc import RpcError
    from hafailover.observe.moment import BLOCK_S, WINDOWS_S, block_s
    from hafailover.orders.planning import choose

    settings = settings_or_exit(config)
    start = end = None
    when = "at once"
    if soon == "now" and (slot := _forecast(config, print).best().slot) is not None:
        start, end = slot.start, slot.end
        when = f"within seconds, at height {start}, free of duties up to {end - 1}"
    if not soon:
        try:
            with _rpc(settings) as rpc:
                status = rpc.status()
                pace = block_s(rpc, status.height, status.head_made_at) or BLOCK_S
                windows = (
                    rpc.maintenance_windows(settings.account_id, WINDOWS_S) if plan.at_height is None else []
                )
                slot = choose(plan, windows, status.height, pace)
        except RpcError as error:
            fail(f"neard could not be asked for the windows: {error}", UNREACHABLE)
        if slot is None:
            when = (
                f"never: height {plan.at_height} has passed"
                if plan.at_height is not None
                else f"after this epoch, which has no {plan.window_blocks} blocks without a duty any more"
            )
        else:
            start, end = slot.start, slot.end
            when = f"at height {start}" + ("" if plan.at_height else f", free of duties up to {end - 1}")
    if as_json:
        told = {"from_node": view.active, "to_node": target, "start": start, "end": end}
        print(json.dumps({**told, "budget_unknown": view.budget_unknown}))
    else:
        print(f"{view.active} would hand over to {target} {when}; {target} is ready. Nothing was done.")
    raise typer.Exit(OK)


def _ordered(plan: Plan, target: str, budget_unknown: str, as_json: bool) -> NoReturn:
    if as_json:
        print(json.dumps({**plan.model_dump(), "budget_unknown": budget_unknown}))
    else:
        when = f"at height {plan.at_height}" if plan.at_height is not None else "in the next window"
        print(f"planned: {plan.to or f'the best standby, now {target}'} takes over {when}")
        print("to look: hafailover switchover --status; to take it back: hafailover switchover --cancel")
    raise typer.Exit(OK)


def _look_or_cancel(config: ConfigOption, as_json: bool, cancelling: bool) -> NoReturn:
    from hafailover.lock.errors import CallError
    from hafailover.orders.desk import DEADLINE_S, Desk
    from hafailover.orders.following import PlanError, cancel

    address, account_id = address_of(config)
    desk = Desk(address, account_id, DEADLINE_S)
    plan: Plan | None = None
    try:
        if cancelling:
            plan = cancel(desk)
        else:
            stored = desk.read().plan
            plan = stored.plan if stored is not None else None
    except PlanError as error:
        fail(str(error), REFUSED)
    except CallError as error:
        fail(f"Consul could not be asked: {error}", UNREACHABLE)
    if as_json:
        print(json.dumps({"cancelled": cancelling, "plan": plan.model_dump() if plan else None}))
    elif plan is None:
        print("no switchover is planned")
    else:
        print(f"{'cancelled' if cancelling else plan.state}: {describe(plan)}")
    raise typer.Exit(OK)


def describe(plan: Plan) -> str:
    """A plan in one line."""
    to = plan.to or "the best standby"
    when = f"in {plan.window_blocks} blocks without a duty"
    if plan.at_height is not None:
        when = f"at height {plan.at_height}"
    text = f"{to} {when}, by {plan.by} {plan.at}"
    return f"{text}; {plan.text}" if plan.text else text


def whoami() -> str:
    """Who gives an order, for those who see it later."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def _rpc(settings: Settings) -> NeardRpc:
    """:raises RpcError: nothing here says where neard's RPC is."""
    from hafailover.cli.daemons import RpcOpener
    from hafailover.near.rpc import RpcError

    if not settings.neard.rpc_is_known:
        raise RpcError("neither neard.home nor neard.rpc_address is set here")
    return RpcOpener(settings, COUNTS_S)()


def production(config: ConfigOption) -> Production | None:
    """The pool's counts now, by this host's neard; ``None`` if it cannot be asked."""
    return _look_again(config, None)[0]


def missed_since(before: Production | None, config: ConfigOption) -> Cost | None:
    """What was expected and not produced since then, once the pool has settled; ``None``: cannot be told."""
    time.sleep(SETTLE_S)
    return _look_again(config, before)[1] if before is not None else None


def arrival_in(address: Address, account_id: str) -> Arrival:
    """Who signs once a change of signer has settled, and whether what it signs arrives."""
    from hafailover.observe.arrival import await_arrival

    return await_arrival(address, account_id, ARRIVES_WITHIN_S)


def _look_again(config: ConfigOption, before: Production | None) -> tuple[Production | None, Cost | None]:
    from hafailover.near.rpc import RpcError
    from hafailover.observe.cost import look_again

    settings = settings_or_exit(config)
    try:
        with _rpc(settings) as rpc:
            return look_again(rpc, settings.account_id, before)
    except RpcError:
        return None, None
