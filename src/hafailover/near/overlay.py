"""What an operator wants of neard's config.json: checked, and merged over what ``neard init`` has written.

Pure: no files. What neard itself makes of each key is in nearcore/src/config.rs and config_validate.rs.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hafailover.near.keyfile import decode_base58, is_account_id, split_key
from hafailover.near.port import port_number
from hafailover.near.routing import release_of

Json = dict[str, Any]

OWN_FILES = ("validator_key_file", "node_key_file", "genesis_file")
OLD_SHARD_KEYS = ("tracked_shards", "tracked_shard_schedule", "tracked_shadow_validator", "tracked_accounts")
"""Setting one of these beside tracked_shards_config is an error (nearcore/src/config_validate.rs)."""
NO_EXTERNAL_STORAGE = (2, 13)
SECTIONS = ("rpc", "network", "consensus", "store")
PUBLIC_CHAINS = ("mainnet", "testnet")
MAX_PUBLIC_ADDRS = 10
_NAME = re.compile(r"[A-Za-z0-9.-]+")
_KEY_BYTES = {"ed25519": 32, "secp256k1": 64}
_SHORTEST_DELAY = "min_block_production_delay"
_OTHER_DELAYS = ("max_block_production_delay", "max_block_wait_delay")
# What Rust's Ipv4Addr::is_private says, by which neard goes (chain/network/src/config.rs).
_PRIVATE = tuple(ipaddress.ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass
class Findings:
    """What is wrong with an overlay, each with its key and the fix."""

    errors: list[str] = field(default_factory=list)
    """With these, neard or the failover would not work."""
    warnings: list[str] = field(default_factory=list)


def merge(base: Json, overlay: Json) -> Json:
    """``base`` with ``overlay`` over it: objects are merged, everything else replaces. Neither is changed."""
    merged = dict(base)
    for key, value in overlay.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def check(overlay: Any, account_id: str, chain_id: str, *, hot: bool, neard: str = "") -> Findings:
    """Looks for what would keep neard from starting, or this host from taking over.

    :param overlay: the file's content; what it leaves out is not missed.
    :param hot: whether the key is swapped into the running neard.
    :param neard: its release, such as ``2.13.1``; empty if that is not known.
    """
    found = Findings()
    if not isinstance(overlay, dict):
        found.errors.append("must be a JSON object, as neard's config.json is")
        return found
    for name in OWN_FILES:
        if name in overlay:
            found.errors.append(f"{name}: leave it out; the layout of neard's home fixes it")
    for name in SECTIONS:
        if name in overlay and not isinstance(overlay[name], dict):
            found.errors.append(f"{name}: must be an object; a failover cannot do without it")
    found.errors += _shards(overlay, account_id, chain_id, hot=hot)
    network, rpc = _section(overlay, "network"), _section(overlay, "rpc")
    found.errors += _addresses(rpc, network)
    found.errors += _delays(_section(overlay, "consensus"))
    storage = external_storage(overlay, neard)
    found.errors += storage.errors
    found.warnings += storage.warnings
    if "addr" in rpc and is_endpoint(rpc["addr"]) and not _is_loopback(rpc["addr"]):
        found.warnings.append(
            f"rpc.addr: {rpc['addr']} lets other machines reach neard's RPC; 127.0.0.1 is enough"
        )
    if _section(overlay, "store").get("load_mem_tries_for_tracked_shards") is False:
        found.warnings.append(
            "store.load_mem_tries_for_tracked_shards: false makes the first chunks after a takeover slow"
        )
    if overlay.get("archive") is True:
        found.warnings.append("archive: true keeps all history; a failover pair does not need it")
    if overlay.get("expected_shutdown") is not None:
        found.warnings.append("expected_shutdown: neard will stop by itself at that height")
    return found


def external_storage(config: Json, neard: str) -> Findings:
    """Whether state is to come from a bucket, as in older guides: neard refuses that since 2.13 (#16025)."""
    found = Findings()
    sync = _section(config, "state_sync").get("sync")
    if not isinstance(sync, dict) or "ExternalStorage" not in sync:
        return found
    remedy = 'leave state_sync out, or set state_sync.sync to "Peers"'
    if release_of(neard) >= NO_EXTERNAL_STORAGE:
        found.errors.append(
            f"state_sync.sync: neard {neard} refuses ExternalStorage at its start, and at each reload, at "
            f"which it would keep its key; {remedy}"
        )
    else:
        found.warnings.append(
            "state_sync.sync: ExternalStorage is of older guides, and neard 2.13 and later refuses it at its "
            f"start and at each reload; {remedy}"
        )
    return found


def effective_shards(config: Json) -> Any:
    """``tracked_shards_config`` as neard takes it, also from what came before it (nearcore/src/config.rs).

    Of those, the first that is set counts; an empty list of ``tracked_shards`` counts as not set.
    """
    given = config.get("tracked_shards_config")
    if given is not None:
        return given
    if config.get("tracked_shards"):
        return "AllShards"
    if config.get("tracked_shard_schedule"):
        return {"Schedule": config["tracked_shard_schedule"]}
    if config.get("tracked_shadow_validator"):
        return {"ShadowValidator": config["tracked_shadow_validator"]}
    if config.get("tracked_accounts"):
        return {"Accounts": config["tracked_accounts"]}
    return None


def explain_old_shards(config: Json) -> Iterator[str]:
    """For each name of older guides that stands there: what it means, and what to write instead."""
    import json

    instead = json.dumps(effective_shards({**config, "tracked_shards_config": None}) or "NoShards")
    for name in OLD_SHARD_KEYS:
        if name in config:
            yield (
                f"{name}: of older guides, and deprecated; tracked_shards_config took its place: what stands "
                f"here is {instead[:200]} there"
            )


def is_endpoint(value: Any) -> bool:
    """Whether it is an IP address and a port, as neard's listeners take it."""
    if not isinstance(value, str):
        return False
    host, _, port = value.rpartition(":")
    if port_number(port) is None:
        return False
    address = _ip(host)
    return address is not None and (address.version == 6) == (host.startswith("[") and host.endswith("]"))


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_loopback(endpoint: str) -> bool:
    address = _ip(endpoint.rpartition(":")[0])
    return address is not None and address.is_loopback


def _section(overlay: Json, name: str) -> Json:
    value = overlay.get(name)
    return value if isinstance(value, dict) else {}


def _shards(overlay: Json, account_id: str, chain_id: str, *, hot: bool) -> Iterator[str]:
    wanted = {"ShadowValidator": account_id}
    given = overlay.get("tracked_shards_config", wanted)
    if given == "AllShards" and chain_id in PUBLIC_CHAINS:
        yield (
            f'tracked_shards_config: with "AllShards", neard ends itself on {chain_id} as soon as it holds '
            f'a validator\'s key; use {{"ShadowValidator": "{account_id}"}}'
        )
    elif hot and given != wanted:
        yield (
            "tracked_shards_config: a standby must keep what it needs to sign for the pool; use "
            f'{{"ShadowValidator": "{account_id}"}}'
        )
    for name in OLD_SHARD_KEYS:
        if name in overlay:
            yield (
                f"{name}: neard refuses it beside tracked_shards_config, which took its place; leave it out"
                + (f', and set that to {{"ShadowValidator": "{account_id}"}}' if hot else "")
            )


def _addresses(rpc: Json, network: Json) -> Iterator[str]:
    if "addr" in rpc and not is_endpoint(rpc["addr"]):
        yield "rpc.addr: must be an IP address and a port, such as 127.0.0.1:3030"
    if "addr" in network and not is_endpoint(network["addr"]):
        yield "network.addr: must be an IP address and a port, such as 0.0.0.0:24567"
    yield from check_public_addrs(network)
    boot = network.get("boot_nodes", "")
    if not isinstance(boot, str) or not all(_is_boot_node(one) for one in boot.split(",") if boot):
        yield "network.boot_nodes: must be one text of KEY@ADDRESS:PORT, with commas alone between them"


def check_public_addrs(network: Json) -> Iterator[str]:
    """What neard would refuse of ``network.public_addrs``: the entries, and which addresses they hold.

    :param network: that section of config.json.
    """
    name = "network.public_addrs"
    public = network.get("public_addrs", [])
    if not isinstance(public, list) or not all(_is_public_addr(one) for one in public):
        yield f"{name}: must be a list of KEY@IP:PORT, with the node's own key"
        return
    if len(public) > MAX_PUBLIC_ADDRS:
        yield f"{name}: has {len(public)} entries, and neard takes at most {MAX_PUBLIC_ADDRS}"
    keys = [one.partition("@")[0].rpartition(":")[2] for one in public]
    if len(set(keys)) < len(keys):
        yield f"{name}: has two entries with one key; leave one of them out"
    private_too = network.get("allow_private_ip_in_public_addrs") is True
    for endpoint in (one.partition("@")[2] for one in public):
        address = _ip(endpoint.rpartition(":")[0])
        assert address is not None
        if address.is_unspecified:
            yield f"{name}: {endpoint} is no address that others can reach"
        elif not private_too and (address.is_loopback or any(address in one for one in _PRIVATE)):
            yield (
                f"{name}: {endpoint} is not public; give the public address, or on a private network set "
                "network.allow_private_ip_in_public_addrs to true"
            )


def _is_public_addr(value: Any) -> bool:
    if not isinstance(value, str) or value.count("@") != 1:
        return False
    key, _, endpoint = value.partition("@")
    return _is_key(key) and is_endpoint(endpoint)


def _is_boot_node(text: str) -> bool:
    """As neard reads one, which may also name the peer's account; without an address it is of no use."""
    key, _, rest = text.partition("@")
    endpoint, at, account = rest.partition("@")
    host, _, port = endpoint.rpartition(":")
    named = _NAME.fullmatch(host) is not None and is_endpoint(f"0.0.0.0:{port}")
    return _is_key(key) and (named or is_endpoint(endpoint)) and (not at or is_account_id(account))


def _is_key(text: str) -> bool:
    kind, encoded = split_key(text)
    # Longer ones would only cost time.
    if kind not in _KEY_BYTES or len(encoded) > 2 * _KEY_BYTES[kind]:
        return False
    try:
        return len(decode_base58(encoded)) == _KEY_BYTES[kind]
    except ValueError:
        return False


def _delays(consensus: Json) -> Iterator[str]:
    times: dict[str, float] = {}
    for name in (_SHORTEST_DELAY, *_OTHER_DELAYS):
        if name in consensus:
            seconds = _seconds(consensus[name])
            if seconds is None:
                yield f'consensus.{name}: must be a duration such as {{"secs": 1, "nanos": 0}}'
            else:
                times[name] = seconds
    for name in _OTHER_DELAYS:
        if _SHORTEST_DELAY in times and times[_SHORTEST_DELAY] > times.get(name, math.inf):
            yield f"consensus.{_SHORTEST_DELAY}: is longer than {name}; make it shorter"


def _seconds(value: Any) -> float | None:
    if not isinstance(value, dict) or set(value) != {"secs", "nanos"}:
        return None
    secs, nanos = value["secs"], value["nanos"]
    if not all(_is_unsigned(one) for one in (secs, nanos)):
        return None
    return float(secs + nanos / 1e9)


def _is_unsigned(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64
