"""Whether ports of other hosts take connections from here."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

DEADLINE_S = 2.0
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Target:
    """``what`` listens there, on the host ``node``."""

    node: str
    what: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Reached:
    target: Target
    problem: str = ""
    """Empty if a connection came about."""


def reach(targets: Sequence[Target], deadline_s: float = DEADLINE_S) -> list[Reached]:
    """Connects with each over TCP and hangs up; UDP, which gossip uses as well, does not tell."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(lambda target: Reached(target, _problem(target, deadline_s)), targets))


def _problem(target: Target, deadline_s: float) -> str:
    try:
        with socket.create_connection((target.address, target.port), timeout=deadline_s):
            return ""
    except TimeoutError:
        return f"no answer within {deadline_s:g} s"
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
