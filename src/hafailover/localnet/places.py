"""Where the nodes of a localnet listen."""

import ipaddress
from collections.abc import Sequence

from hafailover.lab.ports import free_ports
from hafailover.localnet.errors import LocalnetError

LOOPBACK = "127.0.0.1"
RPC_OFFSET = 100


class Places:
    """Gives each node of a localnet its two addresses, in order.

    Raises LocalnetError: `address` is no IP address of one machine, or the ports of `count` nodes from
    `base_port` on are not all ports.
    """

    def __init__(self, address: str, base_port: int | None, count: int) -> None:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            raise LocalnetError(f"address: {address} is no IP address") from None
        if ip.is_unspecified:
            raise LocalnetError(f"address: {address} is not an address that others could reach; name one")
        if base_port is not None and not (base_port > 0 and base_port + RPC_OFFSET + count <= 65536):
            raise LocalnetError(
                f"base port: {base_port} leaves no {count} ports for peers and as many for RPC"
            )
        if base_port is not None and count > RPC_OFFSET:
            raise LocalnetError(f"base port: {count} nodes are more than the {RPC_OFFSET} that fit")
        self._host = f"[{ip}]" if ip.version == 6 else str(ip)
        self._base = base_port
        self._given = 0

    def next(self) -> tuple[str, str]:
        """Return host:port of a node's RPC, and host:port that it talks to its peers on."""
        if self._base is None:
            rpc, network = free_ports(2)
        else:
            network = self._base + self._given
            rpc = network + RPC_OFFSET
            self._given += 1
        return f"{self._host}:{rpc}", f"{self._host}:{network}"


class GivenPlaces:
    """Gives each node of a localnet the two addresses that were chosen for it, in order."""

    def __init__(self, places: Sequence[tuple[str, str]]) -> None:
        self._left = list(places)

    def next(self) -> tuple[str, str]:
        """Return host:port of a node's RPC, and host:port that it talks to its peers on."""
        return self._left.pop(0)
