"""neard's home as real files: a key where none may be, and configurations that no standby should have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hafailover.config.settings import Settings
from hafailover.doctor.checks.home import judge
from hafailover.doctor.facts.home import HomeFacts, look_at_home
from hafailover.doctor.finding import Finding, Severity
from hafailover.near.home import load_home

from ..config.conftest import no_settings_around as no_settings_around
from ..near.keys import ACCOUNT, write_key
from .said import bad, one

GOOD: dict[str, Any] = {
    "genesis_file": "genesis.json",
    "validator_key_file": "validator_key.json",
    "node_key_file": "node_key.json",
    "tracked_shards_config": {"ShadowValidator": ACCOUNT},
    "rpc": {"addr": "127.0.0.1:3030"},
    "network": {
        "addr": "0.0.0.0:24567",
        "public_addrs": [],
        "trusted_stun_servers": [],
        "tier1": {"enable_inbound": False, "enable_outbound": False},
    },
    "store": {"load_mem_tries_for_tracked_shards": True},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_key(tmp_path / "node_key.json", "node", "node")
    return tmp_path


def examined(home: Path, config: Any = None, chain_id: str = "mainnet", **settings: Any) -> list[Finding]:
    if config is not None:
        (home / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return judge(look_at_home(home), Settings.model_validate({"account_id": ACCOUNT, **settings}), chain_id)


def test_the_home_of_a_standby(home: Path) -> None:
    found = examined(home, GOOD)
    assert {finding.severity for finding in found} == {Severity.OK}


def test_a_real_key_in_it(home: Path) -> None:
    write_key(home / "validator_key.json", "a")
    found = examined(home, GOOD)
    assert bad(found) == {"home.key": Severity.ERROR}
    assert str(home / "validator_key.json") in one(found, "home.key").text


def test_a_real_key_is_told_of_even_if_the_configuration_is_broken(home: Path) -> None:
    write_key(home / "validator_key.json", "a")
    assert bad(examined(home, "{")) == {"home.key": Severity.ERROR, "home.config": Severity.ERROR}


def test_a_key_under_the_name_that_neard_is_told(home: Path) -> None:
    write_key(home / "mine.json", "a")
    assert bad(examined(home, {**GOOD, "validator_key_file": "mine.json"})) == {"home.key": Severity.ERROR}


def test_the_guards_link(home: Path) -> None:
    (home / "validator_key.json").symlink_to("/elsewhere/key.json")
    assert one(examined(home, GOOD), "home.key").severity is Severity.INFO


@pytest.mark.parametrize(
    "change",
    [
        {"tracked_shards_config": "NoShards"},
        {"tracked_shards_config": "AllShards"},
        {"tracked_shards_config": {"ShadowValidator": "other.near"}},
        {"tracked_shards": [0]},
        {"rpc": {"addr": "localhost"}},
        {"network": {**GOOD["network"], "addr": "everywhere"}},
    ],
    ids=str,
)
def test_what_keeps_it_from_taking_over(home: Path, change: dict[str, Any]) -> None:
    assert bad(examined(home, {**GOOD, **change}))["home.config"] is Severity.ERROR


def test_the_configuration_of_older_guides_is_understood_and_explained(home: Path) -> None:
    old = {name: value for name, value in GOOD.items() if name != "tracked_shards_config"}
    config = {**old, "tracked_shards": [], "tracked_shadow_validator": ACCOUNT}
    found = examined(home, config)
    assert bad(found) == {"home.config": Severity.WARNING}
    said = " ".join(finding.text for finding in found)
    assert f'took its place: what stands here is {{"ShadowValidator": "{ACCOUNT}"}} there' in said
    assert load_home(home).shadows(ACCOUNT)
    every = {finding.severity for finding in examined(home, {**config, "tracked_shards": [0]})}
    assert every == {Severity.OK, Severity.ERROR, Severity.WARNING}, "all shards, and said in the old way"


@pytest.mark.parametrize(("neard", "severity"), [("2.13.1", Severity.ERROR), ("2.12.0", Severity.WARNING)])
def test_state_from_a_bucket(home: Path, neard: str, severity: Severity) -> None:
    state_sync = {"sync": {"ExternalStorage": {"location": {"GCS": {"bucket": "b"}}}}}
    (home / "config.json").write_text(json.dumps({**GOOD, "state_sync": state_sync}))
    settings = Settings.model_validate({"account_id": ACCOUNT})
    assert bad(judge(look_at_home(home), settings, "mainnet", neard)) == {"home.config": severity}


def test_a_configuration_that_does_not_say_what_is_tracked(home: Path) -> None:
    config = {name: value for name, value in GOOD.items() if name != "tracked_shards_config"}
    found = examined(home, config)
    assert bad(found) == {"home.config": Severity.ERROR}
    assert "ShadowValidator" in one(found, "home.config").text


@pytest.mark.parametrize(
    "change",
    [{"rpc": {"addr": "0.0.0.0:3030"}}, {"archive": True}, {"expected_shutdown": 5}],
    ids=str,
)
def test_what_is_seldom_meant(home: Path, change: dict[str, Any]) -> None:
    assert bad(examined(home, {**GOOD, **change})) == {"home.config": Severity.WARNING}


@pytest.mark.parametrize("rpc", [{}, {"rpc": {}}, {"rpc": {"enable_debug_rpc": False}}], ids=str)
def test_an_rpc_that_is_left_out_is_judged_as_neards_default(home: Path, rpc: dict[str, Any]) -> None:
    found = examined(home, {**{name: value for name, value in GOOD.items() if name != "rpc"}, **rpc})
    assert bad(found) == {"home.config": Severity.WARNING}
    said = one(found, "home.config").text
    assert said.startswith(
        "config.json: rpc.addr is left out, and neard's default 0.0.0.0:3030 lets other machines"
    )


@pytest.mark.parametrize("store", [{}, None])
def test_without_tries_in_memory(home: Path, store: Any) -> None:
    assert bad(examined(home, {**GOOD, "store": store or {}})) == {"home.memtries": Severity.WARNING}


def test_all_shards_do_where_the_key_is_swapped_by_restart_on_a_private_chain(home: Path) -> None:
    config = {**GOOD, "tracked_shards_config": "AllShards"}
    assert bad(examined(home, config, "private", promotion="restart")) == {}
    assert bad(examined(home, config, "mainnet", promotion="restart")) == {"home.config": Severity.ERROR}


def test_what_would_make_neard_refuse_to_drop_its_key(home: Path) -> None:
    (home / "log_config.json").write_text("{")
    assert bad(examined(home, GOOD)) == {"home.reload": Severity.ERROR}


def test_a_node_key_that_others_can_read_or_that_is_missing(home: Path) -> None:
    (home / "node_key.json").chmod(0o644)
    assert bad(examined(home, GOOD)) == {"home.node-key": Severity.ERROR}
    (home / "node_key.json").unlink()
    assert bad(examined(home, GOOD)) == {"home.node-key": Severity.ERROR}


def test_a_home_that_is_missing_or_a_file(tmp_path: Path) -> None:
    assert bad(examined(tmp_path / "nothing")) == {"home.config": Severity.ERROR}
    (tmp_path / "file").touch()
    assert bad(examined(tmp_path / "file")) == {"home.config": Severity.ERROR}


def test_what_cannot_be_seen() -> None:
    settings = Settings(account_id=ACCOUNT)
    for facts in (
        look_at_home(None),
        HomeFacts(Path("/x"), hidden="/x cannot be looked into as user nobody"),
    ):
        (found,) = judge(facts, settings, "")
        assert (found.id, found.severity) == ("home.config", Severity.SKIPPED)
