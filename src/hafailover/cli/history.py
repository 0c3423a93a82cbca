"""``hafailover history`` and ``hafailover audit``: what has happened, and whether it was all right."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK, UNREACHABLE, WRONG_SETTINGS
from hafailover.cli.status import address_of

if TYPE_CHECKING:
    from hafailover.near.rpc import NeardRpc
    from hafailover.observe.history import Change
    from hafailover.observe.records import TermRecord

BLOCKS = 1000
MOST_BLOCKS = 1_000_000
SAY_EVERY = 200


def add_to(app: typer.Typer) -> None:
    app.command("history")(history)
    app.command("audit")(audit)


def history(
    last: Annotated[int, typer.Option("--last", min=1, max=100_000, help="So many changes.")] = 20,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Only from then on: 12h, 7d, or a date or time (UTC)."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every change of signer: when, why, from whom to whom, and what it cost.

    Below are drills, and when what a host signed did not arrive or did again. Times are UTC, of each host's
    own wall clock.

    Examples: hafailover history; hafailover history --since 7d; hafailover history --last 100 --json
    """
    from hafailover.observe.history import changes, drills, is_since, productions
    from hafailover.text import one_line

    start = _moment(since) if since is not None else None
    records = _records(config)
    rows = [row for row in changes(records) if is_since(row.at, start)][-last:]
    held = [one for one in drills(records) if is_since(one.at, start)][-last:]
    worked = [one for one in productions(records) if is_since(one.at, start)][-last:]
    if as_json:
        plain = {
            "v": 1,
            "changes": [row.to_plain() for row in rows],
            "drills": [one.model_dump() for one in held],
            "production": [one.model_dump() for one in worked],
        }
        print(json.dumps(plain, indent=2))
        return
    if not rows:
        print("nobody has signed yet" if since is None else "the signer has not changed since then")
    else:
        _print(rows)
    for one in worked:
        print(f"production {one.at}: term {one.term}: {one_line(one.node)} {one_line(one.cause)}")
    for one in held:
        went = "passed" if one.ok else "FAILED"
        print(f"drill {one.at}: {went} after {one.seconds or 0:.1f} s, {one.cause}; missed {_missed(one)}")


def audit(
    blocks: Annotated[
        int | None,
        typer.Option("--blocks", min=1, max=MOST_BLOCKS, help=f"So many heights. Default: {BLOCKS}."),
    ] = None,
    from_height: Annotated[
        int | None,
        typer.Option("--from-height", metavar="H", min=0, help="From this height on, not the latest ones."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold history and chain against each other: terms that overlap, blocks from when nobody was to sign.

    It looks at the latest heights, or with --from-height at all from there to the head unless --blocks says
    how many. It says what it could not check, too. Exit code 1: something is wrong; 4: Consul or neard could
    not be asked, and what could be checked is well.

    Examples: hafailover audit; hafailover audit --blocks 20000 --json;
    hafailover audit --from-height 187000000
    """
    from hafailover.observe import audit as module

    records = _records(config)
    chain = _chain(config, blocks, from_height, as_json)
    found = module.audit(records, chain.own, chain.heights, chain.signed_twice, chain.not_kept)
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
    if not found.ok:
        raise typer.Exit(NOT_GOOD)
    raise typer.Exit(OK if chain.asked else UNREACHABLE)


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


@dataclass(frozen=True, slots=True)
class _Chain:
    """What neard shows: the pool's own blocks between ``heights``, and evidence where a node keeps it."""

    own: list[int]
    heights: tuple[int, int] | None
    signed_twice: list[int] | None
    not_kept: tuple[int, int] | None
    asked: bool


def _chain(config: ConfigOption, blocks: int | None, from_height: int | None, quiet: bool) -> _Chain:
    from hafailover.cli.daemons import RpcOpener
    from hafailover.near.rpc import RpcError

    settings = settings_or_exit(config)
    if not settings.neard.rpc_is_known:
        print(
            "hafailover: neard.home or neard.rpc_address: one must be set to look at the chain",
            file=sys.stderr,
        )
        return _Chain([], None, None, None, asked=False)
    try:
        with RpcOpener(settings)() as rpc:
            first, last = _heights(rpc.status().height, blocks, from_height)
            kept = max(first, rpc.earliest_height() or 0)
            not_kept = (first, min(kept - 1, last)) if kept > first else None
            own = []
            for height in range(kept, last + 1):
                if rpc.block_author(height) == settings.account_id:
                    own.append(height)
                done = height - kept + 1
                if done % SAY_EVERY == 0 and not quiet and sys.stderr.isatty():
                    print(f"{done} of {last - kept + 1} heights", file=sys.stderr)
            heights = (kept, last) if kept <= last else None
            return _Chain(own, heights, _evidence(rpc, settings.account_id), not_kept, asked=True)
    except RpcError as error:
        print(f"hafailover: neard could not be asked: {error}", file=sys.stderr)
        return _Chain([], None, None, None, asked=False)


def _heights(head: int, blocks: int | None, from_height: int | None) -> tuple[int, int]:
    """The first and the last height to look at."""
    if from_height is None:
        return max(0, head - (blocks or BLOCKS) + 1), head
    if from_height > head:
        fail(f"--from-height: {from_height} is above this neard's head, {head}", WRONG_SETTINGS)
    last = min(head, from_height + blocks - 1) if blocks is not None else head
    if last - from_height >= MOST_BLOCKS:
        fail(
            f"--from-height: more than {MOST_BLOCKS} heights up to the head; --blocks says how many",
            WRONG_SETTINGS,
        )
    return from_height, last


def _evidence(rpc: NeardRpc, account_id: str) -> list[int] | None:
    """Heights with two blocks of one signer: the stand-in keeps them, neard does not."""
    from hafailover.near.rpc import RpcError

    try:
        answer = rpc.get("/localneard/double_signs")
        if not isinstance(answer, list):
            return None
        return sorted({int(one["height"]) for one in answer if one["account_id"] == account_id})
    except (RpcError, KeyError, TypeError, ValueError):
        return None


def _missed(one: Change | TermRecord) -> str:
    """Blocks, chunks and endorsements; a record of an older version does not tell of the last."""
    if one.blocks_missed is None:
        return "?"
    endorsements = "" if one.endorsements_missed is None else f"+{one.endorsements_missed}"
    return f"{one.blocks_missed}+{one.chunks_missed}{endorsements}"


def _moment(text: str) -> datetime:
    from hafailover.cli.orders import seconds_of

    try:
        return datetime.now(UTC) - timedelta(seconds=seconds_of(text))
    except OverflowError:
        fail(f"--since: {text} is too long", WRONG_SETTINGS)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(
            f"--since: {text!r} is neither 12h, 7d or the like, nor 2026-01-31 or 2026-01-31T04:00",
            WRONG_SETTINGS,
        )
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


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
        table.add_row(
            Text(row.at[:19].replace("T", " ")),
            str(row.term),
            Text(row.from_node or "-"),
            Text(row.to_node),
            f"{start}> {row.height_to}",
            "?" if row.silent_s is None else f"{row.silent_s:.1f} s",
            _missed(row),
            Text(row.cause),
        )
    console = Console()
    console.print(table)
    console.print(
        "silent: from the last sign of the one before to the loaded key; missed: blocks+chunks+endorsements"
    )
