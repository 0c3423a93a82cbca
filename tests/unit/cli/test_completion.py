"""What a shell offers: commands, options, and the pool's hosts, which Consul knows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hafailover.cli.main import COMPLETING
from hafailover.cli.names import host_names

from ..near.keys import ACCOUNT
from ..observe.pool import fill
from ..observe.tiny_consul import TinyConsul

PROGRAM = Path(sys.executable).with_name("hafailover")


def environment(consul: TinyConsul | None) -> dict[str, str]:
    port = consul.port if consul is not None else 1
    return {
        "PATH": f"{PROGRAM.parent}:{os.defpath}",
        "HAFAILOVER_ACCOUNT_ID": ACCOUNT,
        "HAFAILOVER_CONSUL__ADDRESS": f"http://127.0.0.1:{port}",
    }


def run(words: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)


def offered(shell: str, line: str, consul: TinyConsul | None) -> str:
    """What the program answers to a shell's question, in that shell's own form."""
    asked = {COMPLETING: f"complete_{shell}"}
    if shell == "bash":
        asked |= {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    else:
        asked |= {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run([str(PROGRAM)], environment(consul) | asked)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_hosts_are_offered_in_each_shells_form(consul: TinyConsul, shell: str) -> None:
    fill(consul, active="host1", standbys=("host2", "spare"))
    told = offered(shell, "hafailover drain h", consul)
    assert "host1" in told and "host2" in told
    assert "spare" not in told


@pytest.mark.parametrize("line", ["explain h", "undrain h", "switchover --to h"])
def test_wherever_a_host_is_meant(consul: TinyConsul, line: str) -> None:
    fill(consul, active="host1", standbys=("host2",))
    assert offered("bash", f"hafailover {line}", consul).split() == ["host1", "host2"]


def test_without_consul_nothing_is_offered_and_nothing_said() -> None:
    assert offered("bash", "hafailover drain h", None).strip() == ""


def test_wrong_settings_are_no_news_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Context:
        params = {"config": tmp_path / "none.toml"}  # noqa: RUF012

    assert host_names(Context(), "") == []  # type: ignore[arg-type]


def test_commands_are_offered_by_their_beginning() -> None:
    assert offered("bash", "hafailover sw", None).split() == ["switchover"]
    assert offered("bash", "hafailover dr", None).split() == ["drain", "drill"]


def test_bash_itself_completes_with_the_script_that_is_shown(consul: TinyConsul) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed here")
    fill(consul, active="host1", standbys=("host2",))
    script = """
eval "$(_HAFAILOVER_COMPLETE=source_bash hafailover)"
complete -p hafailover >/dev/null || exit 9
COMP_WORDS=(hafailover drain host) COMP_CWORD=2
"$(complete -p hafailover | sed 's/.*-F \\([^ ]*\\).*/\\1/')" hafailover
echo "${COMPREPLY[*]}"
"""
    done = run([bash, "-c", script], environment(consul))
    assert (done.stdout.split(), done.returncode) == (["host1", "host2"], 0), done.stderr


def test_only_what_is_completed_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from hafailover.cli import main

    monkeypatch.setenv(COMPLETING, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "hafailover drain h")
    assert main._word() == "drain"
    monkeypatch.delenv("COMP_WORDS")
    assert main._word() is None
