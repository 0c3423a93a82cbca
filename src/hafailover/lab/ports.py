"""Free loopback ports that several processes can ask for at once without getting the same ones."""

import random
import socket
from contextlib import ExitStack

from hafailover.lab.errors import LabError

# Below the kernel's usual range for outgoing connections (32768 and up, net.ipv4.ip_local_port_range), so
# that no client's connection takes the port between the choice and the moment the server binds it.
_FIRST, _LAST = 15000, 32000

_claims: dict[int, socket.socket] = {}


def _claim(port: int) -> socket.socket | None:
    """Claim a port against other callers on this machine, as long as this process lives.

    A name in the abstract socket namespace can be bound once, belongs to the network namespace as ports do,
    and goes away with the process.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0hafailover-port-{port}")
    except OSError:
        claim.close()
        return None
    return claim


def _is_free(port: int) -> bool:
    """Say whether both TCP and UDP can be bound (Consul's gossip uses both)."""
    with ExitStack() as probes:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            probe = probes.enter_context(socket.socket(socket.AF_INET, kind))
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_ports(count: int) -> list[int]:
    """Return `count` different free ports on 127.0.0.1.

    None of them is handed out again, by this process or another that uses this function, while this process
    lives: a server can be stopped and started again on its port. Raises LabError when there are not enough.
    """
    ports: list[int] = []
    candidates = random.sample(range(_FIRST, _LAST), _LAST - _FIRST)
    for port in candidates:
        if len(ports) == count:
            break
        if port in _claims or (claim := _claim(port)) is None:
            continue
        if _is_free(port):
            _claims[port] = claim
            ports.append(port)
        else:
            claim.close()
    if len(ports) < count:
        for port in ports:
            _claims.pop(port).close()
        raise LabError(f"no {count} free ports between {_FIRST} and {_LAST} on 127.0.0.1")
    return ports
