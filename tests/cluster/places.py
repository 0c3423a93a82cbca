"""Who is who in the cluster: names, addresses and ports."""

from __future__ import annotations

from dataclasses import dataclass

HUB_ADDRESS = "10.213.77.254"
"""The run's own, on the bridge."""
RPC_PORT = 3030
PEER_PORT = 24567
HOSTS = ("host1", "host2", "host3")


@dataclass(frozen=True, slots=True)
class Spot:
    """A machine of the cluster, by the name of its namespace."""

    name: str
    address: str

    @property
    def peers(self) -> str:
        """host:port for other neards."""
        return f"{self.address}:{PEER_PORT}"


def spots(validators: int) -> tuple[list[Spot], list[Spot]]:
    """The plain validators, and the failover hosts."""
    plain = [Spot(f"node{number}", f"10.213.77.{101 + number}") for number in range(validators)]
    return plain, [Spot(name, f"10.213.77.{1 + number}") for number, name in enumerate(HOSTS)]


def endpoints(plain: list[Spot], hosts: list[Spot]) -> list[tuple[str, str]]:
    """RPC and peers' address of each. A host's RPC is for itself, a plain validator's for the observer."""
    return [(f"{spot.address}:{RPC_PORT}", spot.peers) for spot in plain] + [
        (f"127.0.0.1:{RPC_PORT}", spot.peers) for spot in hosts
    ]
