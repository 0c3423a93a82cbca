"""``hafailover explain``: every gate of a host, and what would happen if the active died now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption
from hafailover.cli.exit_codes import NOT_GOOD, OK
from hafailover.cli.names import host_names
from hafailover.cli.status import address_of, known_or_exit, look_at

if TYPE_CHECKING:
    from rich.console import Console

    from hafailover.observe.overview import Overview
    from hafailover.observe.prospects import Prospects
    from hafailover.observe.records import NodeRecord


def add_to(app: typer.Typer) -> None:
    app.command("explain")(explain)


def explain(
    node: Annotated[
        str | None,
        typer.Argument(
            metavar="[NODE]", help="Only this host. Default: all of them.", autocompletion=host_names
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each host must meet to take over and whether it does, and who would take over now.

    A host that meets all has one line, unless it is named. Exit code 1 if nobody would.

    Examples: hafailover explain; hafailover explain host2 --json
    """
    from hafailover.observe.prospects import prospects

    view = look_at(*address_of(config))
    if node is not None:
        known_or_exit(view, node)
    hosts = [host for host in view.hosts if node in (None, host.node)]
    found = prospects(view)
    if as_json:
        gates = {host.node: host.gates for host in hosts}
        print(
            json.dumps(
                {
                    "v": 1,
                    "active": view.active,
                    "production": view.production,
                    "producing": view.producing,
                    "gates": gates,
                    "if_active_died": found.to_plain(),
                },
                indent=2,
            )
        )
    else:
        _print(view, hosts, found, every=node is not None)
    raise typer.Exit(OK if found.order else NOT_GOOD)


def _print(view: Overview, hosts: list[NodeRecord], found: Prospects, *, every: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for host in hosts:
        console.print(Text(f"{host.node}: {host.role}: {host.reason}", style="bold"))
        if host.node == view.active and view.production:
            style = "bold red" if view.producing is False else "default"
            console.print(Text(f"  {view.production}", style=style))
        if host.gates and not every and not any(shut != "" for shut in host.gates.values()):
            console.print(f"  all {len(host.gates)} conditions are met")
            continue
        for name, shut in host.gates.items():
            mark, style = (
                ("pass", "green") if shut == "" else ("FAIL", "bold red") if shut else ("?", "yellow")
            )
            line = Text(f"  {mark:5}", style=style)
            line.append(name, style="default")
            if shut:
                line.append(f": {shut}", style="default")
            console.print(line)
        if not host.gates:
            console.print("  its agent does not tell: it is gone, or of an older version")
    console.print(Text(f"If {view.active or 'the active'} died now", style="bold"))
    if found.order:
        then = f", then {', '.join(found.order[1:])}" if found.order[1:] else ""
        console.print(f"  {found.order[0]} would take over{then}:")
        console.print(
            f"  in about {found.told_s:g} s where its end is told (neard or guard dies, a clean stop),"
        )
        _print_waited(console, found)
    else:
        console.print(Text(f"  nobody would take over: {found.why_nobody}", style="bold red"))
    for name, why in found.others.items():
        console.print(Text(f"  not {name}: {why}"))


def _print_waited(console: Console, found: Prospects) -> None:
    """How long it takes where the active's host vanishes, and why no less."""
    from rich.text import Text

    span = f"{found.waited_least_s:.0f} to {found.waited_s:.0f} s"
    lines = [
        f"  in about {span} where it is waited out (the host or its network is gone):",
        f"    {found.waited_least_s:g} s after its last beat its key is surely gone,",
        "    then a block has to come that is newer than that;",
    ]
    if round(found.longest_s) > round(found.waited_s):
        lines.append(f"    up to about {found.longest_s:.0f} s where its term has just begun")
    lines.append("    what is missed meanwhile: docs/operating.md#what-an-outage-costs")
    for line in lines:
        console.print(line)
    if found.no_blocks:
        told = f"    {found.no_blocks}; see docs/decisions/validator-routing.md"
        console.print(Text(told, style="bold yellow"))
