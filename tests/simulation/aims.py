"""Faults that wait for a moment: they strike when something happens, or a little before or after."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .host import Host
    from .world import World

MOMENTS = (
    "acquired",
    "arming",
    "loaded",
    "dropping",
    "gone",
    "beat sent",
    "released",
    "wait over",
    "deadline",
)


class Aims:
    """Who waits for which moment. ``fire`` gets the host at which it has come."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: dict[str, list[tuple[float, Callable[[Host], object]]]] = {}

    def wait_for(self, moment: str, offset: float, fire: Callable[[Host], object]) -> None:
        """:param offset: seconds after the moment; before it where it is known beforehand."""
        self._waiting.setdefault(moment, []).append((offset, fire))

    def happened(self, moment: str, host: Host, ahead: float = 0.0) -> None:
        """:param ahead: the moment comes only so many seconds from now."""
        waiting = self._waiting.pop(moment, None)
        for offset, fire in waiting or ():
            self._world.at(ahead + offset, lambda fire=fire: fire(host))  # type: ignore[misc]

    def clear(self) -> None:
        self._waiting.clear()
