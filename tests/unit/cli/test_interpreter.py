"""A process that a command starts finds the package wherever the command itself has found it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from hafailover import interpreter

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


def test_no_process_runs_what_lies_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "socket.py", "hafailover.py", "pydantic.py"):
        (tmp_path / name).write_text("import os\nos.mkdir('ran')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path, "site-packages", ""])
    environment = interpreter.environment(os.environ)
    for entry in environment["PYTHONPATH"].split(os.pathsep):
        assert Path(entry).is_absolute()
    done = subprocess.run(
        interpreter.command("hafailover", "--version"),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


STARTS = re.compile(r"""(?:sys\.executable|python3?["'}]*),? *(?:"-m"|-m )""")


def test_every_place_that_starts_a_python_keeps_the_current_folder_out() -> None:
    root = Path(__file__).resolve().parents[3]
    found = []
    for path in (*root.glob("src/**/*.py"), *root.glob("docs/*.md"), *root.glob("scripts/nixos_hosts/*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            # Docstrings say by which name a module is run.
            if STARTS.search(line) and "``python" not in line:
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()}")
    assert found == []
