"""config.json: what the stand-in uses of it, checked as neard does.

Sources: nearcore/src/config.rs and config_validate.rs. Unknown keys are reported, not refused. Missing keys
take defaults, but `network` and `consensus`, where given, need the members that have none in neard.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localneard.addresses import Address, BootNode, parse_address, parse_boot_nodes
from localneard.config_defaults import KNOWN_BESIDES, default_config, duration
from localneard.jsonc import is_there, read_object
from localneard.sections import Section

FILE_NAME = "config.json"
MAX_PUBLIC_ADDRS = 10


@dataclass(frozen=True)
class RpcConfig:
    """Where the HTTP server listens."""

    addr: Address
    prometheus_addr: Address | None
    enable_debug_rpc: bool
    max_body_bytes: int


@dataclass(frozen=True)
class Tier1Config:
    """How validators connect with each other."""

    connect_interval_s: float
    new_connections_per_attempt: int
    advertise_proxies_interval_s: float
    enable_inbound: bool
    enable_outbound: bool


@dataclass(frozen=True)
class NetworkConfig:
    """How the node meets others."""

    addr: Address
    boot_nodes: tuple[BootNode, ...]
    public_addrs: tuple[BootNode, ...]
    max_num_peers: int
    skip_sync_wait: bool
    handshake_timeout_s: float
    tier1: Tier1Config


@dataclass(frozen=True)
class ConsensusConfig:
    """Block times, and the peers without which the node does not sync."""

    min_num_peers: int
    min_block_production_delay_s: float
    max_block_production_delay_s: float
    max_block_wait_delay_s: float
    sync_height_threshold: int


@dataclass(frozen=True)
class Config:
    """What a config.json says. `raw` is the whole of it, `unknown` are the paths of keys that neard lacks."""

    genesis_file: str
    validator_key_file: str
    node_key_file: str
    rpc: RpcConfig | None
    network: NetworkConfig
    consensus: ConsensusConfig
    tracked_shards_config: Any
    store_path: str
    archive: bool
    expected_shutdown: int | None
    log_summary_period_s: float
    raw: dict[str, Any] = field(repr=False)
    unknown: tuple[str, ...]


def read_config(home: Path) -> Config:
    """Read and check config.json. Raises BadFileError."""
    path = home / FILE_NAME
    return parse_config(str(path), read_object(path))


def parse_config(source: str, data: dict[str, Any]) -> Config:
    """Check the content of a config.json; `source` names it in errors. Raises BadFileError."""
    defaults = default_config()
    top = Section(source, data)
    _check_ranges(top)
    return Config(
        genesis_file=top.text("genesis_file", "genesis.json"),
        validator_key_file=top.text("validator_key_file", "validator_key.json"),
        node_key_file=top.text("node_key_file", "node_key.json"),
        rpc=_rpc(top, defaults["rpc"]),
        network=_network(top.section("network", defaults["network"])),
        consensus=_consensus(top.section("consensus", defaults["consensus"])),
        tracked_shards_config=_tracked_shards(top),
        store_path=top.section("store", {}).optional("path", top.section("store", {}).text) or "data",
        archive=top.flag("archive", False),
        expected_shutdown=top.optional("expected_shutdown", top.whole),
        log_summary_period_s=top.seconds("log_summary_period", defaults["log_summary_period"]),
        raw=data,
        unknown=tuple(_unknown(data, defaults)),
    )


def _rpc(top: Section, default: dict[str, Any]) -> RpcConfig | None:
    if top.data.get("rpc", default) is None:
        return None
    rpc = top.section("rpc", default)
    prometheus = rpc.optional("prometheus_addr", rpc.text)
    limits = rpc.section("limits_config", default["limits_config"])
    return RpcConfig(
        addr=_address(rpc, "addr", rpc.text("addr", default["addr"])),
        prometheus_addr=None if prometheus is None else _address(rpc, "prometheus_addr", prometheus),
        enable_debug_rpc=rpc.flag("enable_debug_rpc", False),
        max_body_bytes=limits.whole("json_payload_max_size", 10485760),
    )


def _network(network: Section) -> NetworkConfig:
    public = network.texts("public_addrs", [])
    if len(public) > MAX_PUBLIC_ADDRS:
        raise network.fail(
            "public_addrs", f"has {len(public)} entries; at most {MAX_PUBLIC_ADDRS} are allowed"
        )
    own = _boot_nodes(network, "public_addrs", ",".join(public))
    if len({one.peer_id for one in own}) != len(own):
        raise network.fail("public_addrs", "names a peer twice")
    if not network.flag("allow_private_ip_in_public_addrs", False):
        for one in own:
            if one.address.is_private():
                raise network.fail("public_addrs", f"holds {one.address}, which is no public address")
    network.seconds("ban_window")
    return NetworkConfig(
        addr=_address(network, "addr", network.text("addr")),
        boot_nodes=_boot_nodes(network, "boot_nodes", network.text("boot_nodes")),
        public_addrs=own,
        max_num_peers=network.whole("max_num_peers", 40),
        skip_sync_wait=network.flag("skip_sync_wait"),
        handshake_timeout_s=network.seconds("handshake_timeout"),
        tier1=_tier1(network),
    )


def _tier1(network: Section) -> Tier1Config:
    # Before 2.10 the two switches stood in `experimental`.
    old = network.section("experimental", {})
    tier1 = network.section("tier1", {})
    return Tier1Config(
        connect_interval_s=tier1.seconds("connect_interval", duration(60)),
        new_connections_per_attempt=tier1.whole("new_connections_per_attempt", 50),
        advertise_proxies_interval_s=tier1.seconds("advertise_proxies_interval", duration(900)),
        enable_inbound=tier1.flag("enable_inbound", old.flag("tier1_enable_inbound", True)),
        enable_outbound=tier1.flag("enable_outbound", old.flag("tier1_enable_outbound", True)),
    )


def _consensus(consensus: Section) -> ConsensusConfig:
    low = consensus.seconds("min_block_production_delay")
    high = consensus.seconds("max_block_production_delay")
    wait = consensus.seconds("max_block_wait_delay")
    if low > high:
        raise consensus.fail("min_block_production_delay", "is larger than max_block_production_delay")
    if high > wait:
        raise consensus.fail("max_block_production_delay", "is larger than max_block_wait_delay")
    return ConsensusConfig(
        min_num_peers=consensus.whole("min_num_peers"),
        min_block_production_delay_s=low,
        max_block_production_delay_s=high,
        max_block_wait_delay_s=wait,
        sync_height_threshold=consensus.whole("sync_height_threshold", 1),
    )


def _check_ranges(top: Section) -> None:
    gc = top.section("gc", {})
    for key in ("gc_blocks_limit", "gc_fork_clean_step", "gc_num_epochs_to_keep"):
        if gc.whole(key, 1) == 0:
            raise gc.fail(key, "must be at least 1")
    if not 2 <= top.whole("tx_routing_height_horizon", 4) <= 100:
        raise top.fail("tx_routing_height_horizon", "must be from 2 to 100")
    for key in ("cold_store", "split_storage"):
        if top.data.get(key) is not None and not top.flag("archive", False):
            raise top.fail(key, "needs archive to be true")


# In the order in which neard asks them when there is no tracked_shards_config.
_DEPRECATED = ("tracked_shards", "tracked_shard_schedule", "tracked_shadow_validator", "tracked_accounts")


def _tracked_shards(top: Section) -> Any:
    """Return the setting in its present form, made of the deprecated ones where need be."""
    value = top.data.get("tracked_shards_config")
    if value is not None:
        for key in _DEPRECATED:
            if top.data.get(key) is not None:
                raise top.fail(key, "and tracked_shards_config are both set; remove the first")
        if value in ("NoShards", "AllShards"):
            return value
        kinds = {"ShadowValidator": str, "Accounts": list, "Schedule": list, "Shards": list}
        if isinstance(value, dict) and len(value) == 1:
            (kind, what), *_ = value.items()
            if isinstance(what, kinds.get(kind, ())):
                return value
        raise top.fail(
            "tracked_shards_config", 'must be such as "NoShards" or {"ShadowValidator":"pool.near"}'
        )
    if top.data.get("tracked_shards"):
        return "AllShards"
    for key, kind in zip(_DEPRECATED[1:], ("Schedule", "ShadowValidator", "Accounts"), strict=True):
        if top.data.get(key):
            return {kind: top.data[key]}
    return "NoShards"


def _address(section: Section, key: str, text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise section.fail(key, str(error)) from None


def _boot_nodes(section: Section, key: str, text: str) -> tuple[BootNode, ...]:
    try:
        return parse_boot_nodes(text)
    except ValueError as error:
        raise section.fail(key, str(error)) from None


def _unknown(data: dict[str, Any], known: dict[str, Any], path: str = "") -> list[str]:
    found = []
    for key, value in data.items():
        name = f"{path}{key}"
        if key not in known:
            if name not in KNOWN_BESIDES:
                found.append(name)
        # Objects that are empty by default hold what the operator names.
        elif isinstance(value, dict) and isinstance(known[key], dict) and known[key]:
            found += _unknown(value, known[key], f"{name}.")
    return found


def check_log_config(path: Path) -> str | None:
    """Read log_config.json; returns its ``rust_log``. None too where there is no such file.

    Raises BadFileError.
    """
    if not is_there(path):
        return None
    section = Section(str(path), read_object(path))
    for key in ("verbose_module", "opentelemetry"):
        section.optional(key, section.text)
    return section.optional("rust_log", section.text)
