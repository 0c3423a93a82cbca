"""``hafailover switchover``: a planned handover, and what it cost."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail
from hafailover.cli.exit_codes import REFUSED, UNREACHABLE
from hafailover.cli.status import address_of

if TYPE_CHECKING:
    from hafailover.near.rpc import Production

SETTLE_S = 8.0
"""How long the chain is watched after the handover for blocks that were missed."""


def add_to(app: typer.Typer) -> None:
    app.command("switchover")(switchover)


def switchover(
    to: Annotated[
        str | None, typer.Option("--to", help="The host to hand over to. Default: the best standby.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand the key over to a ready standby, and say what it cost.

    Examples: hafailover switchover; hafailover switchover --to host2
    """
    from hafailover.lock.errors import CallError
    from hafailover.observe.handover import HandoverRefusedError, switch_over

    address, account_id = address_of(config)
    before = _production(config)
    try:
        done = switch_over(address, account_id, to, lambda line: None if as_json else print(line, flush=True))
    except HandoverRefusedError as error:
        fail(f"not switched over: {error}", REFUSED)
    except CallError as error:
        fail(f"Consul could not be asked: {error}", UNREACHABLE)
    missed = _missed(before, _production_later(config)) if before is not None else None
    if as_json:
        print(json.dumps({**asdict(done), "blocks_missed": missed}))
        return
    print(
        f"{done.to_node} is active in term {done.term}: "
        f"{done.gap_s * 1000:.0f} ms between the two, {done.total_s:.1f} s in all"
    )
    print(
        "blocks missed: " + (str(missed) if missed is not None else "unknown, neard's RPC could not be asked")
    )


def _production(config: Path | None) -> Production | None:
    from hafailover.cli.common import settings_or_exit
    from hafailover.cli.daemons import RpcOpener
    from hafailover.near.rpc import RpcError

    settings = settings_or_exit(config)
    if settings.neard.home is None and settings.neard.rpc_address is None:
        return None
    try:
        rpc = RpcOpener(settings)()
        return rpc.production(settings.account_id)
    except RpcError:
        return None


def _production_later(config: Path | None) -> Production | None:
    time.sleep(SETTLE_S)
    return _production(config)


def _missed(before: Production, after: Production | None) -> int | None:
    """Blocks that were expected and not produced between two looks; unknown across an epoch's end."""
    if after is None or after.epoch_start != before.epoch_start:
        return None
    expected = after.expected_blocks - before.expected_blocks
    return max(0, expected - (after.produced_blocks - before.produced_blocks))
