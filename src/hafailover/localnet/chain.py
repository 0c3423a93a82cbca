"""How a localnet is doing, asked over its nodes' RPC."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from hafailover.lab.errors import LabTimeoutError
from hafailover.lab.waiting import wait_until
from hafailover.localnet.model import Localnet, LocalnetNode

CALL_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class NodeView:
    """What a node's RPC says; everything None when it does not answer as neard does."""

    height: int | None = None
    syncing: bool | None = None
    peers: int | None = None
    validator_key: str | None = None
    """The public key it signs with, None without one."""
    version: str | None = None

    @property
    def answers(self) -> bool:
        """Whether the RPC answered."""
        return self.height is not None


def view_node(node: LocalnetNode, timeout_s: float = CALL_TIMEOUT_S) -> NodeView:
    """Ask a node how it is doing; never raises for what the node does or fails to do."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            status = session.get(f"{node.rpc_url}/status", timeout=timeout_s).json()
            network = session.get(f"{node.rpc_url}/network_info", timeout=timeout_s).json()
            return NodeView(
                height=int(status["sync_info"]["latest_block_height"]),
                syncing=bool(status["sync_info"]["syncing"]),
                peers=int(network["num_active_peers"]),
                validator_key=status["validator_public_key"],
                version=str(status["version"]["version"]),
            )
        except (requests.RequestException, ValueError, KeyError, TypeError):
            return NodeView()


def view_nodes(nodes: Sequence[LocalnetNode], timeout_s: float = CALL_TIMEOUT_S) -> dict[str, NodeView]:
    """Ask several nodes at once; returns their views by name."""
    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        views = pool.map(lambda node: view_node(node, timeout_s), nodes)
    return dict(zip((node.name for node in nodes), views, strict=True))


def heights(views: Mapping[str, NodeView]) -> dict[str, int]:
    """Return the heights of the nodes that answered."""
    return {name: view.height for name, view in views.items() if view.height is not None}


def moving_timeout_s(localnet: Localnet) -> float:
    """Return how long to watch before saying that a chain stands still: three of the longest block times."""
    return 3 * (localnet.block_time_s + 1.0)


def is_moving(localnet: Localnet, timeout_s: float | None = None) -> bool:
    """Watch the plain validators until one shows a new block.

    False if none does within `timeout_s`, and at once if none answers.
    """
    first = heights(view_nodes(localnet.validators))
    if not first:
        return False
    start = max(first.values())

    def moved() -> bool:
        return max(heights(view_nodes(localnet.validators)).values(), default=0) > start

    try:
        limit = moving_timeout_s(localnet) if timeout_s is None else timeout_s
        wait_until(moved, timeout_s=limit, what="a new block", interval_s=0.1)
    except LabTimeoutError:
        return False
    return True
