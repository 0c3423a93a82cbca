"""This host's neard: the binary, and the process as its RPC shows it."""

from __future__ import annotations

import platform
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hafailover.config.settings import Settings
from hafailover.near.command import CommandError, run_neard
from hafailover.near.home import HomeError, load_home
from hafailover.near.launcher import launcher_trouble
from hafailover.near.routing import release_of
from hafailover.near.rpc import NeardRpc, RpcError, Status

T = TypeVar("T")

RPC_DEADLINE_S = 3.0
VERSION_DEADLINE_S = 10.0
RELEASE = re.compile(r"\(release ([^)\s]{1,64})\)")


LAST_BLOCKS = 8
MOST_VERSION = 1 << 32


@dataclass(frozen=True, slots=True)
class Protocol:
    """Versions of the network's protocol."""

    current: int
    """Of the head's epoch."""
    own: int
    """The latest that this neard knows."""
    producers: tuple[int, ...] = ()
    """The latest that the producers of the last blocks know, by the blocks' headers."""


@dataclass(frozen=True, slots=True)
class NeardFacts:
    """``None``: it did not say."""

    binary_error: str = ""
    binary_release: str = ""
    """Of the binary that the next start would run."""
    rpc_error: str = ""
    """Why its RPC gave no answer; empty if it did."""
    status: Status | None = None
    tracked: Any = None
    """``tracked_shards_config`` that the process runs with."""
    peers: int | None = None
    launcher: str = ""
    """Why neard would not be the guard's own child."""
    staked_key: str | None = None
    """The account's public key in this epoch, empty if it is no validator."""
    running: Any = None
    """``client_config``: what the process runs with."""
    protocol: Protocol | None = None
    machine: str = ""
    """The processor's architecture, such as x86_64."""


def look_at_neard(settings: Settings) -> NeardFacts:
    binary_error, release = _binary(settings.neard.binary)
    launcher = launcher_trouble(settings.neard.binary)
    try:
        rpc = _connect(settings)
        status = rpc.status()
    except RpcError as error:
        return NeardFacts(binary_error, release, rpc_error=str(error), launcher=launcher)
    try:
        return NeardFacts(
            binary_error,
            release,
            status=status,
            launcher=launcher,
            tracked=_tried(rpc.tracked_shards),
            peers=_tried(rpc.peers),
            staked_key=_tried(lambda: _staked_key(rpc, settings.account_id)),
            running=_tried(lambda: rpc.call("client_config", [])),
            protocol=_tried(lambda: _protocol(rpc, status.height)),
            machine=platform.machine(),
        )
    finally:
        rpc.close()


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """Of a neard that may not answer: the chain, empty then, and how old its head is by this wall clock."""

    chain_id: str = ""
    age_s: float | None = None
    """Seconds; less than 0 where this clock is behind the producer's."""
    syncing: bool = False
    version: str = ""


def look_at_head(settings: Settings) -> HeadFacts:
    try:
        rpc = _connect(settings)
        status = rpc.status()
    except RpcError:
        return HeadFacts()
    rpc.close()
    return HeadFacts(status.chain_id, time.time() - status.head_made_at, status.syncing, status.version)


def _connect(settings: Settings) -> NeardRpc:
    try:
        return NeardRpc(*rpc_endpoint(settings), deadline_s=RPC_DEADLINE_S)
    except (HomeError, OSError) as error:
        raise RpcError(str(error)) from None


def rpc_endpoint(settings: Settings) -> tuple[str, int]:
    """:raises HomeError: neither a setting nor config.json says where it is."""
    if settings.neard.rpc_address is not None:
        host, _, port = settings.neard.rpc_address.rpartition(":")
        return host.strip("[]"), int(port)
    if settings.neard.home is None:
        raise HomeError("neither neard.home nor neard.rpc_address is set")
    home = load_home(settings.neard.home)
    return home.rpc_host, home.rpc_port


def newest_release(running: str, settings: Settings) -> str:
    """Of the neard that runs and the one that the next start would run; empty if neither is known."""
    _, binary = _binary(settings.neard.binary)
    return max((running, binary), key=lambda one: (release_of(one), one == running))


def _binary(name: str) -> tuple[str, str]:
    if shutil.which(name) is None:
        return f"{name} is not there or cannot be run", ""
    try:
        said = run_neard([name, "--version"], "--version", VERSION_DEADLINE_S)
    except CommandError as error:
        return str(error), ""
    match = RELEASE.search(said)
    return "", match[1] if match else ""


def _tried(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except RpcError:
        return None


def _protocol(rpc: NeardRpc, head: int) -> Protocol:
    answer = rpc.get("/status")
    try:
        current, own = _version(answer["protocol_version"]), _version(answer["latest_protocol_version"])
    except (KeyError, TypeError, ValueError):
        raise RpcError("a status without the protocol's version") from None
    producers = [_producer(rpc, height) for height in range(max(0, head - LAST_BLOCKS + 1), head + 1)]
    return Protocol(current, own, tuple(one for one in producers if one is not None))


def _producer(rpc: NeardRpc, height: int) -> int | None:
    """``None`` where there is no block, or none that says it."""
    try:
        answer = rpc.call("block", {"block_id": height})
        return _version(answer["header"]["latest_protocol_version"])
    except (RpcError, KeyError, TypeError, ValueError):
        return None


def _version(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MOST_VERSION:
        raise ValueError
    return value


def _staked_key(rpc: NeardRpc, account_id: str) -> str:
    answer = rpc.call("validators", [None])
    try:
        for entry in answer["current_validators"]:
            if entry["account_id"] == account_id:
                return str(entry["public_key"])
    except (KeyError, TypeError):
        raise RpcError("an answer to validators that makes no sense") from None
    return ""
