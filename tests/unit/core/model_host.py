"""A host of the model: its clock, its agent, its guard with neard, and its way to Consul."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hafailover.core import events as ev
from hafailover.core.views import GuardView
from hafailover.guard import model as m
from hafailover.timing import Profile

from .model_agent import Agent
from .model_neard import GuardProcess, Neard

if TYPE_CHECKING:
    from .model import World

RECONNECT_S = 0.2


class Host:
    """One machine. Times of its own are CLOCK_BOOTTIME, which runs a little fast or slow."""

    def __init__(self, world: World, name: str, profile: Profile) -> None:
        self._world = world
        self.name = name
        self.profile = profile
        self._rate = 1 + 0.004 * (2 * world.rng.random() - 1)
        self._booted_at = -1000 * world.rng.random()
        self.up = False
        self.link = False
        self.broken_config = False
        self.flaky = False
        self.slow_watch = False
        self.cut_since: float | None = None
        self._detected_after = 5.0
        self._rejoins_at = 0.0
        self.was_cut = False
        self.syncing_until = 0.0
        self.memo: str | None = None
        self.agent: Agent | None = None
        self.guard: GuardProcess | None = None
        self.neard: Neard | None = None
        self._connected = False
        self._line = 0
        self._pid = 0
        self.boot()

    # --- time

    def clock(self) -> float:
        return (self._world.now - self._booted_at) * self._rate

    def at(self, seconds: float, work: Callable[[], object]) -> None:
        """After so many seconds of this host's clock."""
        self._world.at(seconds / self._rate, work)

    def height(self) -> int:
        return int(self._world.now - 0.1)

    # --- Consul

    @property
    def consul_down(self) -> bool:
        return not self.up

    @property
    def reaches_consul(self) -> bool:
        return self.up and self.cut_since is None

    def cut(self) -> None:
        if self.cut_since is None:
            self.cut_since = self._world.now
            self._detected_after = 5.0 + 2 * self._world.rng.random()
            self.was_cut = True

    def mend(self) -> None:
        if self.cut_since is not None and self._world.now - self.cut_since > self._detected_after:
            self._rejoins_at = self._world.now + 1 + 6 * self._world.rng.random()
        self.cut_since = None
        if self.agent is not None:
            for what in ("lock", "heartbeat", "dropped", "request"):
                self.agent.look(what)

    def is_given_up_by_consul(self) -> bool:
        return self.cut_since is not None and self._world.now - self.cut_since > self._detected_after

    def may_open_session(self) -> bool:
        held = any(session.host is self for session in self._world.consul.sessions.values())
        return self.reaches_consul and not held and self._world.now >= self._rejoins_at

    # --- life and death

    def boot(self) -> None:
        if self.up:
            return
        self._booted_at = self._world.now
        self.up = True
        self.mend()
        self.start_guard()
        self.start_agent()

    def crash(self) -> None:
        """Power loss."""
        self.cut()
        self.kill_agent()
        self._kill_guard_process()
        if self.neard is not None:
            self.neard.die()
        self.up = False

    def start_agent(self, profile: Profile | None = None) -> None:
        self.profile = profile or self.profile
        if self.up and (self.agent is None or not self.agent.alive):
            self.agent = Agent(self._world, self, self.profile)
            self._world.note(f"agent {self.name} starts with profile {self.profile.name}")
            self._connected = False
            self._world.at(0.003, self._connect)

    def kill_agent(self) -> None:
        if self.agent is not None:
            self.agent.alive = False

    def start_guard(self) -> None:
        if self.neard is not None and self.neard.alive:
            # A guard waits for the end of what its predecessor has left.
            self._world.at(0.01, self.start_guard)
        elif self.up and (self.guard is None or not self.guard.alive):
            self.guard = GuardProcess(self._world, self, self.profile)

    def kill_guard(self) -> None:
        """SIGKILL: neard follows by PR_SET_PDEATHSIG, and the service manager starts another guard."""
        if self.guard is None or not self.guard.alive:
            return
        self._kill_guard_process()
        if self.neard is not None:
            self.neard.kill()
        self._world.at(0.2 + 1.3 * self._world.rng.random(), self.start_guard)

    def kill_hand(self) -> None:
        self._world.note(f"agent {self.name} kills guard and neard")
        self.kill_guard()

    def _kill_guard_process(self) -> None:
        if self.guard is not None and self.guard.alive:
            self.guard.alive = False
            if self._connected:
                self._connected = False
                self._world.at(0.001, self._tell_lost)

    def start_neard(self) -> Neard:
        self._pid += 1
        self.neard = Neard(self._world, self, self._pid + 100)
        return self.neard

    def neard_died(self, neard: Neard) -> None:
        if self.guard is not None and self.guard.alive:
            self.guard.feed(m.Exited(neard.pid, -9))

    # --- the socket between agent and guard

    def tell_guard(self, event: m.GuardEvent | None) -> None:
        guard, line = self.guard, self._line
        if not self._connected or guard is None:
            return

        def arrive() -> None:
            # What an agent sent before another one connected is void.
            if guard.alive and guard is self.guard and line == self._line:
                guard.feed(event)

        self._world.at(0.0003, arrive)

    def tell_agent(self, view: GuardView) -> None:
        agent, line = self.agent, self._line

        def arrive() -> None:
            if agent is self.agent and agent is not None and self._connected and line == self._line:
                agent.emit(ev.GuardSeen(view))

        if self._connected:
            self._world.at(0.0003, arrive)

    def _connect(self) -> None:
        agent, guard = self.agent, self.guard
        if agent is None or not agent.alive or self._connected:
            return
        if guard is None or not guard.alive:
            self.at(RECONNECT_S, lambda: agent.run(self._connect))
            return
        self._connected = True
        self._line += 1
        self._ping(self._line)

    def _ping(self, line: int) -> None:
        agent = self.agent
        if line == self._line and self._connected and agent is not None and agent.alive:
            agent.run(lambda: self.tell_guard(None))
            self.at(1.0, lambda: self._ping(line))

    def _tell_lost(self) -> None:
        agent, neard = self.agent, self.neard
        if agent is None:
            return
        agent.emit(ev.GuardLost())
        self.at(RECONNECT_S, lambda: agent.run(self._connect))

        def gone() -> None:
            if neard is not None and neard.alive:
                self._world.at(0.002, gone)
            elif not self._connected:
                agent.emit(ev.HandGone())

        gone()
