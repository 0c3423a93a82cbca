"""Which agent a quick command asks: the one that runs by the same file, or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hafailover.config.load import load_settings
from hafailover.local.place import place_of
from hafailover.local.start import place_in

from ..config.conftest import no_settings_around as no_settings_around

SHORT = 'account_id = "pool.near"\n'


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        SHORT + 'node_name = "host1"\nstate_dir = "/var/lib//hafailover/"\n[consul]\naddress = "https://c"\n',
        SHORT + '[consul]\ntoken_file = "/x"\n[neard]\nhome = "/h"\n',
    ],
    ids=["defaults", "all set", "other settings"],
)
def test_it_is_where_the_agent_with_these_settings_answers(tmp_path: Path, text: str) -> None:
    file = config(tmp_path, text)
    found, agent = place_of(file), place_in(load_settings(file))
    assert found is not None
    assert (found.socket, found.hello) == (agent.socket, agent.hello)


def test_the_file_is_the_one_that_all_commands_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place_of(None) is None
    file = config(tmp_path, SHORT)
    monkeypatch.setenv("HAFAILOVER_CONFIG", str(file))
    assert place_of(None) == place_of(file)
    monkeypatch.delenv("HAFAILOVER_CONFIG")
    monkeypatch.setattr("hafailover.config.place.DEFAULT_CONFIG", file)
    assert place_of(None) == place_of(file)


@pytest.mark.parametrize("name", ["HAFAILOVER_STATE_DIR", "hafailover_consul", "HAFAILOVER_LOG_LEVEL"])
def test_settings_in_the_environment_are_left_to_who_reads_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = config(tmp_path, SHORT)
    monkeypatch.setenv("HAFAILOVER_CONSUL_BINARY", "/the/project's/own")
    assert place_of(file) is not None
    monkeypatch.setenv(name, "x")
    assert place_of(file) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "account_id = 5",
        'account_id = ""',
        'account_id = "../pool.near"',
        SHORT + 'node_name = "a/b"',
        SHORT + 'state_dir = "/run/\\u0000"',
        SHORT + "consul = 5",
        SHORT + "[consul]\naddress = 5",
        "account_id = ",
        "a = " + "[" * 5000,
    ],
)
def test_a_file_that_does_not_say_names_no_agent(tmp_path: Path, text: str) -> None:
    assert place_of(config(tmp_path, text)) is None


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would be waited for."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "nowhere", tmp_path):
        assert place_of(path) is None
    (tmp_path / "latin").write_bytes(b'account_id = "\xff"')
    assert place_of(tmp_path / "latin") is None
