"""``hafailover``: the command line."""

from __future__ import annotations

import gc
import os
import sys
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
    "demo": "demo",
    "bench": "bench",
}
"""The module of :mod:`hafailover.cli` that adds each command."""
GROUPS = {"check": "check", "localnet": "localnet", "notify": "notify"}
"""The module that is each group of commands."""
LONG = ("run", "guard", "demo", "bench")
"""They work for minutes: garbage left to lie would hold connections open, until Consul refuses more."""
COMPLETING = "_HAFAILOVER_COMPLETE"
"""Set by the shell while it completes a line, which is in one of the next two."""
LINES = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")


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


def _word() -> str | None:
    words = sys.argv
    if COMPLETING in os.environ:
        words = next((os.environ[name].split() for name in LINES if name in os.environ), [])
    return words[1] if len(words) > 1 else None


def _start_quickly() -> None:
    """A short command is busy with imports for most of its time; looking for garbage meanwhile finds none."""
    gc.set_threshold(50_000)
    # pydantic would read the entry points of every installed package, to find plugins that nobody has.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def main() -> None:
    """Entry point."""
    word = _word()
    if word not in LONG:
        _start_quickly()
    # Broken pipes end quietly, as in `hafailover status | head`.
    try:
        make_app(word)()
    except BrokenPipeError:
        sys.exit(1)
