"""``hafailover pause``, ``resume``, ``drain``, ``undrain``: orders that stand until they are taken back."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hafailover.cli.budget import DespiteBudgetOption, refuse_low_budget
from hafailover.cli.common import ConfigOption, JsonOption, fail
from hafailover.cli.exit_codes import OK, REFUSED, UNREACHABLE, WRONG_SETTINGS
from hafailover.cli.names import host_names
from hafailover.cli.status import address_of, known_or_exit, look_at
from hafailover.cli.switchover import hand_over_in_a_window, whoami

if TYPE_CHECKING:
    from hafailover.orders.desk import Desk

DURATION = re.compile(r"(\d{1,6})(s|m|h|d)")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

ReasonOption = Annotated[str, typer.Option("--reason", help="For those who wonder later.")]
NodeArgument = Annotated[
    str, typer.Argument(metavar="NODE", help="The host's name in the pool.", autocompletion=host_names)
]


def add_to(app: typer.Typer) -> None:
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("drain")(drain)
    app.command("undrain")(undrain)


def seconds_of(text: str) -> float:
    """``90s``, ``30m``, ``2h`` or ``1d`` in seconds. :raises ValueError: something else."""
    match = DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no duration such as 90s, 30m, 2h or 1d")
    return float(int(match[1]) * SECONDS[match[2]])


def pause(
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="90s, 30m, 2h, 1d; at most 7d. It then ends.")
    ] = "1h",
    reason: ReasonOption = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop automatic failover for a while: if the active dies, nobody takes over.

    The active goes on signing, and may come back after its own restart; a switchover still works. It ends by
    itself, and `hafailover resume` ends it sooner.

    Examples: hafailover pause --for 30m --reason "new switch"; hafailover resume
    """
    from hafailover.orders.documents import LONGEST_PAUSE_S, Pause, utc

    try:
        seconds = seconds_of(duration)
    except ValueError as error:
        fail(f"--for: {error}", WRONG_SETTINGS)
    if seconds > LONGEST_PAUSE_S:
        fail(f"--for: {duration} is longer than {LONGEST_PAUSE_S / 86400:g}d", WRONG_SETTINGS)
    until = utc(time.time() + seconds)
    order = Pause(id=uuid.uuid4().hex, by=whoami(), reason=reason, until=until, for_s=seconds)
    with _Desk(config) as desk:
        desk.pause(order)
    if as_json:
        _end(order.model_dump())
    print(f"automatic failover is paused until {until}: if the active dies, nobody takes over")
    print("to end it sooner: hafailover resume")


def resume(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """End a pause: hosts take over again when the active dies.

    Example: hafailover resume
    """
    with _Desk(config) as desk:
        paused = desk.read().pause is not None
        desk.resume()
    if as_json:
        _end({"was_paused": paused})
    print("automatic failover is on again" if paused else "automatic failover was not paused")


def drain(
    node: NodeArgument,
    reason: ReasonOption = "",
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The active hands over this very moment, and may miss a block.")
    ] = False,
    despite_budget: DespiteBudgetOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a host out: it does not sign, and hands over first if it is the active.

    The active hands over as with `hafailover switchover`, in a window where nothing is lost by it, and is
    drained once another host signs; a validator that has a chunk to produce at each height has no window,
    and needs `hafailover switchover --now` first, or --at-once. A host stays out, also over restarts, until
    `hafailover undrain`. Exit codes as of switchover, and with another than 0 it is not drained: 1: what the
    new holder does is not seen to arrive; 5: no other host is ready, the validator may not miss much more in
    this epoch, or the handover came to nothing; 6: the same host signs again.

    Examples: hafailover drain host2 --reason "disk is replaced"; hafailover drain host2 --at-once
    """
    from hafailover.orders.documents import Drain, utc

    address, account_id = address_of(config)
    view = look_at(address, account_id)
    known_or_exit(view, node)
    if node == view.active:
        if not view.standbys:
            fail(f"{node} is the active, and no other host is ready: nobody would sign", REFUSED)
        if not despite_budget:
            refuse_low_budget(address, account_id, "not drained")
    moved, fault, code = None, "", OK
    if node == view.active and not at_once:
        # Before the order stands: an active that finds itself drained waits for no window.
        ended = hand_over_in_a_window(
            config, view, f"to drain {node}", "not drained", as_json, despite_budget=despite_budget
        )
        moved, (fault, code) = ended.document, ended.fault()
    order = Drain(node=node, by=whoami(), reason=reason, at=utc(time.time()))
    if code == OK:
        with _Desk(config) as desk:
            desk.drain(order)
    if as_json:
        print(json.dumps({**order.model_dump(), "drained": code == OK, "handover": moved}))
    if code != OK:
        # It may be the only one whose work arrives.
        fail(f"not drained: {fault}; once that is mended: hafailover drain {node}", code)
    if as_json:
        raise typer.Exit(OK)
    moving = "; it hands over to a ready standby now" if node == view.active and at_once else ""
    print(f"{node} is drained{moving}")
    print(f"to take it back: hafailover undrain {node}")


def undrain(node: NodeArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Take a drained host back: it may sign again as soon as it is ready.

    Example: hafailover undrain host2
    """
    with _Desk(config) as desk:
        drained = any(one.node == node for one in desk.read().drains)
        desk.undrain(node)
    if as_json:
        _end({"node": node, "was_drained": drained})
    print(f"{node} is back" if drained else f"{node} was not drained")


class _Desk:
    """The desk, and the end of the command if Consul cannot be asked."""

    def __init__(self, config: ConfigOption) -> None:
        self._config = config

    def __enter__(self) -> Desk:
        from hafailover.orders.desk import DEADLINE_S, Desk

        address, account_id = address_of(self._config)
        return Desk(address, account_id, DEADLINE_S)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from hafailover.lock.errors import CallError

        if isinstance(error, CallError):
            fail(f"Consul could not be asked: {error}", UNREACHABLE)


def _end(document: dict[str, object]) -> NoReturn:
    print(json.dumps(document))
    raise typer.Exit(OK)
