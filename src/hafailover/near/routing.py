"""By which way the other validators' messages reach the pool's: what neard's config.json says of it. Pure.

Approvals, chunk parts, witnesses and endorsements go to a validator over a connection of their own (TIER1),
where there is one, and else over the network's other connections (TIER2) to the node that the key's holder
has named last. The keys are those of nearcore, chain/network/src/config_json.rs; up to 2.9 in its
``experimental``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args

Json = dict[str, Any]
ValidatorRouting = Literal["relayed", "direct"]
ROUTINGS: tuple[ValidatorRouting, ...] = get_args(ValidatorRouting)
DEFAULT: ValidatorRouting = "relayed"

TIER1_SECTION_SINCE = (2, 10)
ADDRESSES = "public_addrs"
STUN = "trusted_stun_servers"
COST = (
    "if the active's host vanishes (power, network), the other validators go on sending to it for some 15 "
    "min, and the next holder of the key produces 0 blocks until then"
)
"""Measured on the real neard for 137 s; 15 min are Linux's default of tcp_retries2."""
_SWITCHES = ("enable_inbound", "enable_outbound")


def wishes(routing: ValidatorRouting, neard: str = "") -> Json:
    """What config.json is to say; for ``direct`` nothing, since neard's defaults are that.

    ``public_addrs`` would have neard and others connect to a port that declines, and without it neard asks
    STUN servers for its address before it tells the network of a new key, waiting up to 5 s for their answers
    (nearcore, chain/network/src/peer_manager/network_state/tier1.rs, stun/mod.rs): neither is of use without
    TIER1.

    :param neard: its release, such as ``2.13.1``; if it is unknown, the switches get their old names, too,
        which a newer neard passes over with a warning.
    """
    if routing == "direct":
        return {}
    network: Json = {ADDRESSES: [], STUN: []}
    release = release_of(neard)
    if not release or release >= TIER1_SECTION_SINCE:
        network["tier1"] = dict.fromkeys(_SWITCHES, False)
    if not release or release < TIER1_SECTION_SINCE:
        network["experimental"] = {f"tier1_{name}": False for name in _SWITCHES}
    return {"network": network}


def contradictions(overlay: Json, routing: ValidatorRouting, neard: str = "") -> Iterator[str]:
    """Each wish for config.json that says otherwise than the setting, with what to do."""
    for name, value in _leaves(wishes(routing, neard)):
        given = _at(overlay, name)
        if given is not None and given != value:
            yield (
                f"{name}: neard.validator_routing is {routing}, which sets this otherwise; leave it out, or "
                "set neard.validator_routing to direct"
            )


def open_switches(config: Json, neard: str = "") -> list[str]:
    """The names by which ``config`` leaves TIER1 on; empty if it is off.

    :param config: the whole of config.json.
    :param neard: its release; if it is unknown, either name of a switch will do.
    """
    release = release_of(neard)
    found = []
    for switch in _SWITCHES:
        new, old = f"network.tier1.{switch}", f"network.experimental.tier1_{switch}"
        names = [new, old] if not release else [new] if release >= TIER1_SECTION_SINCE else [old]
        if all(_at(config, name) is not False for name in names):
            found.append(names[0])
    return found


def contradiction(routing: ValidatorRouting, *, tier1: bool) -> str:
    """What is wrong with a neard that was started with TIER1 on against the setting; empty: nothing."""
    if routing != "relayed" or not tier1:
        return ""
    return (
        "its neard was started with a config.json that leaves TIER1 on, though neard.validator_routing is "
        f"relayed: {COST}"
    )


def slow_news(config: Json) -> list[str]:
    """Without TIER1: what in ``config`` makes neard look for its own address first when it gets a key."""
    network = config.get("network")
    network = network if isinstance(network, dict) else {}
    if network.get(ADDRESSES):
        return [f"network.{ADDRESSES}"]
    # Where it is missing, neard has five servers of its own.
    return [] if network.get(STUN, True) == [] else [f"network.{STUN}"]


def release_of(neard: str) -> tuple[int, ...]:
    """Major and minor number of neard's release; empty where it is none: ``trunk``, or the stand-in's."""
    match = re.match(r"(?:neard )?v?(\d{1,6})\.(\d{1,6})(?!\d)", neard.strip())
    return (int(match[1]), int(match[2])) if match is not None else ()


def _leaves(values: Json, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _at(values: Any, name: str) -> Any:
    """``None`` where it is missing, or what is to hold it is no object."""
    for part in name.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values
