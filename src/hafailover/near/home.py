"""neard's home directory: where things are, by its own config.json, and whether that can be relied on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hafailover.near import jsonc
from hafailover.near.files import read_regular
from hafailover.near.overlay import effective_shards
from hafailover.near.port import port_number
from hafailover.near.routing import open_switches

MAX_CONFIG_BYTES = 4 * 1024 * 1024
DEFAULT_RPC_ADDR = "0.0.0.0:3030"
"""neard's own, where config.json leaves rpc.addr out."""


class HomeError(Exception):
    """neard's home cannot be used; the text names the file and the fix."""


@dataclass(frozen=True, slots=True)
class NeardHome:
    """The paths and addresses that config.json gives."""

    path: Path
    validator_key: Path
    node_key: Path
    rpc_host: str
    rpc_port: int
    tracked_shards: Any
    """``tracked_shards_config`` as neard takes it from config.json, or ``None``."""
    tier1: bool
    """Whether TIER1 is left on there, by either name of its switches."""

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    def shadows(self, account_id: str) -> bool:
        """Whether a keyless neard keeps what it needs to take over for ``account_id``."""
        return bool(self.tracked_shards == {"ShadowValidator": account_id})


def load_home(path: Path) -> NeardHome:
    """Reads ``config.json`` of a neard home.

    :raises HomeError: the folder or the file is missing, unreadable or not what neard would take.
    """
    if not path.is_dir():
        raise HomeError(
            f"{path}: no such folder; set neard.home to neard's home, or create it with: neard init"
        )
    data = read_config(path / "config.json")
    host, port = _rpc_address(path / "config.json", data)
    return NeardHome(
        path=path,
        validator_key=path / _name(path, data, "validator_key_file", "validator_key.json"),
        node_key=path / _name(path, data, "node_key_file", "node_key.json"),
        rpc_host=host,
        rpc_port=port,
        tracked_shards=effective_shards(data),
        tier1=bool(open_switches(data)),
    )


def read_config(path: Path) -> dict[str, Any]:
    """A configuration file of neard's as an object.

    :raises HomeError: it is missing, unreadable, or not a JSON object (comments are allowed).
    """
    try:
        raw = read_regular(path, MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise HomeError(f"{path}: {error.strerror}; neard's home needs it") from None
    if len(raw) > MAX_CONFIG_BYTES:
        raise HomeError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes")
    try:
        data = jsonc.loads(raw.decode())
    except ValueError as error:
        detail = "not a text file" if isinstance(error, UnicodeDecodeError) else str(error)
        raise HomeError(f"{path}: {detail}; neard would refuse it too") from None
    if not isinstance(data, dict):
        raise HomeError(f"{path}: not a JSON object; neard would refuse it too")
    return data


def reload_obstacles(home: NeardHome) -> list[str]:
    """What would make neard refuse a reload as a whole, and so keep its key. Empty: nothing that shows here.

    neard re-reads config.json and log_config.json together with the key; an error in any of them rejects
    all three (nearcore/src/dyn_config.rs).
    """
    obstacles = []
    for name, needed in (("config.json", True), ("log_config.json", False)):
        path = home.path / name
        try:
            if needed or path.exists():
                read_config(path)
        except HomeError as error:
            obstacles.append(str(error))
        except OSError as error:
            obstacles.append(f"{path}: {error.strerror}")
    return obstacles


def _name(home: Path, data: dict[str, Any], key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str) or not value or "\0" in value or not _can_be_a_path(value):
        raise HomeError(f"{home / 'config.json'}: {key} is not a file name")
    return value


def _can_be_a_path(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _rpc_address(path: Path, data: dict[str, Any]) -> tuple[str, int]:
    rpc = data.get("rpc", {})
    address = rpc.get("addr", DEFAULT_RPC_ADDR) if isinstance(rpc, dict) else None
    if not isinstance(address, str):
        raise HomeError(f"{path}: rpc is switched off, but a failover cannot do without it; set rpc.addr")
    host, _, digits = address.rpartition(":")
    host, port = host.strip("[]"), port_number(digits)
    if port is None or not host:
        raise HomeError(f"{path}: rpc.addr is {address!r}, not an address and a port such as 127.0.0.1:3030")
    # A listener on all addresses is reached on loopback.
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104
