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
    assert (done.code, json.loads(done.out)) == (0, {"ok": True, "node_name": "host1", "account_id": POOL})
    file.write_text("priorty = 1\n")
    done = hafailover("check", "settings", "--json", "--config", str(file))
    assert (done.code, json.loads(done.out)["ok"]) == (2, False)
    assert "priorty" in json.loads(done.out)["error"]

    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps({"tracked_shards_config": "NoShards"}))
    done = hafailover("check", "neard-config", str(overlay), "--account-id", POOL, "--json")
    assert done.code == 2
    assert any("tracked_shards_config" in one for one in json.loads(done.out)["errors"])
