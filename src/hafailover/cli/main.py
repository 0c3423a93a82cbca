"""``hafailover``: the command line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hafailover import __version__
from hafailover.cli import (
    bench,
    check,
    daemons,
    demo,
    drill,
    explain,
    history,
    localnet,
    notify,
    orders,
    prepare,
    status,
    switchover,
)

app = typer.Typer(
    name="hafailover",
    help="Automatic failover for NEAR validators: several synced machines, exactly one signer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
daemons.add_to(app)
prepare.add_to(app)
status.add_to(app)
explain.add_to(app)
switchover.add_to(app)
orders.add_to(app)
history.add_to(app)
drill.add_to(app)
demo.add_to(app)
bench.add_to(app)
app.add_typer(check.app, name="check")
app.add_typer(localnet.app, name="localnet")
app.add_typer(notify.app, name="notify")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"hafailover {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """Entry point."""
    # Broken pipes end quietly, as in `hafailover status | head`.
    try:
        app()
    except BrokenPipeError:
        sys.exit(1)
