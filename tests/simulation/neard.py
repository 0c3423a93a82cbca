"""neard in the simulator: a process that boots, syncs, reloads, hangs and dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .host import Host
    from .world import World

POOL_KEY = "ed25519:pool"
ACCOUNT = "pool.near"


class Neard:
    """One neard process. What counts is ``loaded``: whether its memory holds the key."""

    def __init__(self, world: World, host: Host, pid: int) -> None:
        self._world, self._host = world, host
        self.pid = pid
        self.alive = True
        self.dying = False
        """It has got SIGKILL, and only what waits for a disk is left of it: it does nothing more."""
        self.up = False
        self.hung = False
        """Its RPC does not answer; it may sign on."""
        self.stopped = False
        """SIGSTOP."""
        self.loaded = False
        self._reading = False
        self._again = False
        self._pending: list[Callable[[], None]] = []
        self._slow = world.rng.random() < 0.3
        self.synced_at = 0.0
        with_key = host.link
        world.at(0.3 + 2.5 * world.rng.random(), lambda: self._run(lambda: self._boot(with_key)))

    @property
    def key(self) -> str | None:
        return POOL_KEY if self.loaded else None

    @property
    def silent(self) -> bool:
        return self.hung or self.stopped or self.dying or self._host.data.hangs

    def reload(self) -> None:
        """SIGHUP: ignored before the handler stands, sometimes lost while a reload is under way."""
        if self.stopped or self._host.frozen:
            # A signal to a process that stands still waits for it, once.
            if self.reload not in self._pending:
                self._pending.append(self.reload)
            return
        if not self.alive or not self.up or self.hung or self.dying:
            return
        rng, host = self._world.rng, self._host
        if host.loses_reloads and rng.random() < 0.7:
            self._world.struck("reload lost")
            return
        if self._reading:
            self._again = rng.random() < 0.5
            return
        self._reading = True
        takes = 0.6 * rng.random() if self._slow and rng.random() < 0.3 else 0.03 * rng.random()
        if host.slow_reloads:
            takes += 3.0 * rng.random()
            self._world.struck("reload slow")
        looks_after = takes * rng.random()
        self._world.at(looks_after, lambda: self._run(lambda: self._read(takes - looks_after)))

    def terminate(self) -> None:
        takes = 0.1 + 2 * self._world.rng.random()
        self._world.at(takes, lambda: self._run(self._stop))

    def _stop(self) -> None:
        """It closes its database before it ends."""
        self._host.data.do(lambda: self._run(self.die))

    def kill(self) -> None:
        """SIGKILL ends a process that stands still, too; not so on a machine that does."""
        self._host.when_running(lambda: self._world.at(0.005 * self._world.rng.random(), self.die))

    def die(self) -> None:
        if not self.alive or self.dying:
            return
        self.dying = True
        self._set(False)
        # Its end is seen only when the last of its threads waits for no disk any more.
        self._host.data.do(lambda: self._reading_disk(self._end))

    def power_off(self) -> None:
        self.dying = True
        self._set(False)
        self.alive = False

    def _end(self) -> None:
        if self.alive:
            self.alive = False
            self._host.neard_died(self)

    def _reading_disk(self, work: Callable[[], None]) -> None:
        if self._reading:
            self._host.home.read(work)
        else:
            work()

    def thaw(self) -> None:
        """It runs again; nothing happens while something else still stops it."""
        if self.stopped or self._host.frozen:
            return
        pending, self._pending = self._pending, []
        for work in pending:
            self._run(work)

    def _run(self, work: Callable[[], None]) -> None:
        if not self.alive or self.dying:
            return
        if self.stopped or self._host.frozen:
            self._pending.append(work)
        else:
            work()

    def _boot(self, with_key: bool) -> None:
        if self._host.data.hangs:
            self._host.data.do(lambda: self._run(lambda: self._boot(with_key)))
            return
        self.up = True
        self.synced_at = self._world.now + 1.5 * self._world.rng.random()
        self._set(with_key)

    def _read(self, rest: float) -> None:
        if self._host.home.hangs_for_readers:
            self._host.home.read(lambda: self._run(lambda: self._read(rest)))
            return
        there, ok = self._host.link, not self._host.broken_config
        self._world.at(rest, lambda: self._run(lambda: self._apply(there, ok)))

    def _apply(self, there: bool, ok: bool) -> None:
        self._reading = False
        if ok:
            self._set(there)
        if self._again:
            self._again = False
            self.reload()

    def _set(self, loaded: bool) -> None:
        if loaded != self.loaded:
            self.loaded = loaded
            self._world.referee.key_moved(self._host, loaded)
