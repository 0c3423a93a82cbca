"""What a host that vanishes would cost, by neard's config.json and by the setting."""

from __future__ import annotations

from typing import Any

import pytest

from hafailover.config.settings import Settings
from hafailover.doctor.checks.routing import judge, judge_setting
from hafailover.doctor.finding import Severity
from hafailover.near.overlay import merge
from hafailover.near.routing import wishes

from ..config.conftest import no_settings_around as no_settings_around
from ..near.keys import ACCOUNT
from .said import one

NEARD_OWN: dict[str, Any] = {
    "network": {
        "public_addrs": [],
        "trusted_stun_servers": ["stun.l.google.com:19302"],
        "tier1": {"enable_inbound": True, "enable_outbound": True},
    }
}
"""As ``neard init`` of 2.10 and later writes it."""
ADDRESS = "ed25519:86EtEy7epneKyrcJwSWP7zsisTkfDRH5CFVszt4qiQYw@192.0.2.7:24567"


def settings(routing: str) -> Settings:
    return Settings.model_validate({"account_id": ACCOUNT, "neard": {"validator_routing": routing}})


def test_relayed_is_the_default_and_well_once_config_json_has_it() -> None:
    default = Settings(account_id=ACCOUNT)
    found = one(judge(merge(NEARD_OWN, wishes("relayed")), default, "2.13.3"), "home.routing")
    assert found.severity is Severity.OK
    assert judge_setting(default) == []


@pytest.mark.parametrize("config", [{}, NEARD_OWN])
def test_a_config_json_that_lacks_the_setting_tells_what_a_vanished_host_costs(
    config: dict[str, Any],
) -> None:
    found = one(judge(config, settings("relayed"), "2.13.3"), "home.routing")
    assert found.severity is Severity.ERROR
    assert "network.tier1.enable_inbound and network.tier1.enable_outbound" in found.text
    assert "15 min" in found.text and "0 blocks" in found.text
    assert "prepare-home" in found.remedy


def test_the_switches_of_another_release_do_nothing() -> None:
    assert judge(wishes("relayed", "2.13.3"), settings("relayed"), "2.9.0")[0].severity is Severity.ERROR
    assert judge(wishes("relayed", "2.9.0"), settings("relayed"), "2.13.3")[0].severity is Severity.ERROR


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"public_addrs": [ADDRESS]}, "network.public_addrs"),
        ({"trusted_stun_servers": ["stun.example.org:1"]}, "network.trusted_stun_servers"),
    ],
)
def test_what_only_holds_up_the_news(change: dict[str, Any], named: str) -> None:
    config = merge(merge(NEARD_OWN, wishes("relayed")), {"network": change})
    found = one(judge(config, settings("relayed"), "2.13.3"), "home.routing")
    assert found.severity is Severity.WARNING
    assert found.text.startswith(f"config.json: {named} ")


def test_direct_is_warned_of() -> None:
    for found in (*judge(NEARD_OWN, settings("direct")), *judge_setting(settings("direct"))):
        assert found.severity is Severity.WARNING
        assert "direct" in found.text and "15 min" in found.text


def test_direct_with_tier1_off_by_the_operators_hand() -> None:
    (found,) = judge(wishes("relayed"), settings("direct"))
    assert found.severity is Severity.INFO
