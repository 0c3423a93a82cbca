"""Wrong settings: each is named, with its fix, and without its value where that may be secret."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hafailover.config.load import ConfigError, load_settings

ACCOUNT = "pool.poolv1.near"
Refusal = Callable[..., str]


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refusal:
    """Loads settings from lines of TOML and from variables; the message that refuses them."""

    def load(*lines: str, **variables: str) -> str:
        path = tmp_path / "config.toml"
        path.write_text("\n".join([f'account_id = "{ACCOUNT}"', *lines]))
        for name, value in variables.items():
            monkeypatch.setenv(f"HAFAILOVER_{name}", value)
        with pytest.raises(ConfigError) as caught:
            load_settings(path)
        # What pydantic raised shows the values, and would show them in a traceback.
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        text = str(caught.value)
        assert str(path) in text
        assert "Value error" not in text
        assert "pydantic" not in text
        return text

    return load


def test_the_account_must_be_set() -> None:
    with pytest.raises(ConfigError, match=r"account_id: must be set .*HAFAILOVER_ACCOUNT_ID"):
        load_settings()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('node_nam = "x"', "node_nam"),
        ("[consul]\nadress = 1", "consul.adress"),
        ("[timing]\nfence = 1", "timing.fence"),
        ("[neard]\nbinray = 1", "neard.binray"),
        ("[standby]\nmin_peer = 1", "standby.min_peer"),
        ("[stanby]\nmin_peers = 1", "stanby"),
        ("[timing.default]\nbeat_s = 1", "timing.default"),
    ],
)
def test_an_unknown_setting_is_named(refusal: Refusal, line: str, name: str) -> None:
    text = refusal(line)
    assert f"{name}: no such setting; see docs/configuration.md" in text


@pytest.mark.parametrize(
    "variable",
    ["CONSUL__ADRESS", "TIMING__FENCE", "PRIORTY", "TIMING_PROFILE", "CONSUL_ADDRESS", "NEARD_HOME"],
)
def test_an_unknown_variable_is_named(refusal: Refusal, variable: str) -> None:
    """One underscore too few, and a host runs by other timings than its operator believes."""
    assert variable.split("__")[-1].lower() in refusal(**{variable: "1"}).lower()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        (
            "NEARD__ARGS",
            "--x y",
            """must be a JSON list of texts, such as HAFAILOVER_NEARD__ARGS='["--name",""",
        ),
        ("NEARD__ARGS", '{"--x": "y"}', "must be a JSON list of texts"),
        ("NEARD__ARGS", "[" * 100_000, "must be a JSON list of texts"),
        ("neard__args", "--x y", "HAFAILOVER_neard__args='["),
        ("NOTIFY__EVENTS", "fenced", "must be a JSON list of texts"),
        ("HTTP__NAMES", "host1", "must be a JSON list of texts"),
        ("NEARD", "/var/lib/neard", "a JSON object of the settings in [neard]; or set them one by one"),
        ("TIMING", '{"profile":', "a JSON object of the settings in [timing]"),
    ],
)
def test_a_variable_that_is_no_list_is_named_with_the_form_that_it_wants(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv(f"HAFAILOVER_{variable}", value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert f"HAFAILOVER_{variable}: " in str(caught.value)
    assert told in str(caught.value)
    assert value not in str(caught.value)


def test_a_list_in_a_variable_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_NEARD__ARGS", '["--x", "y"]')
    monkeypatch.setenv("HAFAILOVER_HTTP__NAMES", "")
    assert load_settings().neard.args == ("--x", "y")


@pytest.mark.parametrize("variable", ["CONFIG", "CONSUL_BINARY"])
def test_variables_that_are_not_settings_are_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'account_id = "{ACCOUNT}"')
    monkeypatch.setenv(f"HAFAILOVER_{variable}", str(path))
    assert load_settings().account_id == ACCOUNT if variable == "CONFIG" else load_settings(path)


@pytest.mark.parametrize(
    ("line", "name", "told"),
    [
        ('priority = "high"', "priority", "integer"),
        ("priority = 101", "priority", "less than or equal to 100"),
        ('promotion = "cold"', "promotion", "'hot' or 'restart'"),
        ('log_level = "loud"', "log_level", "'debug', 'info', 'warning' or 'error'"),
        ('node_name = ""', "node_name", "letters, digits"),
        ('node_name = "a/b"', "node_name", "letters, digits"),
        ('node_name = "a b"', "node_name", "letters, digits"),
        ('node_name = "-a"', "node_name", "letters, digits"),
        (f'node_name = "{"x" * 65}"', "node_name", "at most 64"),
        ('listen = "2233"', "listen", "an address and a port, such as 127.0.0.1:2233"),
        ('listen = "127.0.0.1:0"', "listen", "such as"),
        ('listen = "127.0.0.1:65536"', "listen", "such as"),
        ('listen = "127.0.0.1:²"', "listen", "such as"),
        ('[consul]\naddress = "127.0.0.1:8500"', "consul.address", "a URL such as http://127.0.0.1:8500"),
        ('[consul]\naddress = "http://h:0"', "consul.address", "a URL such as"),
        ('[consul]\naddress = "http://h:99999"', "consul.address", "a URL such as"),
        ('[consul]\naddress = "http://h/v1/kv"', "consul.address", "a URL such as"),
        ('[consul]\naddress = "unix:///run/consul"', "consul.address", "a URL such as"),
        ('[consul]\ncert_file = "/a"', "consul.cert_file and consul.key_file go together", ""),
        ('[consul]\nkey_file = "/a"', "consul.cert_file and consul.key_file go together", ""),
        ('listen = "10.0.0.2:2233"', "listen", "http.allow_plain = true on a trusted network"),
        ('listen = "0.0.0.0:2233"', "listen", "or http.token_file"),
        ('listen = "[::]:2233"', "listen", "http.tls_cert_file and http.tls_key_file"),
        ('listen = "host1.example:2233"', "listen", "can be reached from other machines"),
        ('[http]\ntls_cert_file = "/a"', "http.tls_cert_file and http.tls_key_file go together", ""),
        ('[http]\ntls_key_file = "/a"', "http.tls_cert_file and http.tls_key_file go together", ""),
        ('[http]\nnames = ["host1:2233"]', "http.names", "without a port"),
        ('[http]\ntoken = "a"', "http.token", "no such setting"),
        ('[neard]\nrpc_address = "3030"', "neard.rpc_address", "such as 127.0.0.1:3030"),
        ('[neard]\nargs = "--archive"', "neard.args", "must be a list of texts, such as ["),
        ("[neard]\nstop_s = 0", "neard.stop_s", "greater than 0"),
        ('[timing]\nprofile = "slow"', "timing.profile", "'default', 'fast' or 'wide'"),
        ("[timing]\nbeat_s = -1", "timing.beat_s", "greater than 0"),
        ("[timing]\nbeat_s = nan", "timing.beat_s", ""),
        ("[timing]\nbeat_s = inf", "timing.beat_s", ""),
        ("[timing]\nmargin_rate = 1.5", "timing.margin_rate", "less than 1"),
        ("[timing]\nsession_ttl_s = 9", "timing.session_ttl_s", "10"),
        ("[standby]\nmax_lag_blocks = -1", "standby.max_lag_blocks", "greater than or equal to 0"),
        ("[standby]\nrequire_shadow = 7", "standby.require_shadow", "boolean"),
        ('consul = "http://127.0.0.1:8500"', "consul", "write [consul]"),
        ("neard = 7", "neard", "write [neard]"),
    ],
)
def test_a_wrong_value_names_setting_and_fix(refusal: Refusal, line: str, name: str, told: str) -> None:
    text = refusal(line)
    assert name in text
    assert told in text


@pytest.mark.parametrize("listen", ["127.0.0.1:2233", "127.9.9.9:1", "[::1]:2233", "localhost:2233"])
def test_loopback_needs_no_more(listen: str) -> None:
    assert load_settings(cli_args=["--account-id", ACCOUNT, "--listen", listen]).listens_on_loopback


@pytest.mark.parametrize(
    "more",
    [
        ["--http.allow-plain", "true"],
        ["--http.token-file", "/a"],
        ["--http.tls-cert-file", "/a", "--http.tls-key-file", "/b"],
    ],
    ids=["plain", "token", "TLS"],
)
def test_other_addresses_need_one_of_three(more: list[str]) -> None:
    settings = load_settings(cli_args=["--account-id", ACCOUNT, "--listen", "10.0.0.2:2233", *more])
    assert settings.listen_address == ("10.0.0.2", 2233)


@pytest.mark.parametrize("account", ["Pool.near", "a", "pool..near", "ed25519:abc", "x" * 65, "pool near"])
def test_an_account_that_is_none(account: str) -> None:
    with pytest.raises(
        ConfigError, match=r"account_id: must be a NEAR account id, such as pool\.poolv1\.near"
    ):
        load_settings(cli_args=["--account-id", account])


@pytest.mark.parametrize(
    "name",
    ["VALIDATOR_KEY_FILE", "NEARD__HOME", "GUARD_SOCKET", "CONSUL__TOKEN_FILE", "PRIORITY", "NODE_NAME"],
)
def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As a unit's environment has it; an empty path would be the present folder."""
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    unset = load_settings().model_dump()
    monkeypatch.setenv(f"HAFAILOVER_{name}", "")
    assert load_settings().model_dump() == unset


@pytest.mark.parametrize(
    ("lines", "name"),
    [(['validator_key_file = ""'], "validator_key_file"), (["[neard]", 'home = ""'], "neard.home")],
)
def test_an_empty_path_in_the_file_is_named(refusal: Refusal, lines: list[str], name: str) -> None:
    assert f"{name}: must not be empty" in refusal(*lines)


def test_everything_that_is_wrong_is_told_at_once(refusal: Refusal) -> None:
    text = refusal('priority = "high"', 'listen = "x"', "[consul]", "adress = 1", PROMOTION="cold")
    for name in ("priority", "listen", "consul.adress", "promotion"):
        assert f"  {name}: " in text
    assert "HAFAILOVER_CONSUL__ADRESS" in text


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("account_id", "S3CRET/"),
        ("node_name", "S3CRET/"),
        ("listen", "S3CRET"),
        ("consul.address", "http://user:S3CRET@host"),
        ("consul.address", "S3CRET"),
        ("priority", "S3CRET"),
        ("promotion", "S3CRET"),
        ("timing.profile", "S3CRET"),
        ("neard.args", "S3CRET"),
    ],
)
def test_values_are_not_shown(tmp_path: Path, setting: str, value: str) -> None:
    """Whatever was put there by mistake may be a secret."""
    section, _, name = setting.rpartition(".")
    path = tmp_path / "config.toml"
    lines = [f'account_id = "{ACCOUNT}"'] * (setting != "account_id") + [f"[{section}]"] * bool(section)
    path.write_text("\n".join([*lines, f'{name} = "{value}"']))
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert "S3CRET" not in str(caught.value)


# --- timing


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["fence_after_s = 3"], "timing.fence_after_s is 3, less than one beat, two failed tries"),
        (["drop_budget_s = 0.3"], "timing.drop_budget_s is 0.3"),
        (["fence_after_s = 14"], "above the 15 that other hosts assume"),
        (["margin_s = 0.1"], "timing.margin_s is 0.1"),
        (["margin_rate = 0.001"], "timing.margin_rate is 0.001"),
        (["session_ttl_s = 10", "fence_after_s = 12"], "below timing.fence_after_s (12)"),
        (["check_ttl_s = 2"], "timing.check_ttl_s is 2"),
        (["call_deadline_s = 5"], "timing.fence_after_s is 7"),
        (['profile = "fast"', "beat_s = 3"], "timing.fence_after_s is 5"),
    ],
)
def test_timing_that_breaks_a_rule_names_it(refusal: Refusal, lines: list[str], told: str) -> None:
    text = refusal("[timing]", *lines)
    assert told in text
    assert "timing.fence_after_s" in text or told in text


def test_all_broken_rules_are_told(refusal: Refusal) -> None:
    text = refusal("[timing]", "margin_s = 0.1", "drop_budget_s = 0.1", "check_ttl_s = 1")
    for name in ("margin_s", "drop_budget_s", "check_ttl_s"):
        assert f"timing.{name}" in text


# --- the command line


@pytest.mark.parametrize(
    "arguments",
    [["--nonsense", "1"], ["extra"], ["--priority"], ["--consul.adress", "x"], ["--priority", "x"]],
)
def test_a_wrong_flag_ends_with_one_message(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    with pytest.raises((ConfigError, SystemExit)) as caught:
        load_settings(None, arguments, "hafailover run")
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 2
        assert arguments[0] in capsys.readouterr().err
    else:
        assert arguments[0].lstrip("-") in str(caught.value)


def test_no_argument_of_this_process_is_taken_for_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["hafailover", "status", "--priority", "7"])
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    assert load_settings().priority == 0
    assert load_settings(None, []).priority == 0
