"""What goes wrong in the simulator, one file for each kind of thing that fails."""

from . import (
    clocks,
    consul,
    disks,
    forgery,
    launcher,
    neard,
    network,
    oblivion,
    operator,
    processes,
)
from .kinds import KINDS, strike
from .known_open import KNOWN_OPEN, usual

__all__ = [
    "KINDS",
    "KNOWN_OPEN",
    "clocks",
    "consul",
    "disks",
    "forgery",
    "launcher",
    "neard",
    "network",
    "oblivion",
    "operator",
    "processes",
    "strike",
    "usual",
]
