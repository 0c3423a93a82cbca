"""How the other validators' messages reach the pool's, and what a host that vanishes would cost with that."""

from __future__ import annotations

from typing import Any

from hafailover.config.settings import Settings
from hafailover.doctor.finding import Finding, error, info, ok, warning
from hafailover.near.routing import ADDRESSES, COST, STUN, open_switches, slow_news

ID = "home.routing"
PAGE = "docs/decisions/validator-routing.md"
RESTART = (
    "have `hafailover prepare-home` write it, as NixOS does at each start, and restart neard there (on the "
    "active, hand over first)"
)


def judge(config: dict[str, Any], settings: Settings, neard: str = "") -> list[Finding]:
    """:param config: the whole of config.json.

    :param neard: the release that reads it; empty if that is not known.
    """
    switches = open_switches(config, neard)
    if settings.neard.validator_routing == "direct":
        if switches:
            return judge_setting(settings)
        return [info(ID, "config.json has TIER1 off, though neard.validator_routing is direct")]
    if switches:
        return [
            error(
                ID,
                f"config.json does not set {' and '.join(switches)} to false, though "
                f"neard.validator_routing is relayed: {COST}",
                RESTART,
            )
        ]
    late = slow_news(config)
    if late:
        return [
            warning(
                ID,
                f"config.json: {late[0]} is not empty: without TIER1 it only makes neard look for its own "
                "address before it tells the network of a new key, for up to 5 s",
                f"{RESTART}; by hand: network.{ADDRESSES} and network.{STUN} to []",
            )
        ]
    return [
        ok(
            ID,
            "relayed: if the active's host vanishes, the next holder of the key is reached by the network's "
            "ordinary connections at once",
        )
    ]


def judge_setting(settings: Settings) -> list[Finding]:
    """What can be said without config.json."""
    if settings.neard.validator_routing == "relayed":
        return []
    return [
        warning(
            ID,
            f"neard.validator_routing is direct: {COST}",
            f"set it to relayed and restart neard, unless {PAGE} says that direct suits this pool",
        )
    ]
