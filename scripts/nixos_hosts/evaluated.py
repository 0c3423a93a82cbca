"""What a NixOS test consists of, by the real module system: its script, addresses, units and files.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nixos_hosts.command import run
from nixos_hosts.problem import Broken, Skip

UNITS_TIMEOUT_S = 180
OWN_UNITS = ("consul", "hafailover", "keywatch", "localnet", "neard")
"""What is taken over: this product, what it runs beside, what the tests add. The rest of NixOS stays out."""
OWN_ETC = ("consul.d", "consul.json", "hafailover")


@dataclass(frozen=True)
class Evaluator:
    """Where the evaluator and its tree are."""

    folder: Path
    tree: Path

    @property
    def test_driver(self) -> Path:
        return self.tree / "nixos" / "lib" / "test-driver"


@dataclass(frozen=True)
class Test:
    """A test as evaluated: ``nodes`` gives each machine's address."""

    name: str
    script: str
    nodes: dict[str, str]
    timeout_s: int


def find_evaluator(root: Path) -> Evaluator:
    """:raises Skip: the evaluator, its tree or Nix is not there."""
    folder = Path(os.environ.get("HAFAILOVER_NIXOS_EVAL", root.parent / "shared" / "nixos-eval")).resolve()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tree = Path(os.environ.get("NIXOS_EVAL_TREE", cache / "nixos-eval" / "tree")).resolve()
    if not (folder / "units").is_file():
        raise Skip("the evaluator of NixOS modules is not here; name its folder in HAFAILOVER_NIXOS_EVAL")
    if not (tree / "nixos" / "lib" / "test-driver").is_dir():
        raise Skip(
            "the evaluator's tree is not here; make it with its `assemble`, or name it in NIXOS_EVAL_TREE"
        )
    if shutil.which("nix-instantiate") is None:
        raise Skip("nix-instantiate is not here; install Debian's nix-bin")
    return Evaluator(folder, tree)


def evaluate(evaluator: Evaluator, project: Path, names: list[str]) -> list[Test]:
    """The tests by name.

    :raises Broken: one does not evaluate, or there is none of that name.
    """
    found = _ask(
        evaluator,
        project,
        f"""
        lib.genAttrs {json.dumps(names).replace(",", " ")} (name: let test = tests.${{name}}; in {{
          script = test.config.testScriptString;
          timeout = test.config.globalTimeout;
          nodes = lib.mapAttrs (_: node: node.networking.primaryIPAddress) test.nodes;
        }})""",
    )
    return [Test(name, one["script"], one["nodes"], int(one["timeout"])) for name, one in found.items()]


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


def write_node(evaluator: Evaluator, project: Path, test: str, node: str, folder: Path) -> None:
    """Writes what is taken over of a node's units, /etc and store, as a layer of a root file system."""
    whole = folder.with_name(f"{folder.name}.whole")
    shutil.rmtree(whole, ignore_errors=True)
    run(
        [evaluator.folder / "units", project, f"{test}/{node}", whole, evaluator.tree],
        UNITS_TIMEOUT_S,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole / "nix", folder / "nix", symlinks=True)
    for name in OWN_ETC:
        source = whole / "etc" / name
        if source.is_dir():
            shutil.copytree(source, folder / "etc" / name, symlinks=True)
        elif source.exists():
            (folder / "etc").mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / "etc" / name)
    _suit_old_consul(folder / "etc" / "consul.json")
    _write_units(whole / "etc/systemd/system", folder / "etc/systemd/system", folder)
    shutil.rmtree(whole)


def _suit_old_consul(path: Path) -> None:
    """nixpkgs' module writes one key that Debian's Consul 1.8 does not know; this product sets none such."""
    if path.exists():
        settings = json.loads(path.read_text())
        settings.pop("ui_config", None)
        path.write_text(json.dumps(settings))


def _write_units(source: Path, target: Path, root: Path) -> None:
    wants = target / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    users = set()
    for name in OWN_UNITS:
        unit = source / f"{name}.service"
        if not unit.exists():
            continue
        shutil.copy2(unit, target)
        (wants / unit.name).symlink_to(f"../{unit.name}")
        users |= set(
            re.findall(r"^(?:User|Group|SupplementaryGroups)=(\S+)$", unit.read_text(), re.MULTILINE)
        )
    # NixOS makes users when it is activated; here systemd does at boot.
    sysusers = root / "etc/sysusers.d/nixos.conf"
    sysusers.parent.mkdir(parents=True, exist_ok=True)
    sysusers.write_text("".join(f'u {name} - "{name}"\n' for name in sorted(users)))
