"""Nodes and networks of stand-ins, to be started, asked and waited for."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from hafailover.lab import ManagedProcess, free_ports
from hafailover.lab.waiting import wait_until
from localneard.config_defaults import duration
from localneard.localnet import LocalnetPlan, make_localnet

CALL_TIMEOUT_S = 3.0
COMMAND = [sys.executable, "-m", "localneard"]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@dataclass
class Node:
    """A node's home and, once it was started, its process."""

    home: Path
    process: ManagedProcess | None = None
    rpc_addr: str = ""
    """Where it is asked."""

    @property
    def name(self) -> str:
        return self.home.name

    @property
    def log_path(self) -> Path:
        return self.home.with_suffix(".log")

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def url(self) -> str:
        return f"http://{self.rpc_addr}"

    @property
    def key(self) -> str:
        return str(read(self.home / "node_key.json")["public_key"])

    @property
    def running(self) -> ManagedProcess:
        assert self.process is not None
        return self.process

    def change(self, **parts: Any) -> None:
        """Change members of config.json; a dict is merged into the object there."""
        config = read(self.home / "config.json")
        for name, value in parts.items():
            old = config.get(name)
            config[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        (self.home / "config.json").write_text(json.dumps(config))

    def settings(self, **values: Any) -> None:
        new = self.home / "localneard.json.new"
        new.write_text(json.dumps(values))
        new.rename(self.home / "localneard.json")

    def start(self, *flags: str, env: dict[str, str] | None = None, before: tuple[str, ...] = ()) -> "Node":
        command = [*before, *COMMAND, "--home", str(self.home), "run", *flags]
        self.process = ManagedProcess.start(self.name, command, log_path=self.log_path, extra_env=env)
        return self

    def get(self, path: str) -> Any:
        return self.call("GET", path).json()

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, self.url + path, timeout=arguments.pop("timeout", CALL_TIMEOUT_S), **arguments
            )

    def post(self, method: str, params: Any) -> requests.Response:
        return self.call("POST", "/", json={"jsonrpc": "2.0", "id": "x", "method": method, "params": params})

    def rpc(self, method: str, params: Any = None) -> Any:
        return self.post(method, params).json()["result"]

    def status(self) -> Any:
        return self.get("/status")

    def public_key(self) -> Any:
        return self.status()["validator_public_key"]

    @property
    def height(self) -> int:
        return int(self.status()["sync_info"]["latest_block_height"])

    @property
    def peers(self) -> int:
        return int(self.rpc("network_info")["num_active_peers"])

    @property
    def syncing(self) -> bool:
        return bool(self.status()["sync_info"]["syncing"])

    def metric(self, name: str) -> float | None:
        """The value of a series, given as in the text, labels and all."""
        for line in self.call("GET", "/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        return None

    def answers(self) -> bool:
        assert self.running.is_alive(), self.log
        try:
            self.status()
        except requests.RequestException:
            return False
        return True

    def wait(self, condition: Callable[["Node"], Any], timeout_s: float = 30.0) -> None:
        def holds() -> bool:
            return self.answers() and bool(condition(self))

        wait_until(
            holds, timeout_s=timeout_s, interval_s=0.02, what=lambda: f"{self.name}\n{self.log[-3000:]}"
        )

    def wait_ready(self) -> "Node":
        self.wait(lambda _: True)
        return self

    def wait_height(self, height: int, timeout_s: float = 15.0) -> None:
        self.wait(lambda node: node.height >= height, timeout_s)

    def events(self) -> list[tuple[str, str]]:
        lines = (self.home / "data" / "key_events.jsonl").read_text().splitlines()
        return [(event["event"], event["reason"]) for event in map(json.loads, lines)]


@dataclass
class Net:
    """Some nodes of one chain."""

    nodes: list[Node] = field(default_factory=list)

    def __getitem__(self, number: int) -> Node:
        return self.nodes[number]

    def start(self) -> "Net":
        for node in self.nodes:
            node.start()
        return self

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.process.kill()

    def change_genesis(self, **values: Any) -> None:
        for node in self.nodes:
            genesis = read(node.home / "genesis.json")
            (node.home / "genesis.json").write_text(json.dumps({**genesis, **values}))


MakeNet = Callable[..., Net]


def build_net(
    folder: Path,
    validators: int,
    plain: int = 0,
    *,
    block_s: float = 0.2,
    step_s: float = 0.3,
    peers: int = 1,
) -> Net:
    """Make a network on ports of its own; plain nodes have no validator key."""
    homes = make_localnet(folder, LocalnetPlan(validators=validators, plain=plain))
    net = Net([Node(home) for home in homes])
    ports = free_ports(2 * len(homes))
    boot = f"{net[0].key}@127.0.0.1:{ports[0]}"
    for number, node in enumerate(net.nodes):
        address = f"127.0.0.1:{ports[2 * number]}"
        node.change(
            rpc={"addr": f"127.0.0.1:{ports[2 * number + 1]}"},
            network={
                "addr": address,
                "public_addrs": [f"{node.key}@{address}"],
                "boot_nodes": boot if number else "",
                "skip_sync_wait": len(homes) == 1,
            },
            consensus={
                "min_num_peers": peers if len(homes) > 1 else 0,
                "min_block_production_delay": duration(block_s),
                "max_block_production_delay": duration(block_s + step_s),
            },
            log_summary_period=duration(0.2),
        )
        node.rpc_addr = f"127.0.0.1:{ports[2 * number + 1]}"
        if number >= validators:
            (node.home / "validator_key.json").unlink()
    return net


def blocks(node: Node, first: int, last: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get(f"/localneard/blocks?from={first}&to={last}")
    return found


def wait_for_block_of(node: Node, author: str) -> None:
    start = node.height + 1

    def signed() -> bool:
        return author in {one["author"] for one in blocks(node, start, start + 999)}

    wait_until(signed, timeout_s=20, what=f"a block of {author}", interval_s=0.1)
