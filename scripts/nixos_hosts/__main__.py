"""``python3 -m nixos_hosts [TEST...]``: see the package."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from nixos_hosts import driver, image
from nixos_hosts.command import run
from nixos_hosts.container import Container, Spec, make_hub, remove_hub
from nixos_hosts.evaluated import Evaluator, Test, evaluate, find_evaluator, write_node
from nixos_hosts.problem import Broken, Skip

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ("single", "cluster-failover", "partition", "consul-outage", "secrets")
SKIPPED = 75
"""EX_TEMPFAIL: nothing was run, and nothing is known."""
CONSUL_TIMEOUT_S = 900


def say(text: str) -> None:
    print(f"nixos-hosts: {text}", flush=True)


def check_machine() -> None:
    """:raises Skip: this is no machine for it."""
    if os.geteuid() != 0:
        raise Skip("it needs root, for containers and network namespaces")
    if platform.machine() != "x86_64":
        raise Skip(f"it needs an x86_64 machine, not {platform.machine()}")
    for command, package in (
        ("systemd-nspawn", "systemd-container"),
        ("ip", "iproute2"),
        ("nsenter", "util-linux"),
    ):
        if shutil.which(command) is None:
            raise Skip(f"{command} is not here: apt-get install {package}")


def run_test(
    evaluator: Evaluator, test: Test, layers: list[Path], python: Path, work: Path, logs: Path
) -> driver.Outcome:
    """One test from its evaluation to its end; nothing is left of it but its logs."""
    started = time.monotonic()
    folder = work / test.name
    folder.mkdir()
    run_id = f"hn{os.getpid() % 100000}"
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(
            pool.map(
                lambda node: write_node(evaluator, ROOT, test.name, node, folder / f"{node}.layer"),
                test.nodes,
            )
        )
    specs = []
    for number, (name, address) in enumerate(sorted(test.nodes.items()), 1):
        place = folder / name
        place.mkdir()
        parts = [str(folder / f"{name}.layer"), *map(str, layers)]
        specs.append(Spec(run_id, name, number, address, test.nodes, parts, str(place)))
    say(f"{test.name}: {len(specs)} machines, evaluated in {time.monotonic() - started:.0f} s")
    began = time.monotonic()
    make_hub(run_id)
    try:
        said = driver.drive(python, evaluator.test_driver, test, [spec.save() for spec in specs], folder)
    finally:
        for spec in specs:
            Container(spec).clean()
        remove_hub(run_id)
    found = driver.outcome(test.name, said, time.monotonic() - began)
    _keep_logs(folder, specs, logs / test.name)
    return found


def _keep_logs(folder: Path, specs: list[Spec], target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copy(folder / "driver.log", target)
    for spec in specs:
        journal = Path(spec.folder) / "disk/var/log/journal"
        text = subprocess.run(
            ["journalctl", "-q", "--no-pager", "-o", "short-precise", "-D", str(journal)],
            capture_output=True,
            timeout=60,
            check=False,
        ).stdout
        (target / f"{spec.name}.journal").write_bytes(text)
        keys = Path(spec.folder) / "disk/var/log/keywatch"
        if keys.exists():
            shutil.copy(keys, target / f"{spec.name}.keywatch")


def show(found: driver.Outcome) -> None:
    say(f"{found.name}: {'ok' if found.passed else 'FAILED'} after {found.seconds:.0f} s")
    for name, seconds in found.subtests.items():
        print(f"    {seconds:7.1f} s  {name}")
    for name, value in found.measured.items():
        print(f"    measured  {name}: {value:g}")
    if found.error:
        print("    " + found.error.replace("\n", "\n    "))
    sys.stdout.flush()


def go(names: list[str]) -> int:
    check_machine()
    evaluator = find_evaluator(ROOT)
    consul = Path(run([ROOT / "scripts" / "get-consul"], CONSUL_TIMEOUT_S).splitlines()[-1])
    base = image.debian(say)
    python = driver.environment(Path(__file__).with_name("requirements.lock"))
    logs = ROOT / "build" / "nixos-hosts"
    found = []
    with tempfile.TemporaryDirectory(prefix="hn-", ignore_cleanup_errors=True) as temporary:
        work = Path(temporary)
        say("putting the product together")
        image.product(ROOT, work / "product", consul)
        for test in evaluate(evaluator, ROOT, names):
            found.append(run_test(evaluator, test, [work / "product", base], python, work, logs))
            show(found[-1])
            shutil.rmtree(work / test.name, ignore_errors=True)
    logs.mkdir(parents=True, exist_ok=True)
    report = ROOT / "build" / "nixos-hosts.json"
    report.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    passed = sum(one.passed for one in found)
    say(f"{passed} of {len(found)} passed; {report.relative_to(ROOT)}, logs in {logs.relative_to(ROOT)}")
    return 0 if passed == len(found) else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="make nixos-hosts", description=__doc__)
    parser.add_argument("tests", nargs="*", default=list(DEFAULT), help="names in nix/tests/default.nix")
    # A kill is an end like any other: what was made is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return go(parser.parse_args().tests)
    except Skip as reason:
        say(f"SKIPPED, nothing was tested: {reason}")
        return SKIPPED
    except Broken as error:
        say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
