"""Addresses as neard's configuration writes them: ``IP:PORT``, ``[::1]:PORT`` and ``KEY@HOST:PORT``."""

import ipaddress
from dataclasses import dataclass

from localneard.keys import is_public_key


@dataclass(frozen=True, order=True)
class Address:
    """A host name or IP address, without brackets, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the form that a configuration holds."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def is_private(self) -> bool:
        """Say whether no one outside reaches it. A name counts as public."""
        try:
            return not ipaddress.ip_address(self.host).is_global
        except ValueError:
            return False

    def is_wildcard(self) -> bool:
        """Say whether it stands for every address of the machine."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False


@dataclass(frozen=True)
class BootNode:
    """A peer by its node key, and where it listens."""

    peer_id: str
    address: Address

    def __str__(self) -> str:
        """Return the form that a configuration holds."""
        return f"{self.peer_id}@{self.address}"


def parse_address(text: str) -> Address:
    """Parse an address. Raises ValueError; port 0 is refused, as neard does."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"is {text!r}; an IPv6 address needs brackets, as in [::1]:3030")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"is {text!r}, not an address such as 127.0.0.1:3030")
    if int(port) == 0:
        raise ValueError("has port 0; give a fixed port")
    return Address(host, int(port))


def parse_boot_nodes(text: str) -> tuple[BootNode, ...]:
    """Parse a list of peers with commas between. Raises ValueError."""
    nodes = []
    for part in (piece.strip() for piece in text.split(",")):
        if not part:
            continue
        peer_id, at, address = part.partition("@")
        if not at or not is_public_key(peer_id):
            raise ValueError(f"holds {part!r}, not a peer such as ed25519:KEY@127.0.0.1:24567")
        try:
            nodes.append(BootNode(peer_id, parse_address(address)))
        except ValueError as error:
            raise ValueError(f"holds an address that {error}") from None
    return tuple(nodes)
