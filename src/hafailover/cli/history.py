"""``hafailover history`` and ``hafailover audit``: what has happened, and whether it was all right."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK, UNREACHABLE
from hafailover.cli.status import address_of

if TYPE_CHECKING:
    from hafailover.near.rpc import NeardRpc
    from hafailover.observe.history import Change
    from hafailover.observe.records import TermRecord

BLOCKS = 1000
SAY_EVERY = 200


def add_to(app: typer.Typer) -> None:
    app.command("history")(history)
    app.command("audit")(audit)


def history(
    last: Annotated[int, typer.Option("--last", min=1, max=100_000, help="So many changes.")] = 20,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every change of signer: when, why, from whom to whom, and what it cost.

    Examples: hafailover history; hafailover history --last 100 --json
    """
    from hafailover.observe.history import changes, drills

    records = _records(config)
    rows, held = changes(records)[-last:], drills(records)[-last:]
    if as_json:
        plain = [row.to_plain() for row in rows]
        print(json.dumps({"v": 1, "changes": plain, "drills": [one.model_dump() for one in held]}, indent=2))
        return
    if not rows:
        print("nobody has signed yet")
        return
    _print(rows)
    for one in held:
        print(
            f"drill {one.at}: {'passed' if one.ok else 'FAILED'} after {one.seconds or 0:.1f} s, {one.cause}"
        )


def audit(
    blocks: Annotated[
        int, typer.Option("--blocks", min=1, max=1_000_000, help="Look at so many of the latest heights.")
    ] = BLOCKS,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold history and chain against each other: terms that overlap, blocks from when nobody was to sign.

    It says what it could not check, too. Exit code 1 if anything is wrong.

    Examples: hafailover audit; hafailover audit --blocks 20000 --json
    """
    from hafailover.observe import audit as module

    records = _records(config)
    own, heights, twice = _chain(config, blocks, as_json)
    found = module.audit(records, own, heights, twice)
    if as_json:
        print(json.dumps(found.to_plain(), indent=2))
    else:
        for line in found.checked:
            print(f"looked at  {line}")
        for line in found.unknown:
            print(f"unknown    {line}")
        for line in found.wrong:
            print(f"WRONG      {line}")
        print("nothing is wrong with what was looked at" if found.ok else f"{len(found.wrong)} findings")
    raise typer.Exit(OK if found.ok else NOT_GOOD)


def _records(config: ConfigOption) -> list[TermRecord]:
    from hafailover.lock.errors import CallError
    from hafailover.lock.roster import Roster
    from hafailover.observe.look import DEADLINE_S
    from hafailover.observe.records import parse_history

    address, account_id = address_of(config)
    try:
        return parse_history(Roster(address, account_id, DEADLINE_S).history())
    except CallError as error:
        fail(f"the history cannot be read: {error}", UNREACHABLE)


def _chain(
    config: ConfigOption, blocks: int, quiet: bool
) -> tuple[list[int], tuple[int, int] | None, list[int] | None]:
    """The pool's own blocks, between which heights, and heights signed twice as far as a node tells."""
    from hafailover.cli.daemons import RpcOpener
    from hafailover.near.rpc import RpcError

    settings = settings_or_exit(config)
    if settings.neard.home is None and settings.neard.rpc_address is None:
        return [], None, None
    try:
        rpc = RpcOpener(settings)()
        head = rpc.status().height
        own = []
        first = max(0, head - blocks + 1)
        for height in range(first, head + 1):
            if rpc.block_author(height) == settings.account_id:
                own.append(height)
            done = height - first + 1
            if done % SAY_EVERY == 0 and not quiet and sys.stderr.isatty():
                print(f"{done} of {blocks} blocks", file=sys.stderr)
        return own, (first, head), _evidence(rpc, settings.account_id)
    except RpcError as error:
        print(f"hafailover: neard could not be asked: {error}", file=sys.stderr)
        return [], None, None


def _evidence(rpc: NeardRpc, account_id: str) -> list[int] | None:
    """Heights with two blocks of one signer: the stand-in keeps them, neard does not."""
    from hafailover.near.rpc import RpcError

    try:
        answer = rpc.get("/localneard/double_signs")
        return sorted({int(one["height"]) for one in answer if one["account_id"] == account_id})
    except (RpcError, KeyError, TypeError, ValueError):
        return None


def _print(rows: list[Change]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    right = ("term", "heights", "silent", "missed")
    for name in ("when (UTC)", "term", "from", "to", "heights", "silent", "missed", "why"):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "why")
    for row in rows:
        start = "" if row.height_from is None else f"{row.height_from} "
        missed = "?" if row.blocks_missed is None else f"{row.blocks_missed}+{row.chunks_missed}"
        table.add_row(
            Text(row.at[:19].replace("T", " ")),
            str(row.term),
            Text(row.from_node or "-"),
            Text(row.to_node),
            f"{start}> {row.height_to}",
            "?" if row.silent_s is None else f"{row.silent_s:.1f} s",
            missed,
            Text(row.cause),
        )
    console = Console()
    console.print(table)
    console.print("silent: from the last sign of the one before to the loaded key; missed: blocks+chunks")
