"""``localneard init`` and ``localneard localnet``: the files that neard makes (nearcore/src/config.rs).

neard takes random ports on ``[::1]``. The stand-in takes them on 127.0.0.1, which every container has, and
below 32768, where no outgoing connection can have taken one.
"""

import random
import shutil
import socket
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localneard.addresses import Address
from localneard.config import FILE_NAME as CONFIG
from localneard.config import read_config
from localneard.config_defaults import default_config, duration
from localneard.errors import BadFileError, NodeError
from localneard.genesis import build_genesis, read_genesis
from localneard.jsonc import write_object
from localneard.keys import Key
from localneard.reload import LOG_CONFIG

DEFAULT_ACCOUNT = "test.near"
NODE_ACCOUNT = "node"
_FIRST_PORT, _LAST_PORT = 20000, 32000
_TRIES = 1000


@dataclass(frozen=True)
class LocalnetPlan:
    """What `localnet` is to make; `tracked_shards` is ``all`` or ``none``."""

    validators: int = 4
    archival: int = 0
    rpc: int = 0
    plain: int = 0
    shards: int = 1
    prefix: str = "node"
    tracked_shards: str = "all"


@dataclass(frozen=True)
class InitPlan:
    """What `init` is to make."""

    chain_id: str | None = None
    account_id: str | None = None
    genesis: Path | None = None
    boot_nodes: str = ""
    shards: int = 1
    fast: bool = False
    test_seed: str | None = None


def make_localnet(home: Path, plan: LocalnetPlan) -> list[Path]:
    """Write the homes of a whole network; returns them. Raises NodeError."""
    if plan.validators < 1:
        raise NodeError("--validators must be at least 1")
    count = plan.validators + plan.archival + plan.rpc + plan.plain
    names = [f"{plan.prefix}{number}" for number in range(count)]
    keys = [Key.from_name(name, name) for name in names]
    ports = iter(_free_ports(2 * count))
    accounts = [(key.account_id, key.public_key) for key in keys]
    genesis = build_genesis(random_chain_id(), accounts, validators=plan.validators, shards=plan.shards)
    homes = []
    boot = ""
    for number, key in enumerate(keys):
        network = Address("127.0.0.1", next(ports))
        config = _localnet_config(plan, key, network, Address("127.0.0.1", next(ports)), boot)
        if number == 0:
            boot = f"{key.public_key}@{network}"
            config["save_tx_outcomes"] = True
        if plan.validators <= number < plan.validators + plan.archival:
            config["archive"] = True
        node = home / names[number]
        _write_home(node, config, genesis, key, _as_node(key))
        homes.append(node)
    return homes


def _localnet_config(
    plan: LocalnetPlan, key: Key, network: Address, rpc: Address, boot: str
) -> dict[str, Any]:
    config = default_config()
    config["rpc"] |= {"addr": str(rpc), "enable_debug_rpc": True}
    config["network"] |= {
        "addr": str(network),
        "boot_nodes": boot,
        "public_addrs": [f"{key.public_key}@{network}"],
        "allow_private_ip_in_public_addrs": True,
        "skip_sync_wait": plan.validators == 1,
    }
    config["network"]["tier1"]["connect_interval"] = duration(5)
    config["consensus"] |= {
        "min_num_peers": min(plan.validators - 1, 3),
        "min_block_production_delay": duration(0.6),
        "max_block_production_delay": duration(2),
    }
    config["tracked_shards_config"] = "NoShards" if plan.tracked_shards == "none" else "AllShards"
    return config


def init_home(home: Path, plan: InitPlan) -> None:
    """Write the files of one node, or the key files that a home lacks. Raises NodeError."""
    if (home / CONFIG).exists():
        _complete_home(home, plan)
        return
    public = plan.chain_id in ("mainnet", "testnet")
    if public and plan.genesis is None:
        raise NodeError(f"the stand-in has no genesis of {plan.chain_id}; give --genesis FILE")
    config = default_config()
    config["network"]["boot_nodes"] = plan.boot_nodes
    low, high = (0.12, 0.5) if plan.fast else (0.6, 1.8)
    config["consensus"]["min_block_production_delay"] = duration(low)
    config["consensus"]["max_block_production_delay"] = duration(high)
    if not public:
        config["network"]["skip_sync_wait"] = True
    account = plan.account_id or (None if public else DEFAULT_ACCOUNT)
    validator = None if account is None else _new_key(account, plan.test_seed)
    if plan.genesis is not None:
        read_genesis(plan.genesis)
        genesis: dict[str, Any] | Path = plan.genesis
    else:
        assert validator is not None
        genesis = build_genesis(
            plan.chain_id or random_chain_id(),
            [(validator.account_id, validator.public_key)],
            validators=1,
            shards=plan.shards,
            epoch_length=60 if plan.fast else 500,
        )
    _write_home(home, config, genesis, validator, _new_key(NODE_ACCOUNT, None))


def _complete_home(home: Path, plan: InitPlan) -> None:
    """Do as neard where there is a configuration: make only key files that are missing."""
    config = read_config(home)
    genesis = read_genesis(home / config.genesis_file)
    if plan.chain_id not in (None, genesis.chain_id):
        raise NodeError(f"{home / config.genesis_file}: is of chain {genesis.chain_id}, not {plan.chain_id}")
    if not (home / config.node_key_file).exists():
        _new_key(NODE_ACCOUNT, None).write(home / config.node_key_file)
    path = home / config.validator_key_file
    if path.exists():
        found = Key.read(path).account_id
        if plan.account_id not in (None, found):
            raise BadFileError(f"{path}: is of account {found}, not {plan.account_id}; move it away")
    elif plan.account_id is not None or not genesis.is_public_network:
        _new_key(plan.account_id or DEFAULT_ACCOUNT, plan.test_seed).write(path)


def _write_home(
    home: Path, config: dict[str, Any], genesis: dict[str, Any] | Path, validator: Key | None, node: Key
) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_object(home / CONFIG, config)
        if isinstance(genesis, Path):
            if genesis.resolve() != (home / config["genesis_file"]).resolve():
                shutil.copyfile(genesis, home / config["genesis_file"])
        else:
            write_object(home / config["genesis_file"], genesis)
        node.write(home / config["node_key_file"])
        if validator is not None:
            validator.write(home / config["validator_key_file"])
        write_object(home / LOG_CONFIG, {"rust_log": None, "verbose_module": None, "opentelemetry": None})
    except OSError as error:
        raise NodeError(f"{error.filename or home}: cannot be written: {error.strerror}") from None


def _new_key(account_id: str, seed: str | None) -> Key:
    return Key.generate(account_id) if seed is None else Key.from_name(account_id, seed)


def _as_node(key: Key) -> Key:
    return Key.from_name(NODE_ACCOUNT, key.account_id)


def random_chain_id() -> str:
    """Return a name for a chain of one's own, as neard makes it."""
    letters = "".join(random.choices(string.ascii_letters + string.digits, k=5))  # noqa: S311 - a name
    return f"test-chain-{letters}"


def _free_ports(count: int) -> Sequence[int]:
    """Return different ports of 127.0.0.1 that are free now. Raises NodeError."""
    ports: list[int] = []
    for port in random.sample(range(_FIRST_PORT, _LAST_PORT), min(_TRIES + count, _LAST_PORT - _FIRST_PORT)):
        if len(ports) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
    if len(ports) < count:
        raise NodeError(f"no {count} free ports on 127.0.0.1")
    return ports
