"""The real NixOS test driver, from the evaluator's tree, run over machines that are containers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

from nixos_hosts.command import run
from nixos_hosts.evaluated import Test
from nixos_hosts.image import cache

GRACE_S = 60
PIP_TIMEOUT_S = 600
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_SUBTEST = re.compile(r"\(finished: subtest: (.*), in ([0-9.]+) seconds\)")
_MEASURED = re.compile(r"measured: (\S+): ([0-9.]+)")


@dataclass
class Outcome:
    """How a test ended; times in seconds."""

    name: str
    passed: bool
    seconds: float
    subtests: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    error: str = ""


def environment(requirements: Path) -> Path:
    """The Python of a virtual environment with what the driver needs, made once."""
    folder = cache() / "driver"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "-q", "--disable-pip-version-check", "install", "--require-hashes"]
        run([*pip, "-r", str(requirements)], PIP_TIMEOUT_S)
        (folder / "ready").touch()
    return python


def drive(python: Path, driver: Path, test: Test, specs: list[Path], folder: Path) -> str:
    """Runs a test's script; returns the driver's output, and puts it into ``driver.log``. Bounded."""
    start_scripts = []
    for spec in specs:
        script = folder / f"run-{spec.parent.name}-vm"
        here = Path(__file__).resolve().parent.parent
        script.write_text(
            f'#!/bin/sh\nPYTHONPATH="{here}" exec "{sys.executable}" -m nixos_hosts.fake_qemu "{spec}" "$@"\n'
        )
        script.chmod(0o755)
        # The driver reads the machine's name from the end of the command.
        start_scripts.append(f"exec {script}")
    text = folder / "test-script.py"
    text.write_text(test.script)
    state, out = folder / "state", folder / "out"
    for one in (state, out):
        one.mkdir(exist_ok=True)
    source = driver / "src" if (driver / "src" / "test_driver").is_dir() else driver
    command = [
        *(str(python), "-c", "from test_driver import main; main()"),
        *("--start-scripts", *start_scripts, "--vlans", "--global-timeout", str(test.timeout_s)),
        *("-o", str(out), str(text)),
    ]
    log = folder / "driver.log"
    env = {**os.environ, "PYTHONPATH": str(source), "TMPDIR": str(state), "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=folder
        )
        try:
            code = process.wait(test.timeout_s + GRACE_S)
        except BaseException:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
    said = _ESCAPES.sub("", log.read_text(errors="replace"))
    return said + f"\nthe driver ended with code {code}\n"


def outcome(name: str, said: str, seconds: float) -> Outcome:
    """What the driver's output says. Pure."""
    found = Outcome(name, said.rstrip().endswith("the driver ended with code 0"), seconds)
    found.subtests = {match[1]: float(match[2]) for match in _SUBTEST.finditer(said)}
    found.measured = {match[1].partition("/")[2]: float(match[2]) for match in _MEASURED.finditer(said)}
    if not found.passed:
        errors = [line for line in said.splitlines() if re.search(r"!!!|Error|error:|failed", line)]
        found.error = "\n".join(errors[-5:] or said.splitlines()[-5:])
    return found
