"""``python3 -m nixos_hosts [TEST...]``: runs tests of nix/tests on containers. As root."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from nixos_hosts import driver, image, machine
from nixos_hosts.command import run
from nixos_hosts.container import Container, Spec, make_hub, remove_hub
from nixos_hosts.evaluated import Evaluator, Test, evaluate, find_evaluator, write_node
from nixos_hosts.problem import Broken, Skip

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ("single", "pair", "cluster-failover", "partition", "consul-outage", "secrets", "security")
SKIPPED = 75
"""EX_TEMPFAIL: nothing was run, and nothing is known."""
STOPPED = 130
"""As a shell says of a command that was interrupted."""
CONSUL_TIMEOUT_S = 900
JOURNAL_TIMEOUT_S = 60


def say(text: str) -> None:
    print(f"nixos-hosts: {text}", flush=True)


def run_test(
    evaluator: Evaluator, test: Test, layers: list[Path], python: Path, work: Path, logs: Path
) -> driver.Outcome:
    """One test from its evaluation to its end; nothing is left of it but its logs."""
    started = time.monotonic()
    folder = work / test.name
    folder.mkdir()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for done in [
            pool.submit(write_node, evaluator, ROOT, test, name, folder / f"{name}.layer")
            for name in test.nodes
        ]:
            done.result()
    run_id = f"hn{os.getpid()}"
    specs = []
    for number, (name, node) in enumerate(sorted(test.nodes.items()), 1):
        place = folder / name
        place.mkdir()
        parts = [str(folder / f"{name}.layer"), *map(str, layers)]
        specs.append(Spec(run_id, name, number, node.address, test.addresses, parts, str(place)))
    say(f"{test.name}: {len(specs)} machines, evaluated in {time.monotonic() - started:.0f} s")
    began = time.monotonic()
    try:
        make_hub(run_id)
        said = driver.drive(python, evaluator.test_driver, test, [spec.save() for spec in specs], folder)
    finally:
        for spec in specs:
            Container(spec).clean()
        remove_hub(run_id)
        _keep_logs(folder, specs, logs / test.name)
    return driver.outcome(test.name, said, time.monotonic() - began)


def _keep_logs(folder: Path, specs: list[Spec], target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.copy(folder / "driver.log", target)
    for spec in specs:
        disk = Path(spec.folder) / "disk"
        text = subprocess.run(
            ["journalctl", "-q", "--no-pager", "-o", "short-precise", "-D", disk / "var/log/journal"],
            capture_output=True,
            timeout=JOURNAL_TIMEOUT_S,
            check=False,
        ).stdout
        (target / f"{spec.name}.journal").write_bytes(text)
        for name, source in (
            ("console", Path(spec.folder) / "console.log"),
            ("keywatch", disk / "var/log/keywatch"),
        ):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(source, target / f"{spec.name}.{name}")


def show(found: driver.Outcome) -> None:
    say(f"{found.name}: {'ok' if found.passed else 'FAILED'} after {found.seconds:.0f} s")
    lines = [f"{seconds:7.1f} s  {name}" for name, seconds in found.subtests.items()]
    lines += [f"measured  {name}: {value:g}" for name, value in found.measured.items()]
    lines += found.error.splitlines()
    print("".join(f"    {line}\n" for line in lines), end="", flush=True)


def go(names: list[str]) -> int:
    """Runs the tests one after the other; returns the exit status."""
    evaluator = find_evaluator(ROOT)
    machine.prepare()
    consul = Path(run([ROOT / "scripts" / "get-consul"], CONSUL_TIMEOUT_S).splitlines()[-1])
    base = image.debian(say)
    python = driver.environment(Path(__file__).with_name("requirements.lock"))
    logs = ROOT / "build" / "nixos-hosts"
    report = ROOT / "build" / "nixos-hosts.json"
    report.parent.mkdir(exist_ok=True)
    found: list[driver.Outcome] = []
    with tempfile.TemporaryDirectory(prefix="hn-", ignore_cleanup_errors=True) as temporary:
        work = Path(temporary)
        say("putting the product together")
        image.product(ROOT, work / "product", consul)
        for test in evaluate(evaluator, ROOT, names):
            began = time.monotonic()
            try:
                one = run_test(evaluator, test, [work / "product", base], python, work, logs)
            except Broken as error:
                one = driver.Outcome(test.name, False, time.monotonic() - began, error=str(error))
            found.append(one)
            show(one)
            report.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
            shutil.rmtree(work / test.name, ignore_errors=True)
    passed = sum(one.passed for one in found)
    say(f"{passed} of {len(found)} passed; figures in build/nixos-hosts.json, logs in build/nixos-hosts/")
    return 0 if passed == len(found) else 1


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make nixos-hosts", description=__doc__)
    parser.add_argument("tests", nargs="*", default=list(DEFAULT), help="names in nix/tests/default.nix")
    names = parser.parse_args(arguments).tests
    # A kill is an end like any other: what was made is removed.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return go(names)
    except Skip as reason:
        say(f"SKIPPED, nothing was tested: {reason}")
        return SKIPPED
    except Broken as error:
        say(f"FAILED: {error}")
    except KeyboardInterrupt:
        say("stopped")
        return STOPPED
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
