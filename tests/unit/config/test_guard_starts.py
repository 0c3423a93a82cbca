"""From a configuration file to a guard that starts, or ends with one message that names setting and fix."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from hafailover.cli.daemons import guard_settings
from hafailover.config.load import load_settings
from hafailover.guard.main import prepare, run

from ..near.keys import ACCOUNT, key_document, public_key, secret_key, write_key, write_private

SECRET = secret_key("pool").removeprefix("ed25519:")


class Host:
    """neard's home, the pool's key, and the file that names them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "neard"
        self.home.mkdir()
        self.config = self.home / "config.json"
        self.config.write_text("{}")
        write_key(self.home / "node_key.json", "node", "node")
        self.key = write_key(folder / "pool.json", "pool")
        self.toml = folder / "config.toml"
        self.socket = folder / "run" / "guard.sock"
        self.write()

    def write(self, key: Path | None = None) -> None:
        self.toml.write_text(
            f'account_id = "{ACCOUNT}"\nguard_socket = "{self.socket}"\n'
            f'validator_key_file = "{key or self.key}"\n[neard]\nhome = "{self.home}"\nbinary = "true"\n'
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def refusal(host: Host, caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Starts the guard, which must refuse with one message and without a secret; the message."""

    def start() -> str:
        with caplog.at_level(logging.DEBUG):
            assert run(guard_settings(load_settings(host.toml))) == 2
        # Other libraries' threads may log, too, at this level.
        records = [record for record in caplog.records if record.name.startswith("hafailover")]
        assert len(records) == 1
        record = records[0]
        assert record.exc_info is None
        for part in (SECRET, SECRET[:12], SECRET[-12:]):
            assert part not in record.getMessage()
        return record.getMessage()

    return start


def document(**changes: object) -> str:
    return json.dumps({**key_document("pool"), **changes})


def test_a_good_host_is_ready_to_start(host: Host) -> None:
    """Whatever is refused below is refused for what was spoilt."""
    prepared = prepare(guard_settings(load_settings(host.toml)))
    assert prepared.config.public_key == public_key("pool")
    assert prepared.config.drop_budget_s == 1.5


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), ("No such file", "check validator_key_file")),
        (lambda path: path.chmod(0o644), ("mode 0644", "run: chmod 600 ")),
        (lambda path: path.chmod(0o660), ("mode 0660", "run: chmod 600 ")),
        (lambda path: write_private(path, document()[:-5]), ("not valid JSON", "from your backup")),
        (lambda path: write_private(path, SECRET), ("not valid JSON", "from your backup")),
        (lambda path: write_private(path, document(secret_key=SECRET[:-4])), ("secret_key has",)),
        (lambda path: write_private(path, document(public_key=secret_key("pool"))), ("public_key has",)),
        (lambda path: write_private(path, document(account_id=SECRET)), ("account_id is not", "backup")),
        (
            lambda path: write_key(path, "pool", "other.poolv1.near"),
            (
                "the key is of account other.poolv1.near",
                f"account_id is set to {ACCOUNT}",
                "correct account_id",
            ),
        ),
    ],
    ids=["missing", "world", "group", "cut", "bare", "short", "swapped", "misplaced", "account"],
)
def test_a_key_that_cannot_be_used(
    host: Host, refusal: Callable[[], str], spoil: Callable[[Path], object], told: tuple[str, ...]
) -> None:
    spoil(host.key)
    message = refusal()
    assert message.startswith(f"validator_key_file: {host.key}: ")
    for text in told:
        assert text in message


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_text("{"), "not valid JSON"),
        (lambda path: path.write_text("[]"), "not a JSON object"),
        (lambda path: path.write_bytes(b"\xff"), "not a text file"),
        (lambda path: path.write_text('{"rpc": null}'), "set rpc.addr"),
        (lambda path: path.write_text('{"rpc": {"addr": "3030"}}'), "such as 127.0.0.1:3030"),
    ],
    ids=["missing", "cut", "list", "bytes", "no rpc", "no port"],
)
def test_a_config_of_neards_that_cannot_be_used(
    host: Host, refusal: Callable[[], str], spoil: Callable[[Path], object], told: str
) -> None:
    spoil(host.config)
    message = refusal()
    assert str(host.config) in message
    assert told in message


def test_a_home_that_is_not_there(host: Host, refusal: Callable[[], str]) -> None:
    host.home = host.home / "none"
    host.write()
    assert "set neard.home" in refusal()


def ended(host: Host, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says that ends before there is a guard."""
    with pytest.raises(typer.Exit) as caught:
        guard_settings(load_settings(host.toml))
    assert caught.value.exit_code == 2
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 1
    return text


def test_a_key_in_neards_home_is_not_taken(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """Every start of that neard would find it, whatever the other hosts do."""
    host.write(key=host.home / "validator_key.json")
    assert "validator_key_file: " in ended(host, capsys)


@pytest.mark.parametrize(
    ("line", "replacement", "setting"),
    [
        ("validator_key_file", "", "validator_key_file: must be set"),
        ("home", "", "neard.home: must be set"),
        ("binary", 'binary = "no-such-neard"', "neard.binary: no-such-neard"),
        ("guard_socket", f'guard_socket = "/{"x" * 120}"', "guard_socket: "),
    ],
)
def test_what_the_guard_needs_is_named(
    host: Host, capsys: pytest.CaptureFixture[str], line: str, replacement: str, setting: str
) -> None:
    lines = host.toml.read_text().splitlines()
    host.toml.write_text("\n".join(replacement if one.startswith(line) else one for one in lines))
    assert setting in ended(host, capsys)


def test_the_credential_of_systemd_is_the_default(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = host.key.parent / "credentials"
    credential = write_key(folder / "validator_key", "pool")
    # systemd opens it to the service by an ACL, which shows as the group's right to read.
    credential.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert guard_settings(load_settings(host.toml)).validator_key_file == str(host.key), (
        "a setting counts more"
    )
    lines = [line for line in host.toml.read_text().splitlines() if "validator_key_file" not in line]
    host.toml.write_text("\n".join(lines))
    settings = guard_settings(load_settings(host.toml))
    assert settings.validator_key_file == str(credential)
    assert prepare(settings).config.public_key == public_key("pool")
    assert SECRET not in settings.to_json(), "it goes over a command line, for all to see"
