"""What goes wrong in the simulator, one file for each kind of thing that fails."""

from . import clocks, consul, neard, network, operator, processes
from .kinds import KINDS, strike

__all__ = ["KINDS", "clocks", "consul", "neard", "network", "operator", "processes", "strike"]
