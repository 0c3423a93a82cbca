"""config.json, genesis.json, log_config.json and localneard.json: what is read and what is refused."""

import copy
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from localneard import log as logs
from localneard.addresses import Address, parse_address, parse_boot_nodes
from localneard.config import check_log_config, parse_config
from localneard.config_defaults import default_config, duration
from localneard.errors import BadFileError
from localneard.genesis import build_genesis, read_genesis
from localneard.jsonc import is_there, parse, read_object
from localneard.keys import Key
from localneard.settings import LiveSettings, Settings, read_settings

KEY = Key.from_name("node0", "node0").public_key
ACCOUNTS = [(name, Key.from_name(name, name).public_key) for name in ("node0", "node1", "node2")]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The default config.json with one member set; `...` removes it."""
    config = copy.deepcopy(default_config())
    *parents, name = path.split(".")
    part = config
    for parent in parents:
        part = part[parent]
    if value is ...:
        del part[name]
    else:
        part[name] = value
    return config


def test_comments_are_left_out_and_strings_left_alone() -> None:
    text = """{ // one
      "a": "http://x # y /* z */", # two
      /* three
         "b": 1 */ "c": "\\" // no comment" }"""
    assert parse(text) == {"a": "http://x # y /* z */", "c": '" // no comment'}


def test_an_error_names_the_line_that_the_reader_sees() -> None:
    with pytest.raises(ValueError, match="line 3 column 1"):
        parse('{ /* a\nb */ "x": 1\n"y" }')
    for text in ("NaN", "[" * 100_000, "", "/* open"):
        with pytest.raises(ValueError, match=r"."):
            parse(text)


def test_a_file_must_hold_an_object_in_utf8(tmp_path: Path) -> None:
    for content, message in ((b"[]", "must hold a JSON object"), (b"\xff\xfe", "is not text in UTF-8")):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(BadFileError, match=message):
            read_object(tmp_path / "x.json")


def test_a_link_to_nothing_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert not is_there(tmp_path / "link")
    assert not is_there(tmp_path / "a" / "b")
    assert is_there(tmp_path)


def test_the_defaults_are_neards() -> None:
    config = parse_config("config.json", {})
    assert str(config.rpc and config.rpc.addr) == "0.0.0.0:3030"
    assert config.consensus.min_block_production_delay_s == 0.6
    assert config.consensus.max_block_production_delay_s == 2.0
    assert (config.consensus.min_num_peers, config.store_path) == (3, "data")
    assert config.tracked_shards_config == "NoShards"
    assert config.log_summary_period_s == 10
    assert parse_config("config.json", default_config()).unknown == ()
    assert parse_config("config.json", changed("rpc", None)).rpc is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("rpc.addr", "127.0.0.1:0", "rpc.addr has port 0"),
        ("rpc.addr", "localhost", "rpc.addr is 'localhost', not an address"),
        ("network.addr", ..., "network.addr is missing"),
        (
            "network.boot_nodes",
            "ed25519:x@127.0.0.1:1",
            "network.boot_nodes holds 'ed25519:x@127.0.0.1:1', not a peer",
        ),
        (
            "network.public_addrs",
            [f"{KEY}@10.0.0.1:5"],
            "network.public_addrs holds 10.0.0.1:5, which is no public",
        ),
        ("network.public_addrs", [f"{KEY}@1.1.1.1:5"] * 2, "network.public_addrs names a peer twice"),
        ("network.skip_sync_wait", "yes", "network.skip_sync_wait must be true or false"),
        ("consensus.min_num_peers", ..., "consensus.min_num_peers is missing"),
        ("consensus.min_num_peers", -1, "consensus.min_num_peers must be a whole number"),
        ("consensus.min_block_production_delay", 1, "must be a duration"),
        ("consensus.min_block_production_delay", duration(3), "is larger than max_block_production_delay"),
        ("consensus.max_block_production_delay", duration(7), "is larger than max_block_wait_delay"),
        ("gc.gc_num_epochs_to_keep", 0, "gc.gc_num_epochs_to_keep must be at least 1"),
        ("tx_routing_height_horizon", 1, "tx_routing_height_horizon must be from 2 to 100"),
        ("cold_store", {}, "cold_store needs archive"),
        ("tracked_shards_config", "SomeShards", "tracked_shards_config must be such as"),
        ("tracked_accounts", ["a.near"], "tracked_accounts and tracked_shards_config are both set"),
        ("expected_shutdown", "soon", "expected_shutdown must be a whole number"),
    ],
)
def test_a_bad_value_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(BadFileError) as caught:
        parse_config("config.json", changed(path, value))
    assert message in str(caught.value)
    assert str(caught.value).startswith("config.json: ")


def test_unknown_keys_are_reported_with_their_path() -> None:
    config = {**changed("network.surprise", 1), "other": 2}
    assert sorted(parse_config("config.json", config).unknown) == ["network.surprise", "other"]


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("tracked_shards", [0], "AllShards"),
        ("tracked_shards", [], "NoShards"),
        ("tracked_shadow_validator", "pool.near", {"ShadowValidator": "pool.near"}),
        ("tracked_accounts", ["a.near"], {"Accounts": ["a.near"]}),
    ],
)
def test_old_ways_to_name_tracked_shards_are_understood(old: str, value: Any, new: Any) -> None:
    config = {**changed("tracked_shards_config", None), old: value}
    assert parse_config("config.json", config).tracked_shards_config == new


def test_addresses_and_boot_nodes() -> None:
    assert parse_address("[::1]:24567") == Address("::1", 24567)
    assert str(Address("::1", 24567)) == "[::1]:24567"
    assert parse_address("0.0.0.0:3030").is_wildcard()
    assert [str(one) for one in parse_boot_nodes(f"{KEY}@a.example:1, {KEY}@[::1]:2,")] == [
        f"{KEY}@a.example:1",
        f"{KEY}@[::1]:2",
    ]
    for bad in ("::1:5", "1.1.1.1", "1.1.1.1:x", "1.1.1.1:70000", ":5"):
        with pytest.raises(ValueError, match=r"."):
            parse_address(bad)


def write_genesis(path: Path, **change: Any) -> Path:
    path.write_text(json.dumps({**build_genesis("test-chain", ACCOUNTS, validators=2), **change}))
    return path


def test_a_genesis_is_read_as_it_was_written(tmp_path: Path) -> None:
    genesis = read_genesis(write_genesis(tmp_path / "genesis.json"))
    assert [one.account_id for one in genesis.validators] == ["node0", "node1"]
    assert {one.stake for one in genesis.validators} == {5 * 10**31}
    assert (genesis.epoch_length, genesis.block_kickout_percent) == (60, 90)
    assert genesis.total_supply == str(4 * 10**33)
    other = read_genesis(write_genesis(tmp_path / "other.json", epoch_length=61))
    assert other.hash != genesis.hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"total_supply": "5"},
            "total_supply is 5, but the balances sum to 4000000000000000000000000000000000",
        ),
        ({"validators": []}, "validators are not the accounts that have a locked stake"),
        ({"validators": [{"account_id": "node0", "public_key": "x", "amount": "1"}]}, "public_key is not"),
        ({"epoch_length": 0}, "epoch_length must be at least 1"),
        ({"records": [{"AccessKey": {}}]}, "records holds an entry that is no account"),
        ({"genesis_time": "yesterday"}, "genesis_time is not a time"),
    ],
)
def test_a_bad_genesis_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=message):
        read_genesis(write_genesis(tmp_path / "genesis.json", **change))


def test_settings_default_to_off_and_bad_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "localneard.json"
    assert read_settings(path) == Settings()
    path.write_text('{"start_delay_s": 1.5, "rpc": "hang", "sync_blocks_per_s": 3} // comment')
    assert read_settings(path) == Settings(start_delay_s=1.5, rpc="hang", sync_blocks_per_s=3)
    for content, message in (
        ('{"rpc": "slow"}', "rpc must be one of error503, flood, garbage, hang, ok"),
        ('{"stop_delay_s": -1}', "stop_delay_s must be a number, not negative"),
        ('{"drop_delay_s": 1e9}', "drop_delay_s must be at most 86400 seconds"),
        ('{"sync_blocks_per_s": 0}', "sync_blocks_per_s must be above 0"),
        ('{"lose_sighup": true}', "lose_sighup must be a whole number"),
        ('{"eat_mib": -1}', "eat_mib must be a whole number"),
        ('{"lose_sigup": 1}', "lose_sigup is no setting of localneard"),
    ):
        path.write_text(content)
        with pytest.raises(BadFileError, match=message):
            read_settings(path)


def test_running_settings_follow_the_file_and_keep_the_old_ones_over_bad_ones(tmp_path: Path) -> None:
    settings = LiveSettings(tmp_path)
    changes = []
    settings.on_change = lambda: changes.append(settings.now)
    (tmp_path / "localneard.json").write_text('{"lose_sighup": 2}')
    assert [settings.lose_sighup() for _ in range(3)] == [True, True, False]
    (tmp_path / "localneard.json").write_text('{"lose_sighup": "many"}')
    settings.refresh()
    assert settings.now.lose_sighup == 2
    (tmp_path / "localneard.json").unlink()
    settings.refresh()
    settings.refresh()
    assert changes == [Settings(lose_sighup=2), Settings()]


def test_log_config_may_be_missing_and_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "log_config.json"
    assert check_log_config(path) is None
    path.write_text('{"rust_log": "debug,network=warn", "verbose_module": null}')
    assert check_log_config(path) == "debug,network=warn"
    path.write_text('{"verbose_module": 5}')
    with pytest.raises(BadFileError, match="verbose_module must be a string"):
        check_log_config(path)


def test_log_filters_go_by_target() -> None:
    levels = logs.parse_filter("warn,near=info,network=debug,db")
    assert levels == {"": logging.WARNING, "near": logging.INFO, "network": logging.DEBUG, "db": logs.TRACE}
    with pytest.raises(ValueError, match="'near=loud' is not a log directive"):
        logs.parse_filter("near=loud")
    assert logs.fields(height=5, reason='a "b"') == 'height=5 reason="a \\"b\\""'
