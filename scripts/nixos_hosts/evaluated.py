"""What a NixOS test consists of, by the real module system: its script, its machines, their units and files.

Done by an evaluator beside the checkout, which needs no package of nixpkgs to be built. It is named by
HAFAILOVER_NIXOS_EVAL, and its tree of nixpkgs' sources by NIXOS_EVAL_TREE.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nixos_hosts.command import run
from nixos_hosts.problem import Broken, Skip

UNITS_TIMEOUT_S = 180
OWN_UNITS = ("consul", "hafailover", "keywatch", "localnet", "neard")
"""What is taken over: this product, what it runs beside, and what the tests add; not the rest of NixOS."""
OWN_ETC = ("consul.d", "consul.json", "hafailover")
_IDENTITY = re.compile(r"^(?:User|Group|SupplementaryGroups)=(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Evaluator:
    """Where the evaluator and its tree are."""

    folder: Path
    tree: Path

    @property
    def test_driver(self) -> Path:
        return self.tree / "nixos" / "lib" / "test-driver"


@dataclass(frozen=True)
class Node:
    """A machine: its address, and NixOS's users with the groups of each, the primary one first."""

    address: str
    users: Mapping[str, list[str]]


@dataclass(frozen=True)
class Test:
    """A test as evaluated."""

    name: str
    script: str
    nodes: Mapping[str, Node]
    timeout_s: int

    @property
    def addresses(self) -> dict[str, str]:
        """Of each machine by its name."""
        return {name: node.address for name, node in self.nodes.items()}


def find_evaluator(root: Path) -> Evaluator:
    """:raises Skip: the evaluator, its tree or Nix is not there."""
    folder = Path(os.environ.get("HAFAILOVER_NIXOS_EVAL", root.parent / "shared" / "nixos-eval")).resolve()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tree = Path(os.environ.get("NIXOS_EVAL_TREE", cache / "nixos-eval" / "tree")).resolve()
    if not (folder / "units").is_file():
        raise Skip("the evaluator of NixOS modules is not here; name its folder in HAFAILOVER_NIXOS_EVAL")
    if not (tree / "nixos" / "lib" / "test-driver").is_dir():
        raise Skip("the evaluator's tree is not here; make it with `assemble`, or name it in NIXOS_EVAL_TREE")
    if shutil.which("nix-instantiate") is None:
        raise Skip("nix-instantiate is not here; install Debian's nix-bin")
    return Evaluator(folder, tree)


def evaluate(evaluator: Evaluator, project: Path, names: list[str]) -> list[Test]:
    """The tests by name.

    :raises Broken: one does not evaluate, or there is none of that name.
    """
    wanted = " ".join(json.dumps(name) for name in names)
    found = _ask(
        evaluator,
        project,
        f"""
        lib.genAttrs [ {wanted} ] (name: let test = tests.${{name}}; in {{
          script = test.config.testScriptString;
          timeout = test.config.globalTimeout;
          nodes = lib.mapAttrs (_: node: {{
            address = node.networking.primaryIPAddress;
            users = lib.mapAttrs (_: user: [ user.group ] ++ user.extraGroups) node.users.users;
          }}) test.nodes;
        }})""",
    )
    return [
        Test(
            name,
            found[name]["script"],
            {node: Node(**values) for node, values in found[name]["nodes"].items()},
            int(found[name]["timeout"]),
        )
        for name in names
    ]


def _ask(evaluator: Evaluator, project: Path, expression: str) -> Any:
    # The evaluator's own way of laying out a workspace; it is no package, so it is found by its folder.
    sys.path.insert(0, str(evaluator.folder))
    try:
        from workspace import Workspace  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(evaluator.folder))
    options = argparse.Namespace(
        project=project, tree=evaluator.tree, system="x86_64-linux", input=[], package=[]
    )
    workspace = Workspace(options)
    try:
        value, error, _ = workspace.eval(
            f"""
            let
              project = {workspace.expression(None)};
              inherit (project) lib;
              tests = project.flake.checks.x86_64-linux;
            in {expression}"""
        )
    finally:
        workspace.close()
    if error:
        raise Broken(f"the tests do not evaluate: {error}")
    return value


def write_node(evaluator: Evaluator, project: Path, test: Test, name: str, folder: Path) -> None:
    """Writes what of a node's units, /etc and store is taken over, as the upper part of a root file system.

    :raises Broken: the node does not evaluate, or a unit runs as a user that NixOS does not make.
    """
    whole = folder.with_name(f"{folder.name}.whole")
    run(
        [evaluator.folder / "units", project, f"{test.name}/{name}", whole, evaluator.tree],
        UNITS_TIMEOUT_S,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    shutil.copytree(whole / "nix", folder / "nix", symlinks=True)
    (folder / "etc").mkdir()
    for entry in OWN_ETC:
        source = whole / "etc" / entry
        if source.is_dir():
            shutil.copytree(source, folder / "etc" / entry, symlinks=True)
        elif source.exists():
            shutil.copy2(source, folder / "etc" / entry)
    _suit_old_consul(folder / "etc/consul.json")
    units = write_units(whole / "etc/systemd/system", folder / "etc/systemd/system")
    accounts = folder / "etc/sysusers.d/nixos.conf"
    accounts.parent.mkdir()
    accounts.write_text(sysusers(units, test.nodes[name].users))
    shutil.rmtree(whole)


def _suit_old_consul(path: Path) -> None:
    """nixpkgs' module writes one key that Debian's Consul 1.8 does not know; this product sets none such."""
    if path.exists():
        settings = json.loads(path.read_text())
        settings.pop("ui_config", None)
        path.write_text(json.dumps(settings))


def write_units(source: Path, target: Path) -> dict[str, str]:
    """Copies the units that are taken over, with the links that start them; returns their texts by name.

    A unit that NixOS would not start is not started here either.
    """
    target.mkdir(parents=True)
    texts = {}
    for name in OWN_UNITS:
        unit = source / f"{name}.service"
        if not unit.exists():
            continue
        texts[unit.name] = unit.read_text()
        shutil.copy2(unit, target)
        for link in (*source.glob(f"*.wants/{unit.name}"), *source.glob(f"*.requires/{unit.name}")):
            place = target / link.parent.name
            place.mkdir(exist_ok=True)
            (place / unit.name).symlink_to(f"../{unit.name}")
    return texts


def sysusers(units: Mapping[str, str], users: Mapping[str, list[str]]) -> str:
    """The users and groups of the units, for systemd to make at boot; NixOS makes them when it is activated.

    :raises Broken: a unit names one that NixOS does not make.
    """
    groups = {group for own in users.values() for group in own}
    lines = set()
    for unit, text in sorted(units.items()):
        for name in " ".join(_IDENTITY.findall(text)).split():
            if name == "root":
                continue
            if name in users:
                lines.add(f'u {name} - "{name}"')
                lines |= {f"m {name} {group}" for group in users[name] if group != name}
            elif name in groups:
                lines.add(f"g {name} -")
            else:
                raise Broken(f"{unit} runs as {name}, a user or group that its NixOS does not make")
    return "".join(f"{line}\n" for line in sorted(lines))
