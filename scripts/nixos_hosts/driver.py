"""The real NixOS test driver, from the evaluator's tree, run over machines that are containers."""

from __future__ import annotations

import hashlib
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
from nixos_hosts.image import alone, cache

GRACE_S = 60
PIP_TIMEOUT_S = 600
ENDED = "the driver ended with code "
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_SUBTEST = re.compile(r"\(finished: subtest: (.*), in ([0-9.]+) seconds\)")
_MEASURED = re.compile(r"measured: (\S+): ([0-9.]+)")
_COMPLAINT = re.compile(r"!!!|Error\b|error: |fake_qemu: |^timeout reached")


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
    """The Python of a virtual environment with what the driver needs, made once for each lock and Python.

    :raises Broken: the packages cannot be had.
    """
    identity = f"{sys.version}\n{requirements.read_text()}"
    folder = cache() / f"driver-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    with alone():
        if not (folder / "ready").exists():
            venv.create(folder, with_pip=True, clear=True)
            options = ("-q", "--disable-pip-version-check", "--require-hashes", "-r")
            run([python, "-P", "-m", "pip", "install", *options, requirements], PIP_TIMEOUT_S)
            (folder / "ready").touch()
    return python


def drive(python: Path, driver: Path, test: Test, specs: list[Path], folder: Path) -> str:
    """Runs a test's script; returns the driver's output, which also stands in ``driver.log``. Bounded."""
    start_scripts = [_start_script(spec, folder) for spec in specs]
    text = folder / "test-script.py"
    text.write_text(test.script)
    state, out = folder / "state", folder / "out"
    for one in (state, out):
        one.mkdir(exist_ok=True)
    # Newer trees keep the driver's package under src/.
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
            code = str(process.wait(test.timeout_s + GRACE_S))
        except subprocess.TimeoutExpired:
            code = f"none within {test.timeout_s + GRACE_S} s"
        finally:
            _end(process)
    return f"{_ESCAPES.sub('', log.read_text(errors='replace'))}\n{ENDED}{code}\n"


def _start_script(spec: Path, folder: Path) -> str:
    """The command that the driver starts a machine with; it reads the machine's name from its end."""
    script = folder / f"run-{spec.parent.name}-vm"
    packages = Path(__file__).resolve().parent.parent
    script.write_text(
        f'#!/bin/sh\nPYTHONPATH="{packages}" '
        f'exec "{sys.executable}" -P -m nixos_hosts.fake_qemu "{spec}" "$@"\n'
    )
    script.chmod(0o755)
    return f"exec {script}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its machines see for themselves that it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                continue


def outcome(name: str, said: str, seconds: float) -> Outcome:
    """What the driver's output says. Pure."""
    found = Outcome(name, said.rstrip().endswith(f"\n{ENDED}0"), seconds)
    found.subtests = {match[1]: float(match[2]) for match in _SUBTEST.finditer(said)}
    found.measured = {match[1].partition("/")[2]: float(match[2]) for match in _MEASURED.finditer(said)}
    if not found.passed:
        lines = said.splitlines()
        # Commands are left out: they may hold a whole file.
        errors = [line for line in lines if _COMPLAINT.search(line) and "must succeed" not in line]
        found.error = "\n".join(line[:300] for line in (errors[-5:] or lines[-5:]))
    return found
