"""``hafailover upgrade-plan``: in which order to upgrade, with the commands."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hafailover.cli.common import ConfigOption, JsonOption, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK
from hafailover.cli.status import address_of, look_at

if TYPE_CHECKING:
    from hafailover.config.settings import Settings
    from hafailover.observe.overview import Overview
    from hafailover.upgrade.plan import Step, UpgradePlan
    from hafailover.upgrade.recipes import Recipes, System

NIXOS = Path("/etc/NIXOS")
"""There on every NixOS."""


def add_to(app: typer.Typer) -> None:
    app.command("upgrade-plan")(upgrade_plan)


def upgrade_plan(
    neard: Annotated[
        str, typer.Option("--neard", metavar="VERSION", help="neard's new version, such as 2.13.3.")
    ] = "",
    agent: Annotated[
        str,
        typer.Option("--agent", metavar="VERSION", help="hafailover's new one. Default: the newest seen."),
    ] = "",
    system: Annotated[
        Literal["linux", "nixos"] | None,
        typer.Option("--system", help="What the hosts run. Default: as this one does."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how to upgrade neard and hafailover on this pool without losing a block, command by command.

    Nothing is done. What a host has already is marked as done, so ask again after each step. Exit code 1: not
    now, and why.

    Examples: hafailover upgrade-plan; hafailover upgrade-plan --neard 2.13.3; hafailover upgrade-plan --json
    """
    from hafailover import __version__
    from hafailover.upgrade.plan import plan
    from hafailover.upgrade.versions import newest

    view = look_at(*address_of(config))
    agent = agent or newest([__version__, *(host.agent_version for host in view.hosts)])
    found = plan(view, _recipes(settings_or_exit(config), system), agent=agent, neard=neard)
    if as_json:
        hosts = [
            {
                "node": host.node,
                "role": host.role,
                "ready": host.ready,
                "neard_version": host.neard_version,
                "agent_version": host.agent_version,
            }
            for host in view.hosts
        ]
        print(json.dumps({"v": 1, "active": view.active, "hosts": hosts, **found.to_plain()}, indent=2))
    else:
        _print(view, found)
    raise typer.Exit(NOT_GOOD if found.refused else OK)


def _recipes(settings: Settings, system: System | None) -> Recipes:
    from hafailover.upgrade.recipes import Recipes

    return Recipes(
        system=system or ("nixos" if NIXOS.exists() else "linux"),
        listen=settings.listen.replace("0.0.0.0:", "127.0.0.1:"),
        neard=shutil.which(settings.neard.binary) or settings.neard.binary,
        python=sys.executable,
    )


def _print(view: Overview, found: UpgradePlan) -> None:
    print(f"{view.account_id}: {view.verdict}")
    for host in view.hosts:
        versions = f"neard {host.neard_version or '?'}, hafailover {host.agent_version or '?'}"
        print(f"  {host.node}: {host.role}{', ready' if host.ready else ''}, {versions}")
    for note in found.notes:
        print(f"note: {note}")
    if found.refused:
        print("not now:")
        for reason in found.refused:
            print(f"  {reason}")
        return
    print(f"\nhafailover {found.agent_target}: no neard restarts, and no block is lost")
    _print_steps(found.agent)
    target = found.neard_target or "(a new one; name it with --neard VERSION to see what is done)"
    print(f"\nneard {target}: standbys first, one at a time; the guard is upgraded with it")
    _print_steps(found.neard)


def _print_steps(steps: tuple[Step, ...]) -> None:
    if all(step.done for step in steps):
        print("  every host has it: nothing to do")
        return
    for number, step in enumerate(steps, 1):
        print(f"  {number}. {'done: ' if step.done else 'on '}{step.on}: {step.text}")
        for command in step.commands:
            print(f"       {command}")
