"""``hafailover prepare-home``: neard's home made ready, before each start of its service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hafailover.cli.common import ConfigOption, fail, settings_or_exit
from hafailover.cli.exit_codes import WRONG_SETTINGS


def add_to(app: typer.Typer) -> None:
    app.command("prepare-home")(prepare_home)


def prepare_home(
    config: ConfigOption = None,
    chain_id: Annotated[str, typer.Option(help="mainnet, testnet or a private chain.")] = "mainnet",
    overlay: Annotated[
        Path | None, typer.Option(help="What config.json is to say beyond what neard init writes.")
    ] = None,
    genesis: Annotated[
        Path | None, typer.Option(help="The chain's genesis.json; private chains need it.")
    ] = None,
    public_address: Annotated[
        str | None,
        typer.Option(help="IP or IP:PORT that peers reach this host by; for direct validator_routing."),
    ] = None,
) -> None:
    """Make neard's home ready to start: config.json, genesis and node key, never a validator key.

    The node key is the systemd credential node_key, if there is one; else the one in the home, or a new one.

    Example: hafailover prepare-home --chain-id mainnet --public-address 192.0.2.10
    """
    from hafailover import log
    from hafailover.config.settings import credential
    from hafailover.near.home import HomeError, read_config
    from hafailover.near.overlay import check
    from hafailover.near.prepare import Plan, PrepareError
    from hafailover.near.prepare import prepare_home as make_ready
    from hafailover.near.routing import contradictions

    settings = settings_or_exit(config)
    log.set_up("prepare-home", settings.log_level)
    if settings.neard.home is None:
        fail("neard.home: must be set: neard's home folder", WRONG_SETTINGS)
    hot = settings.promotion == "hot"
    try:
        wishes = read_config(overlay) if overlay is not None else {}
        errors = check(wishes, settings.account_id, chain_id, hot=hot).errors
        errors += contradictions(wishes, settings.neard.validator_routing)
        if errors:
            fail(f"{overlay}:\n  " + "\n  ".join(errors), WRONG_SETTINGS)
        make_ready(
            Plan(
                home=settings.neard.home.absolute(),
                neard=settings.neard.binary,
                chain_id=chain_id,
                hot=hot,
                overlay=wishes,
                genesis=genesis,
                node_key=credential("node_key"),
                public_address=public_address,
                routing=settings.neard.validator_routing,
            )
        )
    except (HomeError, PrepareError) as error:
        fail(str(error), WRONG_SETTINGS)
