"""The way that the other validators' messages take to the pool's, as config.json has it."""

from __future__ import annotations

from typing import Any

import pytest

from hafailover.near.overlay import merge
from hafailover.near.routing import (
    contradiction,
    contradictions,
    open_switches,
    release_of,
    slow_news,
    wishes,
)

OFF = {"enable_inbound": False, "enable_outbound": False}
OLD_OFF = {"tier1_enable_inbound": False, "tier1_enable_outbound": False}
NO_ADDRESS: dict[str, Any] = {"public_addrs": [], "trusted_stun_servers": []}


@pytest.mark.parametrize(
    ("neard", "switches"),
    [
        ("2.13.3", {"tier1": OFF}),
        ("2.10.0", {"tier1": OFF}),
        ("2.9.1", {"experimental": OLD_OFF}),
        ("1.40.0", {"experimental": OLD_OFF}),
        ("trunk", {"tier1": OFF, "experimental": OLD_OFF}),
        ("", {"tier1": OFF, "experimental": OLD_OFF}),
    ],
)
def test_relayed_switches_tier1_off_by_the_names_that_this_neard_knows(
    neard: str, switches: dict[str, Any]
) -> None:
    assert wishes("relayed", neard) == {"network": {**NO_ADDRESS, **switches}}
    assert open_switches(wishes("relayed", neard), neard) == []
    assert slow_news(wishes("relayed", neard)) == []


@pytest.mark.parametrize("neard", ["", "2.9.0", "2.13.3"])
def test_direct_is_what_neard_does_by_default(neard: str) -> None:
    assert wishes("direct", neard) == {}
    assert len(open_switches({}, neard)) == 2


@pytest.mark.parametrize(
    ("config", "neard", "named"),
    [
        ({"network": {"tier1": OFF}}, "2.10.0", []),
        ({"network": {"tier1": OFF}}, "", []),
        ({"network": {"experimental": OLD_OFF}}, "", []),
        ({"network": {"experimental": OLD_OFF}}, "2.9.0", []),
        # Each by the name that this neard passes over.
        (
            {"network": {"tier1": OFF}},
            "2.9.0",
            ["network.experimental.tier1_enable_inbound", "network.experimental.tier1_enable_outbound"],
        ),
        (
            {"network": {"experimental": OLD_OFF}},
            "2.13.3",
            ["network.tier1.enable_inbound", "network.tier1.enable_outbound"],
        ),
        ({"network": {"tier1": {"enable_inbound": False}}}, "2.13.3", ["network.tier1.enable_outbound"]),
        ({"network": {"tier1": {**OFF, "enable_inbound": 0}}}, "2.13.3", ["network.tier1.enable_inbound"]),
        ({"network": None}, "2.13.3", ["network.tier1.enable_inbound", "network.tier1.enable_outbound"]),
        ({"network": {"tier1": 7}}, "", ["network.tier1.enable_inbound", "network.tier1.enable_outbound"]),
    ],
)
def test_what_leaves_tier1_on(config: dict[str, Any], neard: str, named: list[str]) -> None:
    assert open_switches(config, neard) == named


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (NO_ADDRESS, []),
        ({"trusted_stun_servers": []}, []),
        # Where they are missing, neard takes five of its own.
        ({}, ["network.trusted_stun_servers"]),
        ({"trusted_stun_servers": ["stun.l.google.com:19302"]}, ["network.trusted_stun_servers"]),
        ({**NO_ADDRESS, "public_addrs": ["ed25519:x@192.0.2.7:1"]}, ["network.public_addrs"]),
        (None, ["network.trusted_stun_servers"]),
    ],
)
def test_what_holds_up_the_news_of_a_new_holder(network: Any, named: list[str]) -> None:
    assert slow_news({"network": network}) == named


def test_a_wish_against_the_setting_is_named() -> None:
    overlay = {"network": {"public_addrs": ["ed25519:x@192.0.2.7:1"], "tier1": {"enable_inbound": True}}}
    first, second = contradictions(overlay, "relayed", "2.13.3")
    assert first.startswith("network.public_addrs: neard.validator_routing is relayed")
    assert second.startswith("network.tier1.enable_inbound: ")
    assert list(contradictions(overlay, "direct", "2.13.3")) == []
    same = merge({"rpc": {"addr": "127.0.0.1:1"}}, wishes("relayed"))
    assert list(contradictions(same, "relayed")) == []
    assert list(contradictions({"network": 7}, "relayed")) == []


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("2.13.3", (2, 13)),
        ("2.14.0-rc.1", (2, 14)),
        (" v2.9.0\n", (2, 9)),
        ("neard 2.13", (2, 13)),
        ("trunk", ()),
        ("localneard-0.1.0", ()),
        ("", ()),
    ],
)
def test_releases(text: str, release: tuple[int, ...]) -> None:
    assert release_of(text) == release


def test_a_neard_that_was_started_with_tier1_on_against_the_setting() -> None:
    assert contradiction("relayed", tier1=True).startswith(
        "its neard was started with a config.json that leaves"
    )
    assert [contradiction("relayed", tier1=False), contradiction("direct", tier1=True)] == ["", ""]
