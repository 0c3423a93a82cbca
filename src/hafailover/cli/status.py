"""``hafailover status``: who signs, who could take over, and whether that is safe."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK, REFUSED, UNREACHABLE, WRONG_SETTINGS
from hafailover.cli.glance import cannot_be_seen, show

if TYPE_CHECKING:
    from hafailover.config.settings import Settings
    from hafailover.lock.client import Address
    from hafailover.observe.duties import NextWindow
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
    """Show the pool. Exit code 0 only if one host signs, a standby is ready, and nothing is seen to fail.

    Where Consul has no leader it shows what was known last, and exits with 4. The agent of this host is asked
    first, because it is quicker; where none answers, Consul is.

    Examples: hafailover status; hafailover status --json; hafailover status --watch
    """
    from hafailover.lock.errors import CallError
    from hafailover.observe.duties import NextWindow, look_with_window
    from hafailover.observe.look import Look

    settings = settings_or_exit(config)
    window = NextWindow(settings)
    look = Look(_address(settings), settings.account_id)
    if watch:
        _watch(look, window, as_json)
    try:
        view = look_with_window(look, window)
    except CallError as error:
        fail(cannot_be_seen(error), UNREACHABLE)
    raise typer.Exit(show(view, view.to_plain() if as_json else None))


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
        fail(cannot_be_seen(error), UNREACHABLE)


def _watch(look: Look, window: NextWindow, as_json: bool) -> None:
    from rich.live import Live
    from rich.text import Text

    from hafailover.lock.errors import CallError
    from hafailover.observe.duties import look_with_window
    from hafailover.observe.render import render

    good = False
    try:
        if as_json:
            while True:
                try:
                    view = look_with_window(look, window)
                    good = view.ok
                    print(json.dumps(view.to_plain()), flush=True)
                except CallError as error:
                    good = False
                    print(json.dumps({"ok": False, "error": str(error)}), flush=True)
                time.sleep(WATCH_EVERY_S)
        with Live(auto_refresh=False, screen=sys.stdout.isatty()) as live:
            while True:
                try:
                    view = look_with_window(look, window)
                    good = view.ok
                    live.update(render(view), refresh=True)
                except CallError as error:
                    good = False
                    live.update(Text(cannot_be_seen(error), style="bold red"), refresh=True)
                time.sleep(WATCH_EVERY_S)
    except KeyboardInterrupt:
        raise typer.Exit(OK if good else NOT_GOOD) from None
