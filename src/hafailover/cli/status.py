"""``hafailover status``: who signs, who could take over, and whether that is safe."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK, REFUSED, UNREACHABLE, WRONG_SETTINGS

if TYPE_CHECKING:
    from hafailover.cli.duties import NextWindow
    from hafailover.config.settings import Settings
    from hafailover.lock.client import Address
    from hafailover.observe.look import Look
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

    Where Consul has no leader it shows what was known last, and exits with 4.

    Examples: hafailover status; hafailover status --json; hafailover status --watch
    """
    from hafailover.cli.duties import NextWindow
    from hafailover.lock.errors import CallError
    from hafailover.observe.look import Look

    settings = settings_or_exit(config)
    window = NextWindow(settings)
    look = Look(_address(settings), settings.account_id)
    if watch:
        _watch(look, window, as_json)
    try:
        view = _take(look, window)
    except CallError as error:
        fail(f"the pool cannot be seen: {error}", UNREACHABLE)
    if as_json:
        print(json.dumps(view.to_plain(), indent=2))
    else:
        from rich.console import Console

        from hafailover.observe.render import render

        Console().print(render(view))
    raise typer.Exit(_exit_code(view))


def _exit_code(view: Overview) -> int:
    return UNREACHABLE if view.stale else OK if view.ok else NOT_GOOD


def _take(look: Look, window: NextWindow) -> Overview:
    """:raises CallError: Consul could not be asked."""
    window.ask()
    view = look.take_anyhow()
    return replace(view, window=window.after(max((host.height for host in view.hosts), default=0)))


def address_of(config: ConfigOption) -> tuple[Address, str]:
    """How to reach Consul, and the pool's account, or the end of the command."""
    settings = settings_or_exit(config)
    return _address(settings), settings.account_id


def _address(settings: Settings) -> Address:
    from hafailover.config.load import ConfigError, consul_address

    try:
        return consul_address(settings)
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


def _watch(look: Look, window: NextWindow, as_json: bool) -> None:
    from rich.live import Live
    from rich.text import Text

    from hafailover.lock.errors import CallError
    from hafailover.observe.render import render

    good = False
    try:
        if as_json:
            while True:
                try:
                    view = _take(look, window)
                    good = view.ok
                    print(json.dumps(view.to_plain()), flush=True)
                except CallError as error:
                    good = False
                    print(json.dumps({"ok": False, "error": str(error)}), flush=True)
                time.sleep(WATCH_EVERY_S)
        with Live(auto_refresh=False, screen=sys.stdout.isatty()) as live:
            while True:
                try:
                    view = _take(look, window)
                    good = view.ok
                    live.update(render(view), refresh=True)
                except CallError as error:
                    good = False
                    live.update(Text(f"the pool cannot be seen: {error}", style="bold red"), refresh=True)
                time.sleep(WATCH_EVERY_S)
    except KeyboardInterrupt:
        raise typer.Exit(OK if good else NOT_GOOD) from None
