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

__all__ = [
    "KINDS",
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
]
