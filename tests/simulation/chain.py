"""The simulator's chain: a block a second, the pool's turns among them, and what each neard has of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hafailover.core.work import Counts, Work

if TYPE_CHECKING:
    from .host import Host
    from .world import World

OWN_BLOCK_EVERY = 4
KEPT = 400
DEAF_S = 10.0
"""How long neard's connections take at most to recover from a cut: about as long as the cut was."""
CAUGHT_UP_AT_ONCE = 3
CATCH_UP_EVERY_S = 0.2
EPOCH = 300
"""Blocks of an epoch, at whose end the counts begin anew."""
STEADY_S = 10.0


class Chain:
    """A block's height is the second in which it was made. A turn that nobody takes leaves a gap."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.own: dict[int, Host] = {}
        """The pool's blocks, and whose neard signed them."""
        self.foreign: set[int] = set()
        """Blocks of the account that somebody signed who is no host of the pool."""
        self.foreign_signer = False
        """Somebody else has the key: an old validator, or a pool with a Consul of its own."""
        world.at(1.0, self._block)

    def unknown_to(self, host: Host) -> list[int]:
        """Heights that another host has signed, and this host's neard does not know of."""
        return [
            height for height, signer in self.own.items() if signer is not host and height > host.view.head
        ]

    def work(self, host: Host) -> Work:
        """What this host's neard counts: its head's own work is in the block that comes next."""
        last = host.view.head - 1
        epoch = last - last % EPOCH
        due = [n for n in range(epoch, last + 1) if n % OWN_BLOCK_EVERY == 0]
        done = [n for n in due if n in self.own or n in self.foreign]
        return Work(host.clock(), epoch, True, Counts(blocks=len(done)), Counts(blocks=len(due)))

    def _block(self) -> None:
        world = self._world
        world.at(1.0, self._block)
        height = round(world.now)
        if height % OWN_BLOCK_EVERY == 0:
            signer = self._signer()
            if self.foreign_signer and signer is None:
                self.foreign.add(height)
            elif signer is None:
                world.did["blocks missed"] += 1
                return
            else:
                self.own[height] = signer
                self.own.pop(height - KEPT, None)
                signer.view.head = height
        for host in world.hosts:
            host.view.expect(height)

    def _signer(self) -> Host | None:
        """A neard that is cut off makes no block: it lacks the others' approvals."""
        for host in self._world.referee.holders:
            if host.view.connected and host not in self._world.referee.woken:
                return host
        return None


class View:
    """The blocks that a host's neard has got. ``head``: the highest one."""

    def __init__(self, world: World, host: Host) -> None:
        self._world, self._host = world, host
        self._rng = random.Random(f"{world.seed} {host.name}")
        self.head = int(world.now)
        self._tip = self.head
        self._cut_at: float | None = None
        self._deaf_until = 0.0
        self._catching_up = False
        self._late_at = world.now

    @property
    def connected(self) -> bool:
        host, neard = self._host, self._host.neard
        runs = host.up and not host.frozen and neard is not None and neard.alive and not neard.stopped
        works = runs and not host.data.hangs
        return works and host.sends and host.hears and self._world.now >= self._deaf_until

    @property
    def steady(self) -> bool:
        return self._world.now - self._late_at > STEADY_S

    @property
    def live(self) -> bool:
        return self.steady and self.age_s <= 1.5

    @property
    def age_s(self) -> float:
        return self._world.now - self.head

    def expect(self, height: int) -> None:
        """A block is made, and gets to this host if anything does."""
        world, host = self._world, self._host
        linked = host.up and host.sends and host.hears
        if not linked and self._cut_at is None:
            self._cut_at = world.now
        if linked and self._cut_at is not None:
            self._deaf_until = world.now + min(world.now - self._cut_at, DEAF_S) * self._rng.random()
            self._cut_at = None
        if self.connected:
            world.at(0.05 + 0.1 * self._rng.random(), lambda: self._arrive(height))

    def _arrive(self, height: int) -> None:
        self._tip = max(self._tip, height)
        if not self._catching_up:
            self._learn()

    def _learn(self) -> None:
        """What was missed comes in one after another, the oldest first."""
        if not self.connected:
            self._catching_up = False
            return
        self.head = min(self._tip, self.head + CAUGHT_UP_AT_ONCE)
        self._catching_up = self.head < self._tip
        if self.age_s > 2.5:
            self._late_at = self._world.now
        if self._catching_up:
            self._world.at(CATCH_UP_EVERY_S, self._learn)
