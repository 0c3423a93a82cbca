"""neard by its binary and by its RPC."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hafailover.config.settings import Settings
from hafailover.doctor.checks.neard import judge
from hafailover.doctor.facts.neard import NeardFacts, look_at_head, look_at_neard
from hafailover.doctor.finding import Severity
from hafailover.near.rpc import Status

from ..config.conftest import no_settings_around as no_settings_around
from .said import bad, one

ACCOUNT = "pool.near"
KEY = "ed25519:7PGseFbWxvYVgZ89K1uTJKYoKetWs7BJtbyXDzfbAcqX"
STATUS = Status(
    height=100,
    syncing=False,
    public_key=None,
    account_id=None,
    version="2.10.0",
    uptime_s=60,
    chain_id="mainnet",
    head_made_at=0.0,
)
GOOD = NeardFacts(
    binary_release="2.10.0", status=STATUS, tracked={"ShadowValidator": ACCOUNT}, peers=12, staked_key=KEY
)


@pytest.fixture
def settings() -> Settings:
    return Settings(account_id=ACCOUNT)


def test_a_neard_that_is_well(settings: Settings) -> None:
    assert {finding.severity for finding in judge(GOOD, settings, KEY)} == {Severity.OK}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (replace(GOOD, binary_error="neard is not there"), {"neard.binary": Severity.ERROR}),
        (replace(GOOD, launcher="is a script"), {"neard.launcher": Severity.WARNING}),
        (replace(GOOD, status=None, rpc_error="connection refused"), {"neard.rpc": Severity.ERROR}),
        (replace(GOOD, status=replace(STATUS, syncing=True)), {"neard.sync": Severity.WARNING}),
        (replace(GOOD, peers=0), {"neard.peers": Severity.ERROR}),
        (replace(GOOD, tracked="NoShards"), {"neard.tracking": Severity.ERROR}),
        (replace(GOOD, staked_key=""), {"neard.stake": Severity.WARNING}),
        (replace(GOOD, staked_key="ed25519:other"), {"neard.stake": Severity.ERROR}),
    ],
)
def test_what_can_be_wrong(settings: Settings, facts: NeardFacts, expected: dict[str, Severity]) -> None:
    assert bad(judge(facts, settings, KEY)) == expected


def test_a_restart_that_is_due(settings: Settings) -> None:
    found = judge(replace(GOOD, binary_release="2.11.0"), settings, KEY)
    assert bad(found) == {}
    assert "2.10.0 runs, and the next start would run 2.11.0" in one(found, "neard.version").text


def test_what_it_does_not_tell_is_skipped(settings: Settings) -> None:
    found = judge(replace(GOOD, tracked=None, staked_key=None, peers=None), settings, None)
    assert bad(found) == {}
    assert one(found, "neard.tracking").severity is Severity.SKIPPED
    assert one(found, "neard.stake").severity is Severity.SKIPPED


def test_shards_do_not_matter_where_neard_restarts_with_the_key() -> None:
    settings = Settings(account_id=ACCOUNT, promotion="restart")
    assert bad(judge(replace(GOOD, tracked="AllShards"), settings, KEY)) == {}


def test_a_binary_that_is_missing_and_nobody_who_answers(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"account_id": ACCOUNT, "neard": {"binary": str(tmp_path / "neard"), "rpc_address": "127.0.0.1:1"}}
    )
    facts = look_at_neard(settings)
    assert "is not there" in facts.binary_error
    assert facts.rpc_error == "connection refused"
    assert look_at_head(settings).chain_id == ""


def test_the_release_that_a_binary_names(tmp_path: Path) -> None:
    binary = tmp_path / "neard"
    binary.write_text("#!/bin/sh\necho 'neard (release 2.11.0-rc.1) (build x) (db 47)'\n")
    binary.chmod(0o755)
    settings = Settings.model_validate({"account_id": ACCOUNT, "neard": {"binary": str(binary)}})
    facts = look_at_neard(settings)
    assert (facts.binary_error, facts.binary_release) == ("", "2.11.0-rc.1")
    assert "neither neard.home nor neard.rpc_address is set" in facts.rpc_error
