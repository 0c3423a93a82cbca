"""A small model of a pool: hosts, Consul, neard and faults, in virtual time, all from one seed.

The agents decide with the real :func:`hafailover.core.decide.decide` and the guards with the real
:func:`hafailover.guard.decide.decide`; around them everything is a model of what ``docs/how-it-works.md``
says of it. After every step at most one neard in the pool may have the key in its memory.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from hafailover.core.views import Member, Request, Role
from hafailover.timing import PROFILES

from .model_consul import Consul
from .model_host import Host

OWN_BLOCK_EVERY = 4
LOG_LINES = 400


class TwoSignersError(AssertionError):
    """Two neards had the key at once."""


class World:
    """The pool and its time. ``now`` is true time in seconds, which no host can read."""

    def __init__(self, seed: int, hosts: int = 3, profile: str = "default") -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now = 0.0
        self._steps: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0
        self.holders: list[Host] = []
        self.own_blocks: set[int] = set()
        self.request: Request | None = None
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.terms = 0
        self.moves = 0
        self.struck: set[str] = set()
        self.hosts: list[Host] = []
        self.consul = Consul(self)
        self.hosts = [Host(self, f"h{number}", PROFILES[profile]) for number in range(1, hosts + 1)]
        self.at(1.0, self._block)

    def at(self, seconds: float, work: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._steps, (self.now + max(seconds, 0.0), self._count, work))

    def run_until(self, end: float) -> None:
        steps = self._steps
        while steps and steps[0][0] <= end:
            self.now, _, work = heapq.heappop(steps)
            work()
        self.now = end

    def note(self, text: str) -> None:
        self.log.append(f"{self.now:9.4f} {text}")

    def changed(self, what: str) -> None:
        for host in self.hosts:
            if host.agent is not None:
                host.agent.look(what)

    def key_moved(self, host: Host, loaded: bool) -> None:
        self.note(f"neard {host.name}: key {'LOADED' if loaded else 'gone'}")
        if loaded:
            self.moves += 1
            self.holders.append(host)
        else:
            self.holders.remove(host)
        if len(self.holders) > 1:
            names = " and ".join(holder.name for holder in self.holders)
            tail = "\n".join(self.log)
            raise TwoSignersError(f"seed {self.seed}: {names} have the key at once at {self.now:.3f}\n{tail}")

    def members(self) -> tuple[Member, ...]:
        alive = {session.host.name for session in self.consul.sessions.values()}
        records = self.consul.records.values()
        return tuple(r if r.node in alive else replace(r, alive=False, ready=False) for r in records)

    def active(self) -> Host | None:
        """The host that signs and knows it, if there is exactly one."""
        for host in self.holders:
            if host.agent is not None and host.agent.alive and host.agent.state.role is Role.ACTIVE:
                return host
        return None

    def sessions_host(self) -> Host | None:
        """The host whose session holds the lock."""
        session = self.consul.sessions.get(self.consul.lock.session or "")
        return session.host if session is not None else None

    def ask(self, number: int, to: str) -> None:
        self.request = Request(f"r{number}", to, self.consul.lock.index)
        self.note(f"wish: move the key to {to}")
        self.changed("request")

    def _block(self) -> None:
        height = int(self.now)
        if height % OWN_BLOCK_EVERY == 0 and self.holders:
            self.own_blocks.add(height)
        self.at(1.0, self._block)
