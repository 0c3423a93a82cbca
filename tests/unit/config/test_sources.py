"""Where settings come from, and which one counts."""

from pathlib import Path

import pytest

from hafailover.config import place
from hafailover.config.load import ConfigError, load_settings
from hafailover.config.place import host_name
from hafailover.config.settings import Settings, credential
from hafailover.timing import PROFILES

ACCOUNT = "pool.poolv1.near"


@pytest.fixture(autouse=True)
def default_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "etc" / "config.toml"
    path.parent.mkdir()
    monkeypatch.setattr(place, "DEFAULT_CONFIG", path)
    return path


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_the_account_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    settings = load_settings()
    assert settings.account_id == ACCOUNT
    assert settings.node_name == host_name()
    assert settings.promotion == "hot"
    assert settings.consul.address == "http://127.0.0.1:8500"
    assert settings.listen_address == ("127.0.0.1", 2233)
    assert settings.profile == PROFILES["default"]
    assert settings.validator_key_file is None
    assert settings.neard.args == ()
    assert settings.standby.require_shadow


SOURCES = ("file", "environment", "command line")


@pytest.mark.parametrize("strongest", SOURCES)
def test_the_stronger_source_counts(strongest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = SOURCES[: SOURCES.index(strongest) + 1]
    path = file(
        tmp_path,
        f'account_id = "{ACCOUNT}"\npriority = 1\n'
        '[neard]\nbinary = "file"\nstop_s = 11\n[timing]\nprofile = "fast"\n',
    )
    arguments = []
    if "environment" in used:
        monkeypatch.setenv("HAFAILOVER_PRIORITY", "2")
        monkeypatch.setenv("HAFAILOVER_NEARD__BINARY", "environment")
    if "command line" in used:
        arguments = ["--priority", "3", "--neard.binary", "command line"]

    settings = load_settings(path, arguments)

    assert settings.priority == len(used)
    assert settings.neard.binary == strongest
    # What only the file says stays, in the same section too.
    assert settings.neard.stop_s == 11
    assert settings.timing.profile == "fast"


def test_a_section_may_be_changed_in_part_on_the_command_line(tmp_path: Path) -> None:
    path = file(tmp_path, f'account_id = "{ACCOUNT}"\n[consul]\naddress = "http://10.0.0.1:8500"\n')
    settings = load_settings(path, ["--consul.token-file", "/run/token"])
    assert settings.consul.address == "http://10.0.0.1:8500"
    assert settings.consul.token_file == Path("/run/token")


def test_the_file_that_is_named_counts(
    tmp_path: Path, default_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default_config.write_text('account_id = "default.near"')
    assert load_settings().account_id == "default.near"
    by_environment = tmp_path / "environment.toml"
    by_environment.write_text('account_id = "environment.near"')
    monkeypatch.setenv("HAFAILOVER_CONFIG", str(by_environment))
    assert load_settings().account_id == "environment.near"
    assert load_settings(file(tmp_path, 'account_id = "named.near"')).account_id == "named.near"


def test_two_loads_do_not_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path, 'account_id = "one.near"\npriority = 5')
    assert load_settings(path).priority == 5
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", "two.near")
    assert load_settings().priority == 0
    assert Settings.model_config.get("toml_file") is None


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_file_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    path = tmp_path / "none.toml"
    if by == "environment":
        monkeypatch.setenv("HAFAILOVER_CONFIG", str(path))
    with pytest.raises(ConfigError, match=f"{path}: no such configuration file; check --config"):
        load_settings(path if by == "argument" else None)


@pytest.mark.parametrize(
    "raw",
    [
        b"account_id =",
        b"a = [",
        b"= 1",
        b'a = "\x00"',
        b"a = 1\na = 2\n",
        b'# \xe9\naccount_id = "a.near"\n',
        b"\xff",
        b"a = " + b"[" * 5000,
    ],
    ids=lambda raw: repr(raw)[:16],
)
def test_a_file_that_is_no_toml(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=f"{path}: not valid TOML"):
        load_settings(path)


def test_toml_and_json_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path, f'account_id = "{ACCOUNT}"\n[neard]\nargs = ["--archive", "--min-peers=3"]\n')
    assert load_settings(path).neard.args == ("--archive", "--min-peers=3")
    monkeypatch.setenv("HAFAILOVER_NEARD__ARGS", '["--verbose"]')
    assert load_settings(path).neard.args == ("--verbose",)
    assert load_settings(path, ["--neard.args=--one", "--neard.args=--two"]).neard.args == ("--one", "--two")


@pytest.mark.parametrize("variable", ["HAFAILOVER_NEARD__ARGS", "HAFAILOVER_CONSUL", "HAFAILOVER_TIMING"])
def test_a_variable_that_is_not_the_list_it_should_be(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv(variable, "--archive secret")
    with pytest.raises(ConfigError, match=variable) as caught:
        load_settings()
    assert "secret" not in str(caught.value)


# --- credentials of systemd


def test_a_credential_is_found_where_systemd_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert credential("validator_key") is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credential("validator_key") is None
    (tmp_path / "validator_key").write_text("{}")
    assert credential("validator_key") == tmp_path / "validator_key"


# --- the machine's name


@pytest.mark.parametrize(
    ("machine", "name"),
    [("host1", "host1"), ("host1.example.org", "host1"), ("", "localhost"), (".x", "localhost")],
)
def test_the_hosts_name_is_the_machines(monkeypatch: pytest.MonkeyPatch, machine: str, name: str) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: machine)
    assert host_name() == name
