"""``hafailover check``: configuration looked at without anything being started, as a build does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import OK, WRONG_SETTINGS
from hafailover.near.launcher import launcher_trouble

if TYPE_CHECKING:
    from hafailover.config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check configuration files without starting anything.")


@app.command()
def settings(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the settings of agent and guard.

    Example: hafailover check settings --config host1.toml
    """
    if as_json:
        _settings_as_json(config)
    found = settings_or_exit(config)
    for trouble in _troubles(found):
        typer.echo(f"warning: {trouble}", err=True)
    typer.echo(f"settings of {found.node_name} for {found.account_id}: good")


def _settings_as_json(config: ConfigOption) -> None:
    from hafailover.config.load import ConfigError, load_settings

    try:
        found = load_settings(config)
    except ConfigError as error:
        print(json.dumps({"ok": False, "error": str(error)}))
        raise typer.Exit(WRONG_SETTINGS) from None
    names = {"node_name": found.node_name, "account_id": found.account_id}
    print(json.dumps({"ok": True, **names, "warnings": _troubles(found)}))
    raise typer.Exit(OK)


def _troubles(settings: Settings) -> list[str]:
    """What is allowed and would go wrong, as far as files show it; in a build there is no neard's home."""
    from hafailover.doctor.checks import routing
    from hafailover.doctor.facts.home import look_at_home
    from hafailover.doctor.finding import Severity

    home = look_at_home(settings.neard.home)
    looked_at = home.path is not None and not (home.hidden or home.error)
    found = routing.judge(home.config, settings) if looked_at else routing.judge_setting(settings)
    told = [one.text for one in found if one.severity in (Severity.WARNING, Severity.ERROR)]
    trouble = launcher_trouble(settings.neard.binary)
    return [trouble, *told] if trouble else told


@app.command("neard-config")
def neard_config(
    file: Annotated[Path, typer.Argument(help="What config.json is to say beyond what neard init writes.")],
    account_id: Annotated[str, typer.Option(help="The pool's account.")],
    chain_id: Annotated[str, typer.Option(help="mainnet, testnet or a private chain.")] = "mainnet",
    promotion: Annotated[Literal["hot", "restart"], typer.Option(help="As in the settings.")] = "hot",
    neard_version: Annotated[str, typer.Option(help="Of the neard that is to take it, such as 2.13.1.")] = "",
    routing: Annotated[
        Literal["relayed", "direct"], typer.Option(help="As neard.validator_routing in the settings.")
    ] = "relayed",
    as_json: JsonOption = False,
) -> None:
    """Check wishes for neard's config.json before they reach a neard.

    Example: hafailover check neard-config mine.json --account-id mypool.poolv1.near
    """
    from hafailover.near.home import HomeError, read_config
    from hafailover.near.overlay import check
    from hafailover.near.routing import contradictions

    try:
        overlay = read_config(file)
    except HomeError as error:
        fail(str(error), WRONG_SETTINGS)
    found = check(overlay, account_id, chain_id, hot=promotion == "hot", neard=neard_version)
    found.errors += contradictions(overlay, routing, neard_version)
    if as_json:
        print(json.dumps({"ok": not found.errors, "errors": found.errors, "warnings": found.warnings}))
        raise typer.Exit(WRONG_SETTINGS if found.errors else OK)
    for warning in found.warnings:
        typer.echo(f"{file}: warning: {warning}", err=True)
    if found.errors:
        fail(f"{file}:\n  " + "\n  ".join(found.errors), WRONG_SETTINGS)
    typer.echo(f"{file}: good")
