"""A pool in virtual time: hosts, Consul, neard and the faults that strike them, all from one seed.

The agents decide with the real :func:`hafailover.core.decide.decide`, the guards with the real
:func:`hafailover.guard.decide.decide`, and systemd's watchdog goes by the real
:mod:`hafailover.guard.watchdog`. Around them everything is a model of what ``docs/how-it-works.md`` and
Consul's own behaviour say of it.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hafailover.core.views import Member, Request, Role
from hafailover.timing import CLOCKS_APART, PROFILES, Profile

from .aims import Aims
from .chain import Chain
from .consul import Consul
from .host import Host
from .referee import Referee
from .servers import Servers
from .vigil import Vigil

if TYPE_CHECKING:
    from .agent import Agent

LOG_LINES = 300


@dataclass(frozen=True)
class Shape:
    """What a pool is like, apart from what befalls it.

    :param profiles: each host's timing profile.
    :param change_profiles: an agent that restarts may come back with another profile.
    :param agent_watchdog: systemd ends a frozen agent after two seconds; without it, it thaws when it thaws.
    :param hot_swap: ``False`` for promotion by restart.
    :param drift: how far each host's clock may run from true time, as a fraction: by as much as two may run
        apart, so that two run apart by twice what is assumed.
    """

    profiles: tuple[Profile, ...]
    change_profiles: bool = False
    agent_watchdog: bool = True
    hot_swap: bool = True
    drift: float = CLOCKS_APART
    witness: bool = True


def shape_of(seed: int) -> Shape:
    """Two or three hosts; in one pool of five with different profiles, in one of six without hot swap."""
    rng = random.Random(f"shape {seed}")
    names = sorted(PROFILES)
    hosts = 2 + seed % 2
    first = PROFILES[names[seed % 3]]
    mixed = seed % 5 == 0
    profiles = tuple(PROFILES[rng.choice(names)] if mixed else first for _ in range(hosts))
    return Shape(
        profiles,
        change_profiles=seed % 4 in (0, 1),
        agent_watchdog=seed % 3 != 1,
        hot_swap=seed % 6 != 5,
        witness=hosts == 2,
    )


class World:
    """The pool and its time. ``now`` is true time in seconds, which no host can read."""

    def __init__(self, seed: int, shape: Shape | None = None) -> None:
        self.seed = seed
        self.shape = shape or shape_of(seed)
        self.rng = random.Random(seed)
        self.now = 0.0
        self._steps: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0
        self.request: Request | None = None
        self.log: deque[tuple[float, str]] = deque(maxlen=LOG_LINES)
        self.faults: Counter[str] = Counter()
        """Faults that took effect, by kind."""
        self.did: Counter[str] = Counter()
        """What the pool did: terms, loads, fences, drops and the like."""
        self.faults_end = 0.0
        """Whatever a fault has broken is whole again by then."""
        self.wishes = 0
        self.hosts: list[Host] = []
        self.referee = Referee(self)
        self.aims = Aims(self)
        self.servers = Servers(self, witness=self.shape.witness)
        self.consul = Consul(self)
        self.chain = Chain(self)
        self.vigil = Vigil(self)
        for number, profile in enumerate(self.shape.profiles, 1):
            host = Host(self, f"h{number}", profile)
            self.hosts.append(host)
            host.boot()

    def at(self, seconds: float, work: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._steps, (self.now + (seconds if seconds > 0.0 else 0.0), self._count, work))

    def run_until(self, end: float) -> None:
        steps, pop = self._steps, heapq.heappop
        while steps and steps[0][0] <= end:
            self.now, _, work = pop(steps)
            work()
        self.now = end

    def note(self, text: str) -> None:
        self.log.append((self.now, text))

    def struck(self, kind: str) -> None:
        """Counts a fault that has taken effect."""
        self.faults[kind] += 1

    def lasts(self, rng: random.Random, longest: float) -> float:
        """How long a fault lasts: not beyond the end of all faults."""
        return max(min(longest * rng.random(), self.faults_end - self.now), 0.0)

    def changed(self, what: str) -> None:
        for host in self.hosts:
            if host.agent is not None:
                host.agent.eyes.look(what)

    def members(self) -> tuple[Member, ...]:
        alive = {session.host.name for session in self.consul.sessions.values()}
        records = self.consul.records.values()
        return tuple(r if r.node in alive else replace(r, alive=False, ready=False) for r in records)

    def active(self) -> Host | None:
        """The host that signs and knows it, if there is exactly one."""
        for host in self.referee.holders:
            if not host.frozen and host.agent is not None and host.agent.alive and not host.agent.frozen:
                return host if host.agent.state.role is Role.ACTIVE else None
        return None

    def holder(self) -> Host | None:
        """A host whose neard has the key."""
        return next(iter(self.referee.holders), None)

    def sessions_host(self) -> Host | None:
        """The host whose session holds the lock."""
        session = self.consul.sessions.get(self.consul.lock.session or "")
        return session.host if session is not None else None

    def ask(self, to: str) -> None:
        self.wishes += 1
        self.request = Request(f"r{self.wishes}", to, self.consul.lock.index)
        self.note(f"wish: move the key to {to}")
        self.changed("request")

    def agents(self) -> list[Agent]:
        return [host.agent for host in self.hosts if host.agent is not None and host.agent.alive]
