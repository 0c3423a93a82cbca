"""The key as a real file: what would keep the guard from it, and who else could read it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hafailover.config.settings import Settings
from hafailover.doctor.checks.key import judge, judge_against_pool
from hafailover.doctor.facts.key import KeyFacts, look_at_key
from hafailover.doctor.finding import Finding, Severity

from ..config.conftest import no_settings_around as no_settings_around
from ..near.keys import ACCOUNT, key_document, public_key, secret_key, write_key, write_private
from .said import bad, one


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def settings(path: Path | None, home: Path) -> Settings:
    return Settings.model_validate(
        {"account_id": ACCOUNT, "validator_key_file": path, "neard": {"home": str(home)}}
    )


def examined(path: Path | None, home: Path) -> list[Finding]:
    return judge(look_at_key(settings(path, home)))


def test_a_key_as_it_should_be(tmp_path: Path, home: Path) -> None:
    facts = look_at_key(settings(write_key(tmp_path / "key.json", "a"), home))
    found = judge(facts)
    assert bad(found) == {}
    assert facts.identity is not None
    assert facts.identity.fingerprint in one(found, "key.file").text
    assert secret_key("a").removeprefix("ed25519:") not in repr(facts) + repr(found)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read(tmp_path: Path, home: Path, mode: int) -> None:
    path = write_key(tmp_path / "key.json", "a")
    path.chmod(mode)
    found = examined(path, home)
    assert bad(found) == {"key.file": Severity.ERROR}
    assert f"chmod 600 {path}" in one(found, "key.file").text


def test_a_mode_that_is_more_than_needed(tmp_path: Path, home: Path) -> None:
    path = write_key(tmp_path / "key.json", "a")
    path.chmod(0o700)
    assert bad(examined(path, home)) == {"key.mode": Severity.WARNING}


def test_a_key_of_the_wrong_halves(tmp_path: Path, home: Path) -> None:
    document = {**key_document("a"), "public_key": public_key("b")}
    found = examined(write_private(tmp_path / "key.json", json.dumps(document)), home)
    assert bad(found) == {"key.file": Severity.ERROR}
    assert "do not belong together" in one(found, "key.file").text
    assert secret_key("a").removeprefix("ed25519:") not in repr(found)


def test_a_key_of_another_account(tmp_path: Path, home: Path) -> None:
    found = examined(write_key(tmp_path / "key.json", "a", "other.near"), home)
    assert bad(found) == {"key.file": Severity.ERROR}


def test_a_key_that_is_missing(tmp_path: Path, home: Path) -> None:
    assert bad(examined(tmp_path / "nothing.json", home)) == {"key.file": Severity.ERROR}


def test_a_key_in_neards_home_or_a_link_that_leads_there(tmp_path: Path, home: Path) -> None:
    path = write_key(home / "key.json", "a")
    assert bad(examined(path, home)) == {"key.place": Severity.ERROR}
    link = tmp_path / "key.json"
    link.symlink_to(path)
    assert bad(examined(link, home)) == {"key.place": Severity.ERROR}


def test_a_key_as_a_credential_cannot_be_seen(home: Path) -> None:
    found = examined(None, home)
    assert one(found, "key.file").severity is Severity.SKIPPED


def test_a_key_that_belongs_to_another_user_than_neards_home(tmp_path: Path, home: Path) -> None:
    facts = look_at_key(settings(write_key(tmp_path / "key.json", "a"), home))
    found = judge(replace(facts, owner="somebody", home_owner="neard"))
    assert bad(found) == {"key.owner": Severity.WARNING}
    assert bad(judge(replace(facts, owner="root", home_owner="neard"))) == {}


def test_a_key_that_only_its_owner_may_see() -> None:
    facts = KeyFacts(Path("/secret/key.json"), hidden="/secret/key.json cannot be read as user nobody")
    assert one(judge(facts), "key.file").severity is Severity.SKIPPED


@pytest.mark.skipif(os.geteuid() == 0, reason="NOT TESTED as root, who may read everything")
def test_a_file_without_permission_is_hidden_and_not_wrong(tmp_path: Path, home: Path) -> None:
    path = write_key(tmp_path / "key.json", "a")
    path.chmod(0)
    assert one(examined(path, home), "key.file").severity is Severity.SKIPPED


def test_a_node_key_that_goes_with_a_restart(tmp_path: Path, home: Path) -> None:
    node_key = write_private(tmp_path / "node_key.json", "{}")
    with_restart = Settings.model_validate(
        {
            "account_id": ACCOUNT,
            "promotion": "restart",
            "validator_key_file": write_key(tmp_path / "key.json", "a"),
            "validator_node_key_file": node_key,
            "neard": {"home": str(home)},
        }
    )
    assert bad(judge(look_at_key(with_restart))) == {"key.node": Severity.ERROR}


def test_against_the_pools_key(tmp_path: Path, home: Path) -> None:
    facts = look_at_key(settings(write_key(tmp_path / "key.json", "a"), home))
    assert bad(judge_against_pool(facts, public_key("a"))) == {}
    assert bad(judge_against_pool(facts, public_key("b"))) == {"key.pool": Severity.ERROR}
    assert judge_against_pool(facts, None)[0].severity is Severity.SKIPPED
    assert judge_against_pool(KeyFacts(None), public_key("a"))[0].severity is Severity.SKIPPED
