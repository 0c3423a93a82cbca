"""A program with neard's command line and nothing behind it, for what a working neard does not do.

`localnet` writes the files that neard writes; `run` answers /status and /network_info with a height that
grows with time. FAKE_NEARD in the environment makes it misbehave: MODE below, and `_misbehave`.
"""

import argparse
import http.server
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import base58
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

STAKE = 5 * 10**31
BALANCE = 10**33 - STAKE
BLOCK_TIME_S = 0.1
MODE = os.environ.get("FAKE_NEARD", "")


def key_pair(name: str) -> tuple[str, str]:
    """Return public and secret key of a node, from its name as neard's localnet does."""
    seed = name.encode().ljust(32)[:32]
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return (
        f"ed25519:{base58.b58encode(public).decode()}",
        f"ed25519:{base58.b58encode(seed + public).decode()}",
    )


def write(path: Path, document: dict[str, Any], mode: int = 0o644) -> None:
    path.write_text(json.dumps(document, indent=2))
    path.chmod(mode)


def genesis(names: list[str], validators: int) -> dict[str, Any]:
    records: list[dict[str, Any]] = []
    for number, name in enumerate([*names, "near"]):
        locked = STAKE if number < validators else 0
        account = {"amount": str(BALANCE), "locked": str(locked), "code_hash": "1" * 32, "version": "V1"}
        records.append({"Account": {"account_id": name, "account": account}})
        key = {"nonce": 0, "permission": "FullAccess"}
        records.append(
            {"AccessKey": {"account_id": name, "public_key": key_pair(name)[0], "access_key": key}}
        )
    supply = (len(names) + 1) * BALANCE + validators * STAKE
    return {
        "protocol_version": 84,
        "genesis_time": "2026-01-01T00:00:00.000000000Z",
        "chain_id": "test-chain-FAKE1",
        "epoch_length": 60,
        "block_producer_kickout_threshold": 90,
        "chunk_producer_kickout_threshold": 90,
        "chunk_validator_only_kickout_threshold": 80,
        "validators": [
            {"account_id": name, "public_key": key_pair(name)[0], "amount": str(STAKE)}
            for name in names[:validators]
        ],
        "total_supply": str(supply + (1 if MODE == "wrong-supply" else 0)),
        "records": records,
    }


def config(number: int, names: list[str]) -> dict[str, Any]:
    def address(which: int) -> str:
        return f"[::1]:{20000 + which}"

    boot = "" if number == 0 else f"{key_pair(names[0])[0]}@{address(0)}"
    return {
        "genesis_file": "genesis.json",
        "validator_key_file": "validator_key.json",
        "node_key_file": "node_key.json",
        "rpc": {"addr": address(1000 + number), "enable_debug_rpc": True},
        "network": {
            "addr": address(number),
            "boot_nodes": boot,
            "public_addrs": [f"{key_pair(names[number])[0]}@{address(number)}"],
            "allow_private_ip_in_public_addrs": True,
            "skip_sync_wait": False,
        },
        "consensus": {
            "min_num_peers": 3,
            "min_block_production_delay": {"secs": 0, "nanos": 600_000_000},
            "max_block_production_delay": {"secs": 2, "nanos": 0},
            "max_block_wait_delay": {"secs": 6, "nanos": 0},
        },
        "tracked_shards_config": "AllShards",
        "tracked_shards": [],
        "store": {"path": None},
        "log_summary_period": {"secs": 10, "nanos": 0},
    }


def localnet(home: Path, validators: int, plain: int) -> None:
    names = [f"node{number}" for number in range(validators + plain)]
    for number, name in enumerate(names):
        node = home / name
        node.mkdir(parents=True)
        public, secret = key_pair(name)
        for file, account in (("validator_key.json", name), ("node_key.json", "node")):
            key = {"account_id": account, "public_key": public, "secret_key": secret}
            write(node / file, key, 0o600)
        write(node / "config.json", config(number, names))
        write(node / "genesis.json", genesis(names, validators))
        write(node / "log_config.json", {"rust_log": None})


class Rpc(http.server.BaseHTTPRequestHandler):
    """What the agent's neighbours ask of neard."""

    started = time.monotonic()

    def do_GET(self) -> None:
        height = 0 if MODE == "still" else int((time.monotonic() - self.started) / BLOCK_TIME_S)
        status = {
            "version": {"version": "fake"},
            "sync_info": {"latest_block_height": height, "syncing": False},
            "validator_public_key": None,
        }
        body = json.dumps(status if self.path == "/status" else {"num_active_peers": 2}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _misbehave(command: str) -> None:
    if f"{command}-fails" == MODE:
        sys.exit("fake neard: no luck today")
    if MODE == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("localnet")
    make.add_argument("-v", type=int, required=True)
    make.add_argument("-n", type=int, required=True)
    commands.add_parser("run")
    given = parser.parse_args()
    _misbehave(given.command)
    if given.command == "localnet":
        localnet(given.home, given.v, given.n)
        return
    host, _, port = json.loads((given.home / "config.json").read_text())["rpc"]["addr"].rpartition(":")
    http.server.ThreadingHTTPServer((host, int(port)), Rpc).serve_forever()


if __name__ == "__main__":
    main()
