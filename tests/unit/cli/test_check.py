"""`hafailover check`: configuration looked at, nothing started, exit codes that a build can go by."""

import json
from pathlib import Path

import pytest

from .command import Command

POOL = "mypool.poolv1.near"


def test_good_settings(hafailover: Command, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'account_id = "{POOL}"\nnode_name = "host1"\n')
    done = hafailover("check", "settings", "--config", str(file))
    assert (done.code, done.out) == (0, f"settings of host1 for {POOL}: good\n")


def test_settings_need_no_file_but_their_own(hafailover: Command, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        f'account_id = "{POOL}"\nvalidator_key_file = "/nowhere/key.json"\n'
        '[consul]\ntoken_file = "/nowhere/token"\n'
        '[neard]\nhome = "/nowhere/home"\nbinary = "/nowhere/neard"\n'
    )
    assert hafailover("check", "settings", "--config", str(file)).code == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_a_start_script_that_stays_in_between_is_warned_of(
    hafailover: Command, tmp_path: Path, as_json: bool
) -> None:
    script, file = tmp_path / "start-neard", tmp_path / "c.toml"
    script.write_text('#!/bin/sh\nexec tini -- /opt/neard "$@"\n')
    script.chmod(0o755)
    file.write_text(f'account_id = "{POOL}"\n[neard]\nbinary = "{script}"\n')

    done = hafailover("check", "settings", "--config", str(file), *(["--json"] if as_json else []))

    assert done.code == 0
    told = json.loads(done.out)["warnings"][0] if as_json else done.err
    assert f"neard.binary: {script} starts neard by tini, which stays in between" in told


@pytest.mark.parametrize("word", ["--rpc-addr=0.0.0.0:3031", "--rpc-addr", "--disable-rpc"])
def test_arguments_that_move_neards_rpc_are_refused(hafailover: Command, tmp_path: Path, word: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'account_id = "{POOL}"\n[neard]\nargs = ["--archive", "{word}", "127.0.0.1:1"]\n')
    done = hafailover("check", "settings", "--config", str(file))
    assert done.code == 2
    assert f"neard.args: {word.partition('=')[0]} would" in done.err


def test_wrong_settings(hafailover: Command, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('account_id = "NOT AN ACCOUNT"\npriorty = 1\n')
    done = hafailover("check", "settings", "--config", str(file))
    assert done.code == 2
    assert "account_id" in done.err and "priorty" in done.err


@pytest.mark.parametrize(
    ("overlay", "words", "code", "named"),
    [
        ({"tracked_shards_config": {"ShadowValidator": POOL}}, (), 0, ""),
        ({"archive": True}, (), 0, "warning: archive"),
        ({"tracked_shards_config": "NoShards"}, (), 2, "tracked_shards_config"),
        ({"tracked_shards_config": "NoShards"}, ("--promotion", "restart"), 0, ""),
        ({"tracked_shards_config": "AllShards"}, ("--promotion", "restart"), 2, "ends itself on mainnet"),
        (
            {"tracked_shards_config": "AllShards"},
            ("--promotion", "restart", "--chain-id", "mine"),
            0,
            "",
        ),
        ({"network": {"public_addrs": []}}, (), 0, ""),
        ({"network": {"tier1": {"enable_inbound": True}}}, (), 2, "neard.validator_routing is relayed"),
        ({"network": {"tier1": {"enable_inbound": True}}}, ("--routing", "direct"), 0, ""),
    ],
)
def test_neards_configuration(
    hafailover: Command,
    tmp_path: Path,
    overlay: dict[str, object],
    words: tuple[str, ...],
    code: int,
    named: str,
) -> None:
    file = tmp_path / "overlay.json"
    file.write_text(json.dumps(overlay))
    done = hafailover("check", "neard-config", str(file), "--account-id", POOL, *words)
    assert done.code == code
    assert named in done.err
    assert ("good" in done.out) == (code == 0)


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_what_is_no_configuration(hafailover: Command, tmp_path: Path, text: str) -> None:
    file = tmp_path / "overlay.json"
    file.write_text(text)
    done = hafailover("check", "neard-config", str(file), "--account-id", POOL)
    assert done.code == 2
    assert str(file) in done.err
    assert hafailover("check", "neard-config", str(tmp_path / "none"), "--account-id", POOL).code == 2


def test_the_same_for_programs(hafailover: Command, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'account_id = "{POOL}"\nnode_name = "host1"\n')
    done = hafailover("check", "settings", "--json", "--config", str(file))
    good = {"ok": True, "node_name": "host1", "account_id": POOL, "warnings": []}
    assert (done.code, json.loads(done.out)) == (0, good)
    file.write_text("priorty = 1\n")
    done = hafailover("check", "settings", "--json", "--config", str(file))
    assert (done.code, json.loads(done.out)["ok"]) == (2, False)
    assert "priorty" in json.loads(done.out)["error"]

    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps({"tracked_shards_config": "NoShards"}))
    done = hafailover("check", "neard-config", str(overlay), "--account-id", POOL, "--json")
    assert done.code == 2
    assert any("tracked_shards_config" in one for one in json.loads(done.out)["errors"])


def test_what_a_vanished_host_costs_is_told_by_setting_and_by_config_json(
    hafailover: Command, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    text = f'account_id = "{POOL}"\nnode_name = "host1"\n[neard]\n'
    file.write_text(text + 'validator_routing = "direct"\n')
    done = hafailover("check", "settings", "--config", str(file))
    assert done.code == 0
    assert "warning: neard.validator_routing is direct: if the active's host vanishes" in done.err
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.json").write_text("{}")
    file.write_text(text + f'home = "{home}"\n')
    done = hafailover("check", "settings", "--json", "--config", str(file))
    (warning,) = json.loads(done.out)["warnings"]
    assert "network.tier1.enable_inbound" in warning and "15 min" in warning
    file.write_text(text + 'validator_routing = "tier1"\n')
    done = hafailover("check", "settings", "--config", str(file))
    assert done.code == 2
    assert "neard.validator_routing" in done.err
