"""``hafailover status``: who signs, who could take over, and whether that is safe."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK, REFUSED, UNREACHABLE, WRONG_SETTINGS

if TYPE_CHECKING:
    from hafailover.lock.client import Address
    from hafailover.observe.overview import Overview

WATCH_EVERY_S = 1.0


def add_to(app: typer.Typer) -> None:
    app.command("status")(status)


def status(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again every second, until Ctrl-C.")
    ] = False,
) -> None:
    """Show the pool. Exit code 0 only if exactly one host is active and a standby is ready.

    Examples: hafailover status; hafailover status --json; hafailover status --watch
    """
    address, account_id = address_of(config)
    if watch:
        _watch(address, account_id, as_json)
    view = look_at(address, account_id)
    if as_json:
        print(json.dumps(view.to_plain(), indent=2))
    else:
        from rich.console import Console

        from hafailover.observe.render import render

        Console().print(render(view))
    raise typer.Exit(OK if view.ok else NOT_GOOD)


def address_of(config: ConfigOption) -> tuple[Address, str]:
    """How to reach Consul, and the pool's account, or the end of the command."""
    from hafailover.config.load import ConfigError, consul_address

    settings = settings_or_exit(config)
    try:
        return consul_address(settings), settings.account_id
    except ConfigError as error:
        fail(str(error), WRONG_SETTINGS)


def known_or_exit(view: Overview, node: str) -> None:
    """Ends the command if the pool has no host of that name."""
    known = [host.node for host in view.hosts]
    if node not in known:
        fail(f"no host named {node} is known; there are {', '.join(known) or 'none'}", REFUSED)


def look_at(address: Address, account_id: str) -> Overview:
    from hafailover.lock.errors import CallError
    from hafailover.observe.look import Look

    try:
        return Look(address, account_id).take()
    except CallError as error:
        fail(f"the pool cannot be seen: {error}", UNREACHABLE)


def _watch(address: Address, account_id: str, as_json: bool) -> None:
    from rich.live import Live
    from rich.text import Text

    from hafailover.lock.errors import CallError
    from hafailover.observe.look import Look
    from hafailover.observe.render import render

    look = Look(address, account_id)
    good = False
    try:
        if as_json:
            while True:
                try:
                    view = look.take()
                    good = view.ok
                    print(json.dumps(view.to_plain()), flush=True)
                except CallError as error:
                    good = False
                    print(json.dumps({"ok": False, "error": str(error)}), flush=True)
                time.sleep(WATCH_EVERY_S)
        with Live(auto_refresh=False, screen=sys.stdout.isatty()) as live:
            while True:
                try:
                    view = look.take()
                    good = view.ok
                    live.update(render(view), refresh=True)
                except CallError as error:
                    good = False
                    live.update(Text(f"the pool cannot be seen: {error}", style="bold red"), refresh=True)
                time.sleep(WATCH_EVERY_S)
    except KeyboardInterrupt:
        raise typer.Exit(OK if good else NOT_GOOD) from None
