"""``hafailover switchover``: a planned handover, when it is to happen, and what it cost."""

from __future__ import annotations

import getpass
import json
import socket
import time
import uuid
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hafailover.cli.budget import DespiteBudgetOption, refuse_low_budget
from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import ANOTHER, NOT_GOOD, OK, REFUSED, UNREACHABLE, WRONG_SETTINGS
from hafailover.cli.names import host_names
from hafailover.cli.status import address_of
from hafailover.orders.planning import DEFAULT_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hafailover.config.settings import Settings
    from hafailover.near.rpc import NeardRpc, Production
    from hafailover.observe.cost import Cost
    from hafailover.observe.moment import Forecast
    from hafailover.observe.overview import Overview
    from hafailover.orders.documents import Plan

SETTLE_S = 8.0
"""How long the chain is watched after the handover for what was missed."""
COUNTS_S = 5.0
"""So long neard may take to tell what the pool produced: a late answer is better than none."""
FOLLOW_S = 900.0


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
    that ends the loss. Exit code 0: the host of --to signs, without --to another one than before; 5: refused,
    or it came to nothing; 6: another host signs now.

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
        _without_a_plan(config, to, as_json, best=now)
    else:
        waits = at is None if wait is None else wait
        _planned(config, to, at, blocks, waits, dry_run, as_json, soon, despite_budget=despite_budget)


def _without_a_plan(config: ConfigOption, to: str | None, as_json: bool, *, best: bool) -> None:
    """:param best: in the best moment of the next seconds, where one is known; or this very moment."""
    from hafailover.lock.errors import CallError
    from hafailover.observe.cost import plain
    from hafailover.observe.handover import HandoverRefusedError, switch_over

    def say(line: str) -> None:
        if not as_json:
            print(line, flush=True)

    address, account_id = address_of(config)
    before = production(config)
    try:
        if best:
            forecast = _forecast(config, say)
            moment = forecast.best()
            say(moment.why)
            with forecast.watched():
                height = moment.from_height
                done = switch_over(address, account_id, to, say, height, forecast.change, forecast.end)
        else:
            done = switch_over(address, account_id, to, say)
    except HandoverRefusedError as error:
        fail(f"not switched over: {error}", REFUSED)
    except CallError as error:
        fail(f"Consul could not be asked: {error}", UNREACHABLE)
    cost = missed_since(before, config)
    if as_json:
        print(json.dumps({**asdict(done), **plain(cost)}))
    else:
        print(
            f"{done.to_node} is active in term {done.term}: "
            f"{done.gap_s * 1000:.0f} ms between the two, {done.total_s:.1f} s in all"
        )
        _print_cost(cost)
    _end_by_who_signs(to, done.from_node, done.to_node)


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
) -> None:
    from hafailover.lock.errors import CallError
    from hafailover.observe.cost import plain
    from hafailover.observe.handover import HandoverRefusedError, check_target
    from hafailover.observe.look import Look
    from hafailover.orders.desk import DEADLINE_S, Desk
    from hafailover.orders.documents import Plan, utc
    from hafailover.orders.following import PlanError, follow, order

    address, account_id = address_of(config)
    try:
        view = Look(address, account_id).take()
        target = check_target(view, to)
        assert view.term is not None and view.active is not None
        plan = Plan(
            id=uuid.uuid4().hex,
            to=to,
            term=view.term,
            at_height=at,
            window_blocks=blocks if at is None else None,
            despite_budget=despite_budget,
            by=whoami(),
            at=utc(time.time()),
        )
        if dry_run:
            _say_what_would_happen(config, view, plan, target, as_json, soon)
        before = production(config)
        order(Desk(address, account_id, DEADLINE_S), plan)
        if not wait:
            _ordered(plan, target, as_json)
        done = follow(
            address,
            account_id,
            plan,
            view.active,
            lambda line: None if as_json else print(line, flush=True),
            FOLLOW_S if at is None else 86400.0,
        )
    except (HandoverRefusedError, PlanError) as error:
        fail(f"not switched over: {error}", REFUSED)
    except CallError as error:
        fail(f"Consul could not be asked: {error}", UNREACHABLE)
    except KeyboardInterrupt:
        print("\nthe plan stands: hafailover switchover --status, --cancel")
        raise typer.Exit(NOT_GOOD) from None
    cost = missed_since(before, config)
    if as_json:
        print(json.dumps({**asdict(done), **plain(cost)}))
    else:
        free = (
            f"in the window from {done.start} to {(done.end or 1) - 1}" if at is None else f"at height {at}"
        )
        print(f"{done.to_node} is active in term {done.term}, {free}; {done.total_s:.1f} s in all")
        _print_cost(cost)
    _end_by_who_signs(to, done.from_node, done.to_node)


def _end_by_who_signs(to: str | None, before: str, now: str) -> NoReturn:
    """Ends the command: whoever goes on by its exit code may reboot the host that handed over.

    :param to: the host that was to sign; ``None``: any other than ``before``.
    """
    if now != (to or now) or now == before:
        fail(f"{to or 'another host'} was to take over, but {now} signs; see: hafailover status", ANOTHER)
    raise typer.Exit(OK)


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
        print(json.dumps({"from_node": view.active, "to_node": target, "start": start, "end": end}))
    else:
        print(f"{view.active} would hand over to {target} {when}; {target} is ready. Nothing was done.")
    raise typer.Exit(OK)


def _ordered(plan: Plan, target: str, as_json: bool) -> NoReturn:
    if as_json:
        print(json.dumps(plan.model_dump()))
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
    """What was expected and not produced since then; ``None`` if that cannot be told."""
    if before is None:
        return None
    time.sleep(SETTLE_S)
    return _look_again(config, before)[1]


def _look_again(config: ConfigOption, before: Production | None) -> tuple[Production | None, Cost | None]:
    from hafailover.near.rpc import RpcError
    from hafailover.observe.cost import look_again

    settings = settings_or_exit(config)
    try:
        with _rpc(settings) as rpc:
            return look_again(rpc, settings.account_id, before)
    except RpcError:
        return None, None


def _print_cost(cost: Cost | None) -> None:
    if cost is None:
        print("missed: unknown, neard's RPC could not be asked or does not tell")
    else:
        print(f"missed: {cost}")
