"""Every command explains itself: what it does, an example, and a word on each option."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer

from hafailover import __version__
from hafailover.cli import localnet
from hafailover.cli.app import COMMANDS, GROUPS, make_app
from hafailover.config.settings import Settings
from hafailover.localnet import running

from .command import Command


def every_command() -> list[str]:
    """All commands, as they are typed; asked of the program, so that a new one is not forgotten."""
    names = []
    for name, command in typer.main.get_command(make_app()).commands.items():  # type: ignore[attr-defined]
        names += [f"{name} {sub}" for sub in getattr(command, "commands", {})] or [name]
    return names


def test_these_are_all() -> None:
    assert every_command() == [
        "run",
        "guard",
        "prepare-home",
        "status",
        "explain",
        "doctor",
        "upgrade-plan",
        "switchover",
        "pause",
        "resume",
        "drain",
        "undrain",
        "history",
        "audit",
        "drill",
        "takeover",
        "allow-first-term",
        "demo",
        "bench",
        "check settings",
        "check neard-config",
        "localnet init",
        "localnet up",
        "localnet down",
        "localnet status",
        "notify test",
    ]


@pytest.mark.parametrize("name", every_command())
def test_a_command_explains_itself_by_example(hafailover: Command, name: str) -> None:
    done = hafailover(*name.split(), "--help")
    assert (done.code, done.err) == (0, "")
    text = " ".join(done.out.split())
    assert re.search(rf"Examples?: hafailover {name}\b", text)


@pytest.mark.parametrize("name", [name for name in every_command() if name not in ("run", "guard")])
def test_every_option_is_explained(hafailover: Command, name: str) -> None:
    out = hafailover(*name.split(), "--help").out
    options = [line for line in out.partition("Options:")[2].splitlines() if re.match(r"  -", line)]
    assert len(options) >= 2
    for line in options:
        words = re.split(r"  +", line.strip(), maxsplit=1)
        assert len(words) == 2, f"not explained: {line}"


@pytest.mark.parametrize("name", ["run", "guard"])
def test_every_setting_is_a_flag_of_the_daemons(hafailover: Command, name: str) -> None:
    out = hafailover(name, "--help").out
    for setting in ("--account-id", "--consul.address", "--neard.home", "--timing.profile"):
        assert setting in out
    for setting in Settings.model_fields:
        assert f"--{setting.replace('_', '-')}" in out


def test_the_groups_and_the_version(hafailover: Command) -> None:
    assert hafailover("--version").out == f"hafailover {__version__}\n"
    for words in (["--help"], ["localnet", "--help"]):
        done = hafailover(*words)
        assert done.code == 0
        assert "Commands:" in done.out


def test_a_command_that_is_known_loads_no_other() -> None:
    told = typer.main.get_command(make_app("status")).commands  # type: ignore[attr-defined]
    assert list(told) == ["status"]
    assert len(typer.main.get_command(make_app("nonsense")).commands) > 10  # type: ignore[attr-defined]


def test_every_command_is_found_by_its_name() -> None:
    names = {name.split()[0] for name in every_command()}
    assert names == {*COMMANDS, *GROUPS}
    for name in names:
        assert name in typer.main.get_command(make_app(name)).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "collects"), [("status", False), ("demo", True), ("bench", True), ("run", True)]
)
def test_only_a_short_command_lets_garbage_lie(name: str, collects: bool) -> None:
    script = f"""
import gc, sys
before = gc.get_threshold()
sys.argv = ["hafailover", "{name}", "--help"]
from hafailover.cli.main import main
try:
    main()
except SystemExit:
    pass
print(gc.get_threshold() == before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == str(collects)


def test_what_status_needs_comes_without_the_rest() -> None:
    heavy = ("hafailover.lab", "hafailover.localnet", "hafailover.demo", "hafailover.agent", "aiohttp")
    script = f"""
import sys
sys.argv = ["hafailover", "status", "--help"]
from hafailover.cli.main import main
try:
    main()
except SystemExit:
    pass
import hafailover.config.load, hafailover.observe.look, hafailover.observe.render
print(*[name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == ""


def test_localnets_deadlines_are_those_it_runs_by() -> None:
    assert (localnet.START_S, localnet.STOP_S) == (running.START_DEADLINE_S, running.STOP_TIMEOUT_S)
