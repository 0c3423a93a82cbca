"""A NEAR network of its own on loopback: plain validators, and homes for the failover hosts of one pool."""

from hafailover.localnet.chain import NodeView, view_node
from hafailover.localnet.create import init_localnet
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.model import Localnet, LocalnetNode, Pool
from hafailover.localnet.neard import find_neard
from hafailover.localnet.processes import LocalnetProcesses

__all__ = [
    "Localnet",
    "LocalnetError",
    "LocalnetNode",
    "LocalnetProcesses",
    "NodeView",
    "Pool",
    "find_neard",
    "init_localnet",
    "view_node",
]
