"""The commands and their options: the command line as typer knows it."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from hafailover import __version__

COMMANDS = {
    "run": "daemons",
    "guard": "daemons",
    "prepare-home": "prepare",
    "status": "status",
    "explain": "explain",
    "doctor": "doctor",
    "upgrade-plan": "upgrade",
    "switchover": "switchover",
    "pause": "orders",
    "resume": "orders",
    "drain": "orders",
    "undrain": "orders",
    "history": "history",
    "audit": "history",
    "drill": "drill",
    "takeover": "takeover",
    "allow-first-term": "first_term",
    "demo": "demo",
    "bench": "bench",
}
"""The module of :mod:`hafailover.cli` that adds each command."""
GROUPS = {"check": "check", "localnet": "localnet", "notify": "notify"}
"""The module that is each group of commands."""


def make_app(word: str | None = None) -> typer.Typer:
    """The command line, or as much of it as ``word`` calls: importing the other commands takes its time."""
    app = typer.Typer(
        name="hafailover",
        help="Automatic failover for NEAR validators: several synced machines, exactly one signer.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_main)
    known = word in COMMANDS or word in GROUPS
    modules = [module for name, module in COMMANDS.items() if not known or name == word]
    for module in dict.fromkeys(modules):
        import_module(f"hafailover.cli.{module}").add_to(app)
    for name, module in GROUPS.items():
        if not known or name == word:
            app.add_typer(import_module(f"hafailover.cli.{module}").app, name=name)
    return app


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"hafailover {__version__}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""
