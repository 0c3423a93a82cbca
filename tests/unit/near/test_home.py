"""neard's home by its config.json: where things are, what cannot be relied on, and what stops a reload."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hafailover.near.home import HomeError, load_home, read_config, reload_obstacles

from .fifo import refusal_of_fifo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def config(folder: Path, data: Any) -> Path:
    (folder / "config.json").write_text(data if isinstance(data, str) else json.dumps(data))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(HomeError) as caught:
        load_home(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_neards_defaults(folder: Path) -> None:
    home = load_home(config(folder, {}))
    assert home.validator_key == folder / "validator_key.json"
    assert home.node_key == folder / "node_key.json"
    assert (home.rpc_host, home.rpc_port) == ("127.0.0.1", 3030)
    assert home.tracked_shards is None
    assert home.tier1
    assert home.config == folder / "config.json"


def test_what_config_says(folder: Path) -> None:
    data = {
        "validator_key_file": "my_key.json",
        "node_key_file": "my_node.json",
        "rpc": {"addr": "[::1]:4040", "enable_debug_rpc": False},
        "tracked_shards_config": {"ShadowValidator": "pool.near"},
        "network": {"addr": "0.0.0.0:24567", "tier1": {"enable_inbound": False, "enable_outbound": False}},
    }
    home = load_home(config(folder, "// mine\n" + json.dumps(data) + "# end"))
    assert home.validator_key == folder / "my_key.json"
    assert home.node_key == folder / "my_node.json"
    assert (home.rpc_host, home.rpc_port) == ("::1", 4040)
    assert not home.tier1
    assert home.shadows("pool.near")
    assert not home.shadows("other.near")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0:3030", ("127.0.0.1", 3030)),
        ("[::]:3030", ("::1", 3030)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("localhost:65535", ("localhost", 65535)),
        ("10.0.0.7:3030", ("10.0.0.7", 3030)),
    ],
)
def test_where_the_rpc_is_reached(folder: Path, address: str, expected: tuple[str, int]) -> None:
    home = load_home(config(folder, {"rpc": {"addr": address}}))
    assert (home.rpc_host, home.rpc_port) == expected


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        "3030",
        ":3030",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "h:-1",
        "h:+1",
        "h: 1",
        "h:1 ",
        "h:x",
        "h:²",
        "h:1.0",
        "[]:3030",
    ],
)
def test_an_rpc_address_that_makes_no_sense(folder: Path, address: str) -> None:
    text = refusal(config(folder, {"rpc": {"addr": address}}))
    assert "rpc.addr" in text
    assert "127.0.0.1:3030" in text


@pytest.mark.parametrize("rpc", [None, [], "x", {"addr": None}, {"addr": 3030}, {"addr": []}])
def test_a_home_without_rpc(folder: Path, rpc: Any) -> None:
    assert "set rpc.addr" in refusal(config(folder, {"rpc": rpc}))


@pytest.mark.parametrize("name", ["validator_key_file", "node_key_file"])
@pytest.mark.parametrize("value", ["", None, 7, [], {}, "a\0b"])
def test_a_file_name_that_is_none(folder: Path, name: str, value: Any) -> None:
    assert f"{name} is not a file name" in refusal(config(folder, {name: value}))


@pytest.mark.parametrize(
    "value", ["AllShards", "NoShards", None, {"ShadowValidator": None}, {"Accounts": ["pool.near"]}, [], 7]
)
def test_no_shadow(folder: Path, value: Any) -> None:
    assert not load_home(config(folder, {"tracked_shards_config": value})).shadows("pool.near")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"x"', "not a JSON object"),
        ("{" + " " * (4 << 20) + "}", "larger than"),
        ('{"a":' * 30_000, "nested too deeply"),
        ('{"rpc": {}, "rpc": {"addr": "127.0.0.1:1"}}', "rpc stands there twice, which neard refuses"),
        ('{"rpc": {"addr": "127.0.0.1:1", "addr": "127.0.0.1:2"}}', "addr stands there twice"),
        ('{"gas_limit": NaN}', "NaN is no number"),
    ],
    ids=lambda value: repr(value)[:16],
)
def test_a_config_that_neard_would_refuse(folder: Path, text: str, told: str) -> None:
    assert told in refusal(config(folder, text))


def test_a_config_that_is_no_text(folder: Path) -> None:
    (folder / "config.json").write_bytes(b'{"a": "\xff"}')
    assert "not a text file" in refusal(folder)


def test_missing_things(folder: Path) -> None:
    assert "config.json: No such file" in refusal(folder)
    (folder / "config.json").mkdir()
    assert "config.json: Is a directory" in refusal(folder)
    with pytest.raises(HomeError, match=r"no such folder; set neard.home"):
        load_home(folder / "none")
    with pytest.raises(HomeError, match=r"no such folder; set neard.home"):
        load_home(folder / "config.json" / "x" / ("y" * 300))


def test_a_fifo_is_not_waited_on(folder: Path) -> None:
    """The guard would stand still in the midst of a drop."""
    path = folder / "config.json"
    assert f"{path}: Not a regular file" in refusal_of_fifo(path, lambda: read_config(path), HomeError)


# --- reloads


def test_nothing_in_the_way(folder: Path) -> None:
    home = load_home(config(folder, {}))
    assert reload_obstacles(home) == []
    (folder / "log_config.json").write_text('{"rust_log": null} // fine')
    assert reload_obstacles(home) == []


@pytest.mark.parametrize("name", ["config.json", "log_config.json"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"a": 1,}', "{'a': 1}", '{"a": 1, "a": 1}', '{"a": NaN}', '{"a": 1e999}']
)
def test_a_broken_file_is_in_the_way(folder: Path, name: str, text: str) -> None:
    home = load_home(config(folder, {}))
    (folder / name).write_text(text)
    obstacles = reload_obstacles(home)
    assert len(obstacles) == 1
    assert str(folder / name) in obstacles[0]


def test_all_of_them_are_told(folder: Path) -> None:
    home = load_home(config(folder, {}))
    for name in ("config.json", "log_config.json"):
        (folder / name).write_text("{")
    assert len(reload_obstacles(home)) == 2


def test_a_missing_config_is_in_the_way_and_a_missing_log_config_is_not(folder: Path) -> None:
    home = load_home(config(folder, {}))
    (folder / "config.json").unlink()
    assert len(reload_obstacles(home)) == 1


def test_what_cannot_be_looked_at_is_in_the_way(folder: Path) -> None:
    home = load_home(config(folder, {}))
    (folder / "log_config.json").mkdir()
    assert len(reload_obstacles(home)) == 1


@pytest.mark.parametrize("target", ["x" * 300, "log_config.json", "/nowhere/log.json", "config.json/x"])
def test_a_link_that_leads_nowhere_is_no_surprise(folder: Path, target: str) -> None:
    """Whatever the system says of it (ENAMETOOLONG, ELOOP, ENOENT, ENOTDIR), it is told, not raised."""
    home = load_home(config(folder, {}))
    (folder / "log_config.json").symlink_to(target)
    assert isinstance(reload_obstacles(home), list)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "rpc": JSON | st.fixed_dictionaries({"addr": JSON | st.text(alphabet="127.0:[]²x", max_size=12)}),
            "validator_key_file": JSON,
            "node_key_file": JSON,
            "tracked_shards_config": JSON,
        },
    )
    | JSON
)
@example({"rpc": {"addr": "h:²"}})
@example({"validator_key_file": "\0"})
def test_any_config_gives_a_home_or_a_refusal(folder: Path, data: Any) -> None:
    try:
        home = load_home(config(folder, data))
    except HomeError:
        return
    assert 0 < home.rpc_port < 65536
    # What was accepted can be worked with.
    home.validator_key.is_symlink()
    assert isinstance(reload_obstacles(home), list)
    home.shadows("pool.near")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_give_a_home_or_a_refusal(folder: Path, raw: bytes) -> None:
    (folder / "config.json").write_bytes(raw)
    try:
        load_home(folder)
    except HomeError as error:
        assert str(folder) in str(error)
