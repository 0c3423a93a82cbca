"""A simulated host: its clock, its processes, its Consul server and its way to the others."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from hafailover.core import events as ev
from hafailover.core.views import GuardView
from hafailover.guard import model as m
from hafailover.timing import Profile

from .agent import Agent
from .chain import View
from .disk import Disk
from .hand import GuardProcess
from .neard import Neard

if TYPE_CHECKING:
    from .desk import Order
    from .world import World

RECONNECT_S = 0.2
DETECTED_AFTER_S = (5.0, 7.0)
"""How long Consul takes to give up a host that it cannot reach."""


class Host:
    """One machine. Times of its own are CLOCK_BOOTTIME, which runs a little fast or slow."""

    def __init__(self, world: World, name: str, profile: Profile) -> None:
        self._world = world
        self.name = name
        self.profile = profile
        self._rate = 1.0
        self._clock_at, self._clock = world.now, 1000 * world.rng.random()
        self.wall_ahead = 0.0
        """How far the wall clock was stepped; nothing that is right looks at it."""
        self.boots = 0
        self.up = False
        self.frozen = False
        """The whole machine stands still; CLOCK_BOOTTIME goes on."""
        self.thawed_at = -1e9
        """When it last ran again, in true time."""
        self.sends = True
        self.hears = True
        self.flaky = False
        self.slow_watch = False
        self.late_release_s: float | None = None
        """The next release of this host takes effect so much later, and its answer is lost."""
        self.disk_full = False
        self.link = False
        self.broken_config = False
        self.loses_reloads = False
        self.slow_reloads = False
        self.syncing_until = 0.0
        self.silent_of_work_until = 0.0
        """Until then its neard does not tell what the chain counts of the account's work."""
        self.promised_until = 0.0
        """By this moment on the host's clock its key is gone, as the beats that Consul has taken say."""
        self.order: Order | None = None
        """To sign without a lease."""
        self.memo: str | None = None
        """The session that the agent has noted on disk."""
        self.given_up = False
        self.guard_stood_at = -1e9
        """When its guard last stood still by itself, in true time."""
        self.forced_term = -1
        """What its guard was last told to load the key for without a lease."""
        self._silent_since: float | None = None
        self._detected_after = 6.0
        self._rejoins_at = 0.0
        self.server = world.servers.add(self)
        self.home, self.data, self.state = Disk(world), Disk(world), Disk(world)
        """What neard's home, its data and the agent's state folder lie on."""
        self.server.disk = Disk(world)
        self.view = View(world, self)
        self.agent: Agent | None = None
        self.guard: GuardProcess | None = None
        self.neard: Neard | None = None
        self._after_thaw: list[Callable[[], object]] = []
        self._connected = False
        self._line = 0
        self._pid = 0
        self.redraw_rate(world.rng)

    # --- time

    def clock(self) -> float:
        return self._clock + (self._world.now - self._clock_at) * self._rate

    def redraw_rate(self, rng: random.Random) -> None:
        self._clock, self._clock_at = self.clock(), self._world.now
        self._rate = 1 + self._world.shape.drift * (2 * rng.random() - 1)

    def at(self, seconds: float, work: Callable[[], object]) -> None:
        """After so many seconds of this host's clock."""
        self._world.at(seconds / self._rate, work)

    # --- Consul

    @property
    def reaches_leader(self) -> bool:
        return self.up and not self.frozen and self.server.answers and not self.server.cut and self.sends

    @property
    def hears_consul(self) -> bool:
        """Whether an answer gets here: what the own server says needs no link."""
        if not self.up or self.frozen or not self.server.answers:
            return False
        return self.hears or self._world.servers.believed_past(self.server) is not None

    def noticed_by_consul(self, now: float) -> None:
        """Consul's own failure detection looks at this host."""
        if self.server.well:
            if self.given_up:
                self._rejoins_at = now + 1 + 6 * self._world.rng.random()
            self._silent_since, self.given_up = None, False
        elif self._silent_since is None:
            self._silent_since = now
            low, high = DETECTED_AFTER_S
            self._detected_after = low + (high - low) * self._world.rng.random()
        elif now - self._silent_since > self._detected_after:
            self.given_up = True

    def may_open_session(self) -> bool:
        held = any(session.host is self for session in self._world.consul.sessions.values())
        return self.server.well and not held and self.may_rejoin

    @property
    def may_rejoin(self) -> bool:
        """Consul's gossip believes that it is back."""
        return self._world.now >= self._rejoins_at

    # --- life and death

    def boot(self) -> None:
        if self.up:
            return
        self.boots += 1
        self._clock, self._clock_at = 10.0, self._world.now
        self.promised_until = 0.0
        self.up = True
        self.start_guard()
        self.start_agent()

    def crash(self) -> bool:
        """Power loss. Returns whether the host was up."""
        if not self.up:
            return False
        self._after_thaw.clear()
        self.kill_agent()
        self._kill_guard_process()
        if self.neard is not None:
            self.neard.power_off()
        self.up = self.frozen = False
        # A server that boots again knows of no time in which it led.
        self.server.past = None
        return True

    def freeze(self) -> bool:
        """Everything on the machine stands still, as in suspend to memory."""
        if not self.up or self.frozen:
            return False
        self.frozen = True
        return True

    def thaw(self) -> None:
        """neard may run at once; guard and agent follow within a tick of the machine's scheduler."""
        if not self.frozen:
            return
        self.frozen = False
        world = self._world
        self.thawed_at = world.now
        world.servers.woke(self.server, world.rng)
        world.referee.thawed(self)
        if self.neard is not None:
            self.neard.thaw()
        guard, agent = self.guard, self.agent
        if guard is not None:
            world.at(0.05 * world.rng.random(), guard.go_on)
        if agent is not None:
            world.at(0.1 * world.rng.random(), agent.go_on)
        waiting, self._after_thaw = self._after_thaw, []
        for work in waiting:
            work()

    def when_running(self, work: Callable[[], object]) -> None:
        """Does something as soon as the machine does not stand still."""
        if self.frozen:
            self._after_thaw.append(work)
        else:
            work()

    def start_agent(self, profile: Profile | None = None) -> None:
        self.profile = profile or self.profile
        if self.up and (self.agent is None or not self.agent.alive):
            self.agent = Agent(self._world, self, self.profile)
            self._world.note(f"agent {self.name}: starts with profile {self.profile.name}")
            self._connected = False
            self._world.at(0.003, self._connect)

    def kill_agent(self) -> bool:
        if self.agent is None or not self.agent.alive:
            return False
        self.agent.alive = False
        return True

    def start_guard(self) -> None:
        if self.neard is not None and self.neard.alive:
            # A guard waits for the end of what its predecessor has left.
            self._world.at(0.01, self.start_guard)
        elif self.home.hangs:
            # It removes what its predecessor may have left, before anything else.
            self.home.do(self.start_guard)
        elif self.up and (self.guard is None or not self.guard.alive):
            self.guard = GuardProcess(self._world, self, self.profile)

    def kill_guard(self) -> bool:
        """SIGKILL: neard follows by PR_SET_PDEATHSIG, and the service manager starts another guard."""
        if self.guard is None or not self.guard.alive:
            return False
        if self.guard.stuck:
            # What waits in the kernel ends when it waits no more, and PR_SET_PDEATHSIG comes with the end.
            self.guard.ends_when_free = True
            return False
        self._kill_guard_process()
        if self.neard is not None:
            self.neard.kill()
        self._world.at(0.2 + 1.3 * self._world.rng.random(), self.start_guard)
        return True

    def kill_hand(self) -> None:
        self._world.note(f"agent {self.name}: kills guard and neard")
        self._world.did["guards killed by their agent"] += self.kill_guard()

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
