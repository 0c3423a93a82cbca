"""``hafailover check``: configuration looked at without anything being started, as a build does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hafailover.cli.common import ConfigOption, fail, settings_or_exit
from hafailover.cli.exit_codes import WRONG_SETTINGS

app = typer.Typer(no_args_is_help=True, help="Check configuration files without starting anything.")


@app.command()
def settings(config: ConfigOption = None) -> None:
    """Check the settings of agent and guard.

    Example: hafailover check settings --config host1.toml
    """
    found = settings_or_exit(config)
    typer.echo(f"settings of {found.node_name} for {found.account_id}: good")


@app.command("neard-config")
def neard_config(
    file: Annotated[Path, typer.Argument(help="What config.json is to say beyond what neard init writes.")],
    account_id: Annotated[str, typer.Option(help="The pool's account.")],
    chain_id: Annotated[str, typer.Option(help="mainnet, testnet or a private chain.")] = "mainnet",
    promotion: Annotated[Literal["hot", "restart"], typer.Option(help="As in the settings.")] = "hot",
) -> None:
    """Check wishes for neard's config.json before they reach a neard.

    Example: hafailover check neard-config mine.json --account-id mypool.poolv1.near
    """
    from hafailover.near.home import HomeError, read_config
    from hafailover.near.overlay import check

    try:
        overlay = read_config(file)
    except HomeError as error:
        fail(str(error), WRONG_SETTINGS)
    found = check(overlay, account_id, chain_id, hot=promotion == "hot")
    for warning in found.warnings:
        typer.echo(f"{file}: warning: {warning}", err=True)
    if found.errors:
        fail(f"{file}:\n  " + "\n  ".join(found.errors), WRONG_SETTINGS)
    typer.echo(f"{file}: good")
