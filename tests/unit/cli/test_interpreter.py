"""A process that a command starts finds the package wherever the command itself has found it."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from ..near.keys import ACCOUNT, write_key

WRAPPED = """
import site, sys
for folder in {folders}:
    site.addsitedir(folder)
from hafailover.cli.main import main
main()
"""
"""As in nixpkgs: the script names its packages, and its interpreter knows none of them."""


@pytest.fixture
def bare() -> str:
    """The interpreter that this one is made of, without its packages."""
    python = str(Path(sys.executable).resolve())
    done = subprocess.run([python, "-c", "import hafailover"], capture_output=True, check=False, timeout=60)
    if done.returncode == 0:
        pytest.skip(f"{python} has hafailover installed, so nothing can be missing")
    return python


def test_the_guard_starts_where_only_its_script_knows_the_packages(bare: str, tmp_path: Path) -> None:
    home = tmp_path / "neard"
    home.mkdir()
    (home / "config.json").write_text("{}")
    # A real file where only a link may be: a guard that runs says so and ends.
    write_key(home / "validator_key.json", "pool")
    write_key(home / "node_key.json", "node", "node")
    settings = {
        "HAFAILOVER_ACCOUNT_ID": ACCOUNT,
        "HAFAILOVER_NEARD__HOME": str(home),
        "HAFAILOVER_NEARD__BINARY": "/bin/true",
        "HAFAILOVER_VALIDATOR_KEY_FILE": str(write_key(tmp_path / "pool.json", "pool")),
        "HAFAILOVER_GUARD_SOCKET": str(tmp_path / "guard.sock"),
    }
    here = str(Path(__file__).resolve().parents[3] / "src")
    folders = json.dumps([here, sysconfig.get_path("purelib")])
    done = subprocess.run(
        [bare, "-c", WRAPPED.format(folders=folders), "guard"],
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "a real file lies where only a link may be" in done.stderr
