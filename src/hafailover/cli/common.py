"""What the commands share: settings, and errors that end a command with one message."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hafailover.text import lines

if TYPE_CHECKING:
    from hafailover.config.settings import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="HAFAILOVER_CONFIG",
        help="Configuration file (TOML). Default: /etc/hafailover/config.toml, if there is one.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def fail(message: str, code: int) -> NoReturn:
    """Prints one message to stderr and ends the command. What others wrote moves no cursor."""
    print(f"hafailover: {lines(message)}", file=sys.stderr)
    raise typer.Exit(code)


def settings_or_exit(
    config: Path | None, args: list[str] | None = None, prog: str = "hafailover", about: str | None = None
) -> Settings:
    """The settings, or the end of the command with what is wrong with them.

    :param about: what stands above the flags in the output of ``--help``.
    """
    from hafailover.cli.exit_codes import WRONG_SETTINGS
    from hafailover.config.load import ConfigError, load_settings

    try:
        return load_settings(config, args, prog, about)
    except ConfigError as error:
        fail(str(error), WRONG_SETTINGS)
