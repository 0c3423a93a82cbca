"""neard's home made ready by way of the stand-in's own init: what is made, kept, replaced and refused."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hafailover.near.keyfile import read_key
from hafailover.near.prepare import Plan, PrepareError, prepare_home

from .conftest import CHAIN, POOL, read

Make = Callable[..., Plan]


def files(home: Path) -> dict[str, tuple[int, bytes]]:
    return {one.name: (one.stat().st_ino, one.read_bytes()) for one in home.iterdir()}


def refusal(plan: Plan) -> str:
    with pytest.raises(PrepareError) as caught:
        prepare_home(plan)
    return str(caught.value)


def test_a_first_start_makes_all_but_a_validator_key(home: Path, plan: Make) -> None:
    prepare_home(plan())
    names = {one.name for one in home.iterdir()}
    assert names == {
        "config.json",
        "config.base.json",
        "config.base.version",
        "config.last.json",
        "genesis.json",
        "node_key.json",
    }
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in home.iterdir()}
    assert modes.pop("node_key.json") == 0o600
    assert set(modes.values()) == {0o640}
    config = read(home / "config.json")
    assert config["tracked_shards_config"] == {"ShadowValidator": POOL}
    assert config["rpc"]["addr"] == "127.0.0.1:4040"
    assert config["rpc"]["cors_allowed_origins"], "what neard wrote beside it is gone"


def test_a_second_start_writes_nothing(home: Path, plan: Make) -> None:
    prepare_home(plan())
    before = files(home)
    prepare_home(plan())
    assert files(home) == before


def test_other_wishes_reach_config_json_and_nothing_else(home: Path, plan: Make) -> None:
    prepare_home(plan())
    before = files(home)
    prepare_home(plan(overlay={"rpc": {"addr": "127.0.0.1:5050"}}))
    after = files(home)
    assert {name for name in after if after[name] != before[name]} == {"config.json", "config.last.json"}
    config = read(home / "config.json")
    assert config["rpc"]["addr"] == "127.0.0.1:5050"
    assert config["tracked_shards_config"] == read(home / "config.base.json")["tracked_shards_config"]


def copies(home: Path) -> list[Path]:
    return sorted(home.glob("config.json.*"))


def handmade(**changes: object) -> dict[str, object]:
    """As an operator has it, following an older guide: whole, and without what is new."""
    return {
        "rpc": {"addr": "0.0.0.0:9999"},
        "network": {"addr": "0.0.0.0:24567", "boot_nodes": "", "max_num_peers": 77},
        "tracked_shards": [],
        "tracked_shadow_validator": POOL,
        "view_client_threads": 9,
        "validator_key_file": "mine.json",
        **changes,
    }


def test_what_somebody_wrote_is_kept_where_nothing_says_otherwise(
    home: Path, plan: Make, caplog: pytest.LogCaptureFixture
) -> None:
    written = json.dumps(handmade()) + " // by hand\n"
    (home / "config.json").write_text(written)
    caplog.set_level("INFO")
    prepare_home(plan())
    config = read(home / "config.json")
    assert config["rpc"]["addr"] == "127.0.0.1:4040", "this host's settings have a word on it"
    assert config["network"]["max_num_peers"] == 77
    assert config["view_client_threads"] == 9
    assert config["validator_key_file"] == "validator_key.json"
    assert config["tracked_shards_config"] == {"ShadowValidator": POOL}
    assert not {"tracked_shards", "tracked_shadow_validator"} & set(config)
    (copy,) = copies(home)
    assert copy.read_text() == written
    said = " ".join(caplog.messages)
    assert f"a copy is kept as {copy.name}" in said
    assert "config.kept.json: network.max_num_peers, view_client_threads" in said
    assert "tracked_shadow_validator: of older guides" in said
    assert "left out of it: tracked_shadow_validator, tracked_shards" in said
    assert "have a word on that: rpc.addr, validator_key_file" in said
    assert "added to it, as neard's init has it: archive, " in said
    # And at every start from now on, without a word, and without another copy.
    before = files(home)
    caplog.clear()
    prepare_home(plan())
    assert files(home) == before
    assert caplog.messages == []
    prepare_home(plan(overlay={"view_client_threads": 3}))
    assert read(home / "config.json")["view_client_threads"] == 3
    assert read(home / "config.json")["network"]["max_num_peers"] == 77


def test_the_shards_of_an_older_guide_are_understood(home: Path, plan: Make) -> None:
    (home / "config.json").write_text(json.dumps(handmade()))
    prepare_home(plan(overlay={}))
    assert read(home / "config.json")["tracked_shards_config"] == {"ShadowValidator": POOL}
    prepare_home(plan(overlay={}))
    assert read(home / "config.json")["tracked_shards_config"] == {"ShadowValidator": POOL}


def test_a_line_changed_by_hand_later_is_kept_and_a_line_of_ours_is_put_back(home: Path, plan: Make) -> None:
    prepare_home(plan())
    config = read(home / "config.json")
    config["consensus"]["min_num_peers"] = 8
    config["rpc"]["addr"] = "0.0.0.0:1"
    del config["store"]
    (home / "config.json").write_text(json.dumps(config))
    prepare_home(plan())
    assert read(home / "config.kept.json") == {"consensus": {"min_num_peers": 8}}
    config = read(home / "config.json")
    assert (config["consensus"]["min_num_peers"], config["rpc"]["addr"]) == (8, "127.0.0.1:4040")
    assert "store" in config
    (home / "config.base.version").write_text("an older one")
    prepare_home(plan())
    assert read(home / "config.json")["consensus"]["min_num_peers"] == 8
    (home / "config.kept.json").unlink()
    prepare_home(plan())
    assert read(home / "config.json")["consensus"]["min_num_peers"] != 8
    assert len(copies(home)) == 1


@pytest.mark.parametrize("text", ["{", '{"a": 1, "a": 2}', "[]"])
def test_of_a_broken_config_json_a_copy_is_kept(home: Path, plan: Make, text: str) -> None:
    (home / "config.json").write_text(text)
    prepare_home(plan())
    (copy,) = copies(home)
    assert copy.read_text() == text
    assert read(home / "config.json")["rpc"]["addr"] == "127.0.0.1:4040"


@pytest.mark.parametrize(("release", "refused"), [("2.13.1", True), ("2.12.0", False), ("trunk", False)])
def test_state_from_a_bucket(
    home: Path,
    plan: Make,
    tmp_path: Path,
    neard: str,
    release: str,
    refused: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    binary = tmp_path / "neard"
    version = f'[ "$1" = --version ] && echo "neard (release {release}) (build x)" && exit 0'
    binary.write_text(f'#!/bin/sh\n{version}\nexec {neard} "$@"\n')
    binary.chmod(0o755)
    bucket = {"sync": {"ExternalStorage": {"location": {"GCS": {"bucket": "b"}}}}}
    written = json.dumps(handmade(state_sync=bucket))
    (home / "config.json").write_text(written)
    if refused:
        assert f"neard {release} refuses ExternalStorage" in refusal(plan(neard=str(binary)))
        assert (home / "config.json").read_text() == written
    else:
        prepare_home(plan(neard=str(binary)))
        assert "ExternalStorage is of older guides" in " ".join(caplog.messages)


def test_a_new_version_of_neard_writes_the_base_anew_and_keeps_the_keys(home: Path, plan: Make) -> None:
    prepare_home(plan())
    key = (home / "node_key.json").read_bytes()
    (home / "config.base.version").write_text("an older one")
    (home / "config.base.json").write_text("{}")
    prepare_home(plan())
    assert read(home / "config.base.json")["consensus"]
    assert (home / "node_key.json").read_bytes() == key
    assert (home / "config.base.version").read_text() != "an older one"


def test_a_start_that_broke_off_leaves_nothing_behind(home: Path, plan: Make) -> None:
    leftover = home / ".init-broken"
    leftover.mkdir()
    (leftover / "validator_key.json").write_text("{}")
    for name in ("genesis.json", "node_key.json", "config.json"):
        (home / f".{name}.new").write_text("half of")
    prepare_home(plan())
    assert [one.name for one in home.iterdir() if one.name.startswith(".")] == []


def test_what_others_wrote_reaches_the_disk_before_its_name(
    home: Path, plan: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    prepare_home(plan())
    assert {one.name for one in home.iterdir() if one.stat().st_ino not in synced} == set()


def test_a_given_node_key_is_taken(home: Path, plan: Make, tmp_path: Path) -> None:
    prepare_home(plan())
    own = read_key(home / "node_key.json").public_key
    given = tmp_path / "given.json"
    prepare_home(plan(home=_another(tmp_path)))
    shutil.copy(tmp_path / "another" / "node_key.json", given)
    prepare_home(plan(node_key=given, public_address="192.0.2.1", routing="direct"))
    found = read_key(home / "node_key.json").public_key
    assert found != own
    assert read(home / "config.json")["network"]["public_addrs"] == [f"{found}@192.0.2.1:24567"]


def test_a_loose_node_key_is_refused(plan: Make, tmp_path: Path) -> None:
    given = tmp_path / "given.json"
    given.write_text("{}")
    given.chmod(0o644)
    assert "chmod 600" in refusal(plan(node_key=given))


@pytest.mark.parametrize(
    ("address", "written"),
    [("192.0.2.1", "192.0.2.1:777"), ("192.0.2.1:9", "192.0.2.1:9"), ("2001:db8::1", "[2001:db8::1]:777")],
)
def test_public_addresses(home: Path, plan: Make, address: str, written: str) -> None:
    overlay = {"network": {"addr": "0.0.0.0:777"}}
    prepare_home(plan(overlay=overlay, public_address=address, routing="direct"))
    (found,) = read(home / "config.json")["network"]["public_addrs"]
    assert found.partition("@")[2] == written


def test_a_public_address_that_is_none(plan: Make) -> None:
    assert "public_address: nowhere" in refusal(plan(public_address="nowhere", routing="direct"))


def test_a_private_address_is_published_only_where_allowed(home: Path, plan: Make) -> None:
    refused = refusal(plan(public_address="10.0.0.1", routing="direct"))
    assert "public_address: 10.0.0.1 is not for neard" in refused
    overlay = {"network": {"allow_private_ip_in_public_addrs": True}}
    prepare_home(plan(overlay=overlay, public_address="10.0.0.1", routing="direct"))
    (found,) = read(home / "config.json")["network"]["public_addrs"]
    assert found.endswith("@10.0.0.1:24567")


ADDRESS = "ed25519:86EtEy7epneKyrcJwSWP7zsisTkfDRH5CFVszt4qiQYw@192.0.2.7:24567"
OFF = {"enable_inbound": False, "enable_outbound": False}


def test_relayed_messages_need_no_tier1_and_no_address(home: Path, plan: Make) -> None:
    prepare_home(plan(public_address="192.0.2.7"))
    network = read(home / "config.json")["network"]
    assert {name: network["tier1"][name] for name in OFF} == OFF
    assert network["public_addrs"] == network["trusted_stun_servers"] == []
    prepare_home(plan(routing="direct"))
    before = read(home / "config.base.json")["network"]
    assert read(home / "config.json")["network"] == before, "direct is what neard does by default"


def test_addresses_that_somebody_wrote_go_into_a_copy(
    home: Path, plan: Make, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "config.json").write_text(json.dumps(handmade(network={"public_addrs": [ADDRESS]})))
    caplog.set_level("INFO")
    prepare_home(plan())
    assert read(home / "config.json")["network"]["public_addrs"] == []
    (copy,) = copies(home)
    assert read(copy)["network"]["public_addrs"] == [ADDRESS]
    said = " ".join(caplog.messages)
    assert "have a word on that: network.public_addrs, rpc.addr" in said


def test_a_home_of_before_the_setting_changes_with_a_copy_once(
    home: Path, plan: Make, caplog: pytest.LogCaptureFixture
) -> None:
    prepare_home(plan(public_address="192.0.2.7", routing="direct"))
    (address,) = read(home / "config.json")["network"]["public_addrs"]
    caplog.set_level("INFO")
    prepare_home(plan(public_address="192.0.2.7"))
    assert read(home / "config.json")["network"]["public_addrs"] == []
    (copy,) = copies(home)
    assert read(copy)["network"]["public_addrs"] == [address]
    said = " ".join(caplog.messages)
    assert "neard.validator_routing is relayed: changed network.public_addrs, " in said
    assert copy.name in said
    before = files(home)
    prepare_home(plan(public_address="192.0.2.7"))
    assert files(home) == before


@pytest.mark.parametrize(
    ("chain", "at_hand", "words"),
    [
        ("mainnet", False, "init --chain-id mainnet"),
        ("testnet", False, "init --chain-id testnet --download-genesis"),
        ("testnet", True, "init --chain-id testnet --genesis HOME/genesis.json"),
    ],
)
def test_what_neard_is_asked_to_make(
    home: Path, plan: Make, tmp_path: Path, chain: str, at_hand: bool, words: str
) -> None:
    binary, asked = tmp_path / "neard", tmp_path / "asked"
    binary.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\nshift 2\necho "$@" > {asked}\nexit 1\n')
    binary.chmod(0o755)
    if at_hand:
        (home / "genesis.json").write_text(f'{{"chain_id": "{chain}"}}')
    refusal(plan(neard=str(binary), chain_id=chain, genesis=None))
    assert asked.read_text().strip() == words.replace("HOME", str(home))


def test_with_restarts_the_hosts_own_key_stays_beside_the_link(home: Path, plan: Make) -> None:
    prepare_home(plan(hot=False))
    own = (home / "node_key.json").read_bytes()
    (home / "node_key.json").rename(home / "node_key.host.json")
    (home / "node_key.json").symlink_to("node_key.host.json")
    prepare_home(plan(hot=False, public_address="192.0.2.1", routing="direct"))
    assert (home / "node_key.json").is_symlink()
    assert (home / "node_key.host.json").read_bytes() == own
    assert read(home / "config.json")["network"]["public_addrs"] == []


def test_without_restarts_again_the_hosts_own_key_takes_the_links_place(
    home: Path, plan: Make, tmp_path: Path
) -> None:
    prepare_home(plan(hot=False))
    own = (home / "node_key.json").read_bytes()
    (home / "node_key.json").rename(home / "node_key.host.json")
    # As a guard leaves it that was killed while it held the key.
    (home / "node_key.json").symlink_to(tmp_path / "credential-of-before")
    prepare_home(plan())
    assert not (home / "node_key.json").is_symlink()
    assert (home / "node_key.json").read_bytes() == own
    assert not (home / "node_key.host.json").exists()


def test_a_node_key_that_is_a_link_of_the_operators_is_kept(home: Path, plan: Make, tmp_path: Path) -> None:
    prepare_home(plan())
    elsewhere = tmp_path / "elsewhere.json"
    (home / "node_key.json").rename(elsewhere)
    (home / "node_key.json").symlink_to(elsewhere)
    (home / "config.base.version").unlink()
    prepare_home(plan(public_address="192.0.2.1", routing="direct"))
    assert (home / "node_key.json").readlink() == elsewhere
    own = read_key(elsewhere).public_key
    assert read(home / "config.json")["network"]["public_addrs"] == [f"{own}@192.0.2.1:24567"]


def test_a_validator_key_in_the_home_is_refused_and_untouched(home: Path, plan: Make) -> None:
    (home / "validator_key.json").write_text("{}")
    assert "only a link may be" in refusal(plan())
    assert [one.name for one in home.iterdir()] == ["validator_key.json"]


def test_a_private_chain_needs_its_genesis(home: Path, plan: Make) -> None:
    assert f"chain {CHAIN} is a private one" in refusal(plan(genesis=None))
    prepare_home(plan())
    prepare_home(plan(genesis=None))


def test_a_genesis_of_another_chain(home: Path, plan: Make, tmp_path: Path) -> None:
    assert "set to mainnet" in refusal(plan(chain_id="mainnet"))
    prepare_home(plan())
    assert "set to mainnet" in refusal(plan(chain_id="mainnet", genesis=None))
    assert "is no file" in refusal(plan(genesis=tmp_path / "none.json"))


def test_a_genesis_that_changed_is_taken(home: Path, plan: Make, tmp_path: Path, genesis: Path) -> None:
    prepare_home(plan())
    changed = tmp_path / "genesis.json"
    changed.write_bytes(genesis.read_bytes() + b"\n")
    prepare_home(plan(genesis=changed))
    assert (home / "genesis.json").read_bytes() == changed.read_bytes()


@pytest.mark.parametrize(
    ("script", "named"),
    [("exit 3", "failed with code 3"), ("echo broken; exit 1", "broken"), ("exit 0", "node_key.json")],
)
def test_a_neard_that_fails(home: Path, plan: Make, tmp_path: Path, script: str, named: str) -> None:
    binary = tmp_path / "neard"
    binary.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\n{script}\n')
    binary.chmod(0o755)
    assert named in refusal(plan(neard=str(binary)))
    assert not list(home.glob(".init-*"))


def test_no_neard_and_no_home(home: Path, plan: Make) -> None:
    assert "neard.binary: /nowhere" in refusal(plan(neard="/nowhere"))
    assert "neard.home:" in refusal(plan(home=home / "none"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_of_somebody_else(home: Path, plan: Make) -> None:
    home.chmod(0o500)
    try:
        assert "cannot be written to" in refusal(plan())
    finally:
        home.chmod(0o700)


def test_the_command_on_a_home_that_neard_then_takes(
    home: Path, plan: Make, tmp_path: Path, genesis: Path, neard: str
) -> None:
    config, overlay = tmp_path / "config.toml", tmp_path / "overlay.json"
    config.write_text(f'account_id = "{POOL}"\n[neard]\nhome = "{home}"\nbinary = "{neard}"\n')
    overlay.write_text('{"tracked_shards_config": {"ShadowValidator": "node3"}}')
    words = ["prepare-home", "--config", str(config), "--chain-id", CHAIN, "--overlay", str(overlay)]
    done = subprocess.run(
        [sys.executable, "-m", "hafailover", *words, "--genesis", str(genesis)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "wrote config.json" in done.stderr
    checked = subprocess.run(
        [neard, "--home", str(home), "validate-config"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    overlay.write_text('{"rpc": null}')
    done = subprocess.run(
        [sys.executable, "-m", "hafailover", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "rpc: must be an object" in done.stderr


def _another(tmp_path: Path) -> Path:
    path = tmp_path / "another"
    path.mkdir()
    return path
