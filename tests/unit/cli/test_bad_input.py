"""Bad input ends with exit code 2 and one message that says what is wrong, never with a traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ..near.keys import ACCOUNT
from .command import Command

GOOD = f'account_id = "{ACCOUNT}"\n'
RPC = "[neard]\nrpc_address = '127.0.0.1:1'\n"
SECRET = "S3CRET-2b7e1516"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    return path


def refused(hafailover: Command, *words: str) -> str:
    done = hafailover(*words)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert SECRET not in done.err
    return done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["--nonsense"], "--nonsense"),
        (["status", "--nonsense"], "--nonsense"),
        (["status", "extra"], "extra"),
        (["switchover", "--to"], "--to"),
        (["demo", "--profile", "slow"], "--profile: slow is none of default, fast, wide"),
        (["demo", "--scenario", "nope"], "--scenario: nope is none of "),
        (["bench", "--runs", "0"], "--runs"),
        (["bench", "--runs", "many"], "--runs"),
        (["localnet", "nonsense"], "No such command 'nonsense'"),
        (["localnet", "init"], "--home"),
        (["localnet", "up", "--home", "x", "--timeout", "0"], "--timeout"),
        (["run", "--nonsense", "1"], "--nonsense"),
        (["run", "--account-id", ACCOUNT, "extra"], "extra"),
        (["guard", "--account-id", ACCOUNT, "--priority"], "--priority"),
    ],
    ids=" ".join,
)
def test_words_that_make_no_sense(hafailover: Command, words: list[str], told: str) -> None:
    assert told in refused(hafailover, *words)


@pytest.mark.parametrize("command", ["status", "switchover", "run", "guard"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "account_id: must be set"),
        (f'account_id = "{SECRET}"', "account_id: must be a NEAR account id"),
        (f"{GOOD}token = '{SECRET}'", "token: no such setting"),
        (f"{GOOD}listen = '{SECRET}'", "listen: must be an address and a port"),
        (f"{GOOD}[consul]\ntoken = '{SECRET}'", "consul.token: no such setting"),
        (f"{GOOD}[timing]\nfence_after_s = 3", "timing.fence_after_s is 3"),
        (f"{GOOD}[", "not valid TOML"),
    ],
    ids=["empty", "account", "unknown", "listen", "token", "timing", "no TOML"],
)
def test_a_wrong_file_is_told_by_every_command(
    hafailover: Command, config: Path, command: str, text: str, told: str
) -> None:
    config.write_text(text)
    message = refused(hafailover, command, "--config", str(config))
    assert message.startswith("hafailover: ")
    assert str(config) in message
    assert told in message


def test_a_file_that_is_not_there(
    hafailover: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "none.toml"
    assert f"{path}: no such configuration file" in refused(hafailover, "status", "-c", str(path))
    monkeypatch.setenv("HAFAILOVER_CONFIG", str(path))
    assert f"{path}: no such configuration file" in refused(hafailover, "status")


def test_a_misspelt_variable(hafailover: Command, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_CONSUL_ADDRESS", SECRET)
    assert "HAFAILOVER_CONSUL_ADDRESS: no such setting" in refused(hafailover, "status", "-c", str(config))


@pytest.mark.parametrize("command", ["status", "switchover"])
def test_a_token_that_cannot_be_read(hafailover: Command, config: Path, command: str) -> None:
    token = config.with_name("token")
    token.write_text(f"{SECRET} {SECRET}")
    config.write_text(f'{GOOD}[consul]\ntoken_file = "{token}"')
    assert f"consul.token_file: {token}" in refused(hafailover, command, "-c", str(config))


@pytest.mark.parametrize("words", [["demo"], ["bench", "--only", "idle"]], ids=" ".join)
def test_without_consul_there_is_nothing_to_show(
    hafailover: Command, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = hafailover(*words)
    assert done.code == 2
    assert "Consul is needed: install it, set HAFAILOVER_CONSUL_BINARY" in done.err
    assert "Traceback" not in done.err


# --- what an agent refuses once its settings are read; in a process of its own, since it sets up logging


def started(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hafailover", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "neard.home or neard.rpc_address: one must be set"),
        ('[neard]\nhome = "{folder}/none"', "neard.home: {folder}/none: no such folder"),
        ('[neard]\nhome = "{folder}"', "neard.home: {folder}/config.json: No such file"),
        ('state_dir = "{folder}/config.toml"', "state_dir: {folder}/config.toml: File exists"),
        ('[consul]\ntoken_file = "{folder}/none"', "consul.token_file: {folder}/none: No such file"),
        (f'{RPC}[http]\ntoken_file = "{{folder}}/none"', "http.token_file: {folder}/none: No such file"),
        (
            f'{RPC}[http]\ntls_cert_file = "{{folder}}/none"\ntls_key_file = "{{folder}}/none"',
            "http.tls_cert_file: {folder}/none is missing or cannot be read",
        ),
    ],
    ids=["no neard", "no home", "no config", "state", "token", "HTTP's token", "certificate"],
)
def test_what_an_agent_cannot_start_with(config: Path, text: str, told: str) -> None:
    folder = str(config.parent)
    config.write_text(f'state_dir = "{folder}"\n{GOOD}' if "state_dir" not in text else GOOD)
    with config.open("a") as file:
        file.write(text.replace("{folder}", folder))
    message = started("run", "--config", str(config))
    assert message.startswith("hafailover: " + told.replace("{folder}", folder))
    assert len(message.splitlines()) == 1


def test_a_port_that_is_taken(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        message = started(
            *("run", "--config", str(config), "--state-dir", str(config.parent), "--listen", listen),
            *("--neard.rpc-address", "127.0.0.1:1"),
        )
    assert f"hafailover: listen: {listen}: Address already in use; choose another one" in message
