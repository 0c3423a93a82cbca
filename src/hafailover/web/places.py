"""Who may have how many connections, so that nobody takes those of the others. Pure."""

from __future__ import annotations

import ipaddress
from collections import Counter

MOST = 128
MOST_OF_ONE = 32
"""Of one machine on the network: a browser opens six, Prometheus one."""
KEPT = 8
"""One in so many places is kept for loopback, and as many for the network: neither locks the other out."""
PREFIX_V6 = 64
"""One machine has as many IPv6 addresses as it likes below such a prefix."""

LOOPBACK = "loopback"


class Places:
    """Counts connections by the machine that they come from."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def take(self, machine: str) -> None:
        self._taken[machine] += 1

    def leave(self, machine: str) -> None:
        self._taken[machine] -= 1
        if self._taken[machine] <= 0:
            del self._taken[machine]

    def taken_by(self, machine: str) -> int:
        return self._taken[machine]

    def in_the_way(self, machine: str) -> set[str] | None:
        """Whose connections would have to go before ``machine`` gets one more; ``None``: there is room."""
        if machine != LOOPBACK and self._taken[machine] >= MOST_OF_ONE:
            return {machine}
        kind = {one for one in self._taken if (one == LOOPBACK) == (machine == LOOPBACK)}
        if sum(self._taken[one] for one in kind) >= MOST - MOST // KEPT:
            return kind
        # Not to be seen while each kind keeps to its own share.
        return set(self._taken) if self._taken.total() >= MOST else None


def machine_of(address: str) -> str:
    """The machine that an address of a socket belongs to, as far as that shows."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return LOOPBACK
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, PREFIX_V6), strict=False))
    return str(found)
