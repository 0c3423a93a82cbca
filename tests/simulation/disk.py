"""File systems that hang: what waits for one waits until it works again, and no signal ends the wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import World

Work = Callable[[], object]


class Disk:
    """One file system.

    ``reads``: reading hangs, too, as on a dead network mount; else only what writes, as while it is frozen.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._hangs = 0
        self.reads = False
        self._waiting: list[Work] = []

    @property
    def hangs(self) -> bool:
        return self._hangs > 0

    @property
    def hangs_for_readers(self) -> bool:
        return self._hangs > 0 and self.reads

    def hang(self, seconds: float, reads: bool = True) -> bool:
        """Returns whether it worked before."""
        if self._hangs:
            return False
        self._hangs, self.reads = 1, reads
        self._world.at(seconds, self._thaw)
        return True

    def do(self, work: Work) -> None:
        """Writes something, now or when it can be written: one after the other, in order."""
        if self._hangs:
            self._waiting.append(work)
        else:
            work()

    def read(self, work: Work) -> None:
        if self.hangs_for_readers:
            self._waiting.append(work)
        else:
            work()

    def _thaw(self) -> None:
        self._hangs = 0
        while self._waiting and not self._hangs:
            self._waiting.pop(0)()
