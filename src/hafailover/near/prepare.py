"""neard's home made ready before each start: config.json, genesis and node key, and never a validator key.

What ``neard init`` writes is the base, so that every version of neard gets the config.json it expects; the
operator's wishes are merged over it.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hafailover.near.command import CommandError, run_neard
from hafailover.near.files import move_whole, read_regular, unfinished, write_whole
from hafailover.near.handmade import changed, differences, gone, listed, names, without
from hafailover.near.home import HomeError, read_config
from hafailover.near.keyfile import KeyFileError, read_key
from hafailover.near.overlay import (
    OLD_SHARD_KEYS,
    OWN_FILES,
    check_public_addrs,
    effective_shards,
    explain_old_shards,
    external_storage,
    is_endpoint,
    merge,
)
from hafailover.near.routing import ADDRESSES, DEFAULT, ValidatorRouting, wishes

log = logging.getLogger(__name__)

BASE = "config.base.json"
BASE_VERSION = "config.base.version"
LAST = "config.last.json"
"""What was written as config.json last: what differs from it, somebody else has written."""
KEPT = "config.kept.json"
"""What somebody wrote into config.json and no wish of ours says otherwise; remove a line to be rid of it."""
CONFIG_BYTES = 4 * 1024 * 1024
NODE_KEY = "node_key.json"
HOST_NODE_KEY = "node_key.host.json"
INIT_TIMEOUT_S = 300.0
"""mainnet's genesis is written out."""
TESTNET_INIT_TIMEOUT_S = 3600.0
"""testnet's genesis is downloaded, several GB, and read and written anew even where it is at hand."""
VERSION_TIMEOUT_S = 30.0
_HEAD_BYTES = 64 * 1024
_SMALL_BYTES = 64 * 1024 * 1024
_CHAIN_ID = re.compile(rb'"chain_id"\s*:\s*"([^"\\]{1,64})"')
_LEFTOVER = ".init-"


class PrepareError(Exception):
    """The home cannot be made ready; the text names the file or setting and the fix."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a home is to become."""

    home: Path
    neard: str
    chain_id: str
    hot: bool
    overlay: dict[str, Any]
    genesis: Path | None = None
    """The chain's genesis.json; needed on private chains."""
    node_key: Path | None = None
    """A node key that somebody gave; otherwise neard's own is kept, or made."""
    public_address: str | None = None
    """``IP`` or ``IP:PORT`` that peers reach this host by; told to them with direct routing alone."""
    routing: ValidatorRouting = DEFAULT
    """``neard.validator_routing``."""


def prepare_home(plan: Plan) -> None:
    """Makes the home ready; a second time changes nothing.

    :raises PrepareError: see there. What was in the home before is still there.
    """
    try:
        _check_home(plan.home)
        _clear_leftovers(plan.home)
        _settle_node_key(plan)
        _place_genesis(plan)
        version = _version(plan.neard)
        _initialise(plan, version)
        _place_node_key(plan)
        _write_config(plan, version)
    except OSError as error:
        raise PrepareError(
            f"{error.filename or plan.home}: {error.strerror}; check the disk and its owner"
        ) from None


def _check_home(home: Path) -> None:
    if not home.is_dir():
        raise PrepareError(f"neard.home: {home} is no folder; create it for neard's user")
    if not os.access(home, os.W_OK | os.X_OK):
        raise PrepareError(f"neard.home: {home} cannot be written to; it must belong to neard's user")
    key = home / "validator_key.json"
    if key.exists() and not key.is_symlink():
        raise PrepareError(
            f"{key}: a real file lies where only a link may be, so every start of neard would sign; "
            "move it out of neard's home and point validator_key_file at it"
        )


def _clear_leftovers(home: Path) -> None:
    """What a start that broke off has left; some of it may be gigabytes, or a key."""
    for folder in home.glob(f"{_LEFTOVER}*"):
        shutil.rmtree(folder)
    for name in ("genesis.json", BASE, BASE_VERSION, LAST, KEPT, "config.json", NODE_KEY, HOST_NODE_KEY):
        unfinished(home / name).unlink(missing_ok=True)


def _settle_node_key(plan: Plan) -> None:
    """A host that swapped keys by restart and does so no more: its own node key is the only one again."""
    path, own = plan.home / NODE_KEY, plan.home / HOST_NODE_KEY
    if plan.hot and path.is_symlink() and own.exists():
        own.replace(path)
        log.info("made %s a file again, from %s", NODE_KEY, HOST_NODE_KEY)


def _place_genesis(plan: Plan) -> None:
    target = plan.home / "genesis.json"
    if plan.genesis is not None:
        if not plan.genesis.is_file():
            raise PrepareError(f"genesis: {plan.genesis} is no file; set it to the chain's genesis.json")
        _check_chain(plan.genesis, plan.chain_id)
        if not _same(plan.genesis, target):
            temporary = unfinished(target)
            shutil.copyfile(plan.genesis, temporary)
            move_whole(temporary, target, 0o640)
            log.info("took %s from %s", target.name, plan.genesis)
    elif target.exists():
        _check_chain(target, plan.chain_id)
    elif plan.chain_id not in ("mainnet", "testnet"):
        raise PrepareError(
            f"genesis: chain {plan.chain_id} is a private one; set it to that chain's genesis.json "
            "(one that neard made up here would be a chain of its own)"
        )


def _check_chain(genesis: Path, chain_id: str) -> None:
    """The head says enough; the whole of it may be gigabytes."""
    match = _CHAIN_ID.search(read_regular(genesis, _HEAD_BYTES))
    found = match[1].decode(errors="replace") if match else chain_id
    if found != chain_id:
        raise PrepareError(
            f"{genesis}: is of chain {found}, but this host is set to {chain_id}; correct one of them"
        )


def _same(one: Path, other: Path) -> bool:
    if not other.exists() or one.stat().st_size != other.stat().st_size:
        return False
    # To read testnet's at each start would take minutes; two of one size are one.
    return one.stat().st_size > _SMALL_BYTES or one.read_bytes() == other.read_bytes()


def _initialise(plan: Plan, version: str) -> None:
    """Lets neard write what is missing, and its config.json anew for each version of it."""
    home = plan.home
    noted = home / BASE_VERSION
    if (
        (home / BASE).exists()
        and noted.exists()
        and noted.read_text() == version
        and (home / "genesis.json").exists()
        and _node_key(plan).exists()
    ):
        return
    with tempfile.TemporaryDirectory(prefix=_LEFTOVER, dir=home) as temporary:
        new = Path(temporary)
        _run_init(plan, new)
        # On private chains neard makes a validator key, too; it ends here.
        (new / "validator_key.json").unlink(missing_ok=True)
        for name, present, mode in (
            ("genesis.json", home / "genesis.json", 0o640),
            (NODE_KEY, _node_key(plan), 0o600),
        ):
            if not present.exists():
                move_whole(new / name, home / name, mode)
                log.info("neard made %s", name)
        write_whole(home / BASE, (new / "config.json").read_bytes(), 0o640)
    # Last, so that a start that broke off begins anew.
    write_whole(noted, version.encode(), 0o640)
    log.info("neard made %s", BASE)


def _run_init(plan: Plan, folder: Path) -> None:
    command = [plan.neard, "--home", str(folder), "init", "--chain-id", plan.chain_id]
    timeout = INIT_TIMEOUT_S
    genesis = plan.home / "genesis.json"
    if plan.chain_id == "testnet":
        command += ["--genesis", str(genesis)] if genesis.exists() else ["--download-genesis"]
        timeout = TESTNET_INIT_TIMEOUT_S
    _run(command, "init", timeout)


def _version(neard: str) -> str:
    return _run([neard, "--version"], "--version", VERSION_TIMEOUT_S).strip()


def _release(version: str) -> str:
    """Of what ``neard --version`` prints; empty where it is no release."""
    match = re.search(r"\(release ([^)\s]+)\)", version)
    return match[1] if match is not None else ""


def _run(command: list[str], name: str, timeout_s: float) -> str:
    try:
        return run_neard(command, name, timeout_s)
    except CommandError as error:
        raise PrepareError(f"neard.binary: {error}") from None


def _node_key(plan: Plan) -> Path:
    """This host's own node key: beside a link, where the guard swaps node keys (guard/keylink.py)."""
    path = plan.home / NODE_KEY
    return plan.home / HOST_NODE_KEY if path.is_symlink() and not plan.hot else path


def _place_node_key(plan: Plan) -> None:
    if plan.node_key is None:
        return
    try:
        read_key(plan.node_key, name="node_key_file")
    except KeyFileError as error:
        raise PrepareError(str(error)) from None
    target = _node_key(plan)
    given = read_regular(plan.node_key, _SMALL_BYTES)
    if not target.exists() or read_regular(target, _SMALL_BYTES) != given:
        write_whole(target, given, 0o600)
        log.info("took %s from its credential", target.name)


def _write_config(plan: Plan, version: str) -> None:
    path = plan.home / "config.json"
    before = read_regular(path, CONFIG_BYTES) if path.exists() else b""
    try:
        base = read_config(plan.home / BASE)
        found = _handmade(plan, base, before)
        kept = read_config(plan.home / KEPT) if (plan.home / KEPT).exists() else {}
    except HomeError as error:
        raise PrepareError(str(error)) from None
    routed = wishes(plan.routing, _release(version))
    managed = merge({**plan.overlay, **dict.fromkeys(OWN_FILES)}, routed)
    own_address = plan.public_address is not None and plan.routing == "direct"
    if own_address:
        managed = merge(managed, {"network": {"public_addrs": None}})
    kept = without(merge(kept, found or {}), managed)
    config = merge(merge(merge(base, kept), plan.overlay), routed)
    # neard refuses these beside what replaced them.
    if config.get("tracked_shards_config") is not None:
        for name in OLD_SHARD_KEYS:
            config.pop(name, None)
    if own_address:
        config["network"] = {**config.get("network", {}), "public_addrs": _public_addrs(plan, config)}
    storage = external_storage(config, _release(version))
    if storage.errors:
        where = f"in the overlay, {path} or {plan.home / KEPT}"
        raise PrepareError("; ".join(storage.errors) + f" ({where})")
    for one in storage.warnings:
        log.warning("%s: %s", path.name, one)
    text = _written(config)
    if found is not None:
        _tell(path, before, config, kept)
        write_whole(plan.home / KEPT, _written(kept), 0o640)
    elif before and before != text:
        _tell_of_routing(path, before, config, plan.routing)
    if before != text:
        write_whole(path, text, 0o640)
        log.info("wrote %s", path.name)
    # Last: a start that broke off before takes for somebody's what it wrote itself, and that is all the same.
    last = plan.home / LAST
    if not last.exists() or read_regular(last, len(text) + 1) != text:
        write_whole(last, text, 0o640)


def _handmade(plan: Plan, base: dict[str, Any], before: bytes) -> dict[str, Any] | None:
    """What somebody has written into config.json since we did last; ``None`` if nobody has.

    :param before: config.json's content.
    :raises HomeError: a file of ours cannot be read.
    """
    last = plan.home / LAST
    if not before or (last.exists() and read_regular(last, CONFIG_BYTES) == before):
        return None
    path = plan.home / "config.json"
    try:
        now = read_config(path)
    except HomeError as error:
        log.warning("%s; nothing of it is kept", error)
        return {}
    found = differences(read_config(last) if last.exists() else base, now)
    old = [name for name in OLD_SHARD_KEYS if name in found]
    if old:
        for one in explain_old_shards(now):
            log.warning("%s: %s", path.name, one)
        shards = effective_shards(now)
        found = {name: value for name, value in found.items() if name not in old}
        if shards is not None:
            found["tracked_shards_config"] = shards
    return found


def _tell(path: Path, before: bytes, config: dict[str, Any], kept: dict[str, Any]) -> None:
    """Keeps a copy of what somebody wrote, and says what becomes of it."""
    copy = _copy(path, before)
    log.warning("%s: somebody else has written it; a copy is kept as %s", path.name, copy.name)
    if kept:
        log.info("kept of it, from now on in %s: %s", KEPT, listed(names(kept)))
    try:
        now = read_config(path)
    except HomeError:
        return
    if other := listed(changed(now, config)):
        log.warning("changed in it, since this host's settings have a word on that: %s", other)
    if more := listed(gone(config, now)):
        log.info("added to it, as neard's init has it: %s", more)
    if lost := listed(gone(now, config)):
        log.warning("left out of it: %s", lost)


def _tell_of_routing(path: Path, before: bytes, config: dict[str, Any], routing: ValidatorRouting) -> None:
    """What a changed setting changes in a config.json of our own; a copy is kept of addresses that go.

    :param before: config.json's content, of our own writing.
    """
    now = read_config(path).get("network", {})
    new = config.get("network", {})
    ways = (ADDRESSES, "trusted_stun_servers", "tier1", "experimental")
    names_of = [f"network.{name}" for name in ways if now.get(name) != new.get(name)]
    if not names_of:
        return
    copied = f"; a copy is kept as {_copy(path, before).name}" if now.get(ADDRESSES) else ""
    log.info("neard.validator_routing is %s: changed %s%s", routing, ", ".join(names_of), copied)


def _copy(path: Path, content: bytes) -> Path:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    for number in itertools.count():
        copy = path.with_name(f"{path.name}.{stamp}{f'.{number}' if number else ''}")
        if not copy.exists():
            write_whole(copy, content, 0o640)
            return copy
    raise AssertionError("unreachable")


def _written(config: dict[str, Any]) -> bytes:
    return (json.dumps(config, indent=2) + "\n").encode()


def _public_addrs(plan: Plan, config: dict[str, Any]) -> list[str]:
    if not plan.hot:
        # The node key changes with the role; an address under the wrong one is worse than none.
        log.warning("public_address is not used with promotion = restart; neard asks STUN servers for it")
        return []
    assert plan.public_address is not None
    address = plan.public_address
    if not is_endpoint(address):
        port = str(config.get("network", {}).get("addr", "0.0.0.0:24567")).rpartition(":")[2]
        address = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    if not is_endpoint(address):
        raise PrepareError(
            f"public_address: {plan.public_address} is neither an IP address nor one with a port"
        )
    try:
        key = read_key(_node_key(plan), name=NODE_KEY).public_key
    except KeyFileError as error:
        raise PrepareError(str(error)) from None
    addrs = [f"{key}@{address}"]
    for wrong in check_public_addrs({**config.get("network", {}), "public_addrs": addrs}):
        raise PrepareError(f"public_address: {plan.public_address} is not for neard: {wrong}")
    return addrs
