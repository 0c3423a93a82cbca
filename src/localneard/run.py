"""``localneard run``: a node from its start to its end, in neard's order.

Files are read, then, after `start_delay_s`, the data folder is opened, the network, and RPC; only then do
signal handlers stand. Until then SIGHUP, SIGTERM and SIGINT end the process as they end one that knows
nothing of them, unless it was started with them ignored.
"""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sqlite3
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from localneard import BUILD, PROTOCOL_VERSION, RELEASE
from localneard import log as logs
from localneard.addresses import Address, BootNode
from localneard.config import Config, read_config
from localneard.errors import BadFileError, NodeError
from localneard.genesis import read_genesis
from localneard.keys import Key
from localneard.reload import read_updatable
from localneard.settings import LiveSettings
from localneard.store import DataLock, Store
from localneard.tasks import on_loop_error, panic

if TYPE_CHECKING:
    from localneard.node import Files, Node
    from localneard.rpc.app import RpcServer

OPEN_FILES = 65535

log = logging.getLogger("neard")


@dataclass(frozen=True)
class Overrides:
    """What the command line puts in place of config.json, for this run only."""

    rpc_addr: Address | None = None
    prometheus_addr: Address | None = None
    network_addr: Address | None = None
    boot_nodes: tuple[BootNode, ...] | None = None
    min_peers: int | None = None
    disable_rpc: bool = False
    archive: bool = False

    def apply(self, config: Config) -> Config:
        """Return the configuration to run with."""
        network, consensus, rpc = config.network, config.consensus, config.rpc
        if self.network_addr is not None:
            network = replace(network, addr=self.network_addr)
        if self.boot_nodes is not None:
            network = replace(network, boot_nodes=self.boot_nodes)
        if self.min_peers is not None:
            consensus = replace(consensus, min_num_peers=self.min_peers)
        if self.disable_rpc:
            rpc = None
        elif rpc is not None:
            rpc = replace(
                rpc,
                addr=self.rpc_addr or rpc.addr,
                prometheus_addr=self.prometheus_addr or rpc.prometheus_addr,
            )
        archive = config.archive or self.archive
        return replace(config, network=network, consensus=consensus, rpc=rpc, archive=archive)


def read_files(home: Path, overrides: Overrides) -> "Files":
    """Read and check all files of a home. Raises BadFileError, naming the file."""
    from localneard.node import Files

    config = read_config(home)
    for name in config.unknown:
        log.warning("%s: unknown key %s", home / "config.json", name)
    return Files(
        home=home,
        config=overrides.apply(config),
        config_as_read=config,
        genesis=read_genesis(home / config.genesis_file),
        node_key=Key.read(home / config.node_key_file, account_needed=False),
        updatable=read_updatable(home),
    )


def run_node(home: Path, overrides: Overrides) -> int:
    """Run a node until a signal ends it; returns the exit code. Raises NodeError if it cannot start."""
    # Python's own handler would turn an early SIGINT into a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    version = logs.fields(version=RELEASE, build=BUILD, latest_protocol=PROTOCOL_VERSION)
    log.info("%s this is localneard, a stand-in for neard on localnets: no NEAR node", version)
    _raise_open_files()
    files = read_files(home, overrides)
    settings = LiveSettings(home)
    try:
        logs.apply(files.updatable.rust_log)
    except ValueError as error:
        raise BadFileError(f"RUST_LOG: {error}") from None
    _import_server()
    time.sleep(settings.now.start_delay_s)
    folder = home / files.config.store_path
    lock = DataLock(folder)
    store = Store(folder, files.genesis.hash)
    try:
        reason = asyncio.run(_run(files, settings, store, folder))
        log.info("stopped: %s", reason)
        time.sleep(settings.now.stop_delay_s)
        store.close()
    except sqlite3.Error as error:
        panic(f"{folder}: the database fails: {error}", error)
    lock.release()
    return 0


def _import_server() -> None:
    """Import what takes longest before anything waits for it."""
    # aiohttp reads all certificates of the machine as it is imported, for connections that are never made
    # here: a tenth of a second of each start.
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        os.environ[name] = os.devnull
    import localneard.rpc.app  # noqa: F401


async def _run(files: "Files", settings: LiveSettings, store: Store, folder: Path) -> str:
    from localneard.node import Node
    from localneard.rpc.app import RpcServer

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(on_loop_error)
    node = Node(files, settings, store, folder)
    server = RpcServer(node)
    try:
        await node.start()
        await server.start()
    except NodeError:
        node.stop()
        await server.stop()
        raise
    loop.add_signal_handler(signal.SIGHUP, node.reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask_to_stop, node, number.name)
    rpc = files.config.rpc
    log.info("ready %s", logs.fields(head=node.chain.head.height, rpc_addr=str(rpc.addr) if rpc else "none"))
    reason = await node.stop_reason
    log.warning("stopping, this may take a few minutes %s", logs.fields(reason=reason))
    await _stop(node, server)
    # From here on nothing but SIGKILL makes it go faster.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM, signal.SIGINT})
    return reason


def _ask_to_stop(node: "Node", reason: str) -> None:
    if not node.stop_reason.done():
        node.stop_reason.set_result(reason)


async def _stop(node: "Node", server: "RpcServer") -> None:
    node.stop()
    await server.stop()


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # neard ends where it cannot have that many. The stand-in needs but a few, so it takes what it gets.
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
