"""What goes wrong in the model: random faults, one after the other and at once, each with its end."""

from __future__ import annotations

from collections.abc import Sequence

from hafailover.timing import PROFILES

from .model import World
from .model_host import Host

MEAN_PAUSE_S = 3.0

KINDS = (
    "agent killed",
    "agent frozen",
    "agent stutters",
    "frozen in a call, then cut off",
    "freed while it cannot see it",
    "guard killed",
    "guard frozen",
    "neard killed",
    "neard hung",
    "neard syncing",
    "config broken",
    "host crashed",
    "host cut off",
    "calls go wrong",
    "watches lag",
    "no leader",
    "freed by hand",
    "switchover",
    "all restarted",
)


class Faults:
    """Injects faults until ``end``; everything is mended by then.

    :param profiles: an agent that restarts may come back with another timing profile.
    :param kinds: only these faults; all of them unless given.
    """

    def __init__(
        self, world: World, end: float, profiles: bool = False, kinds: Sequence[str] = KINDS
    ) -> None:
        self._world, self._end = world, end
        self._profiles = profiles
        self._kinds = kinds
        self._wishes = 0
        world.at(8.0, self._next)

    def _next(self) -> None:
        world = self._world
        if world.now >= self._end - 1:
            return
        kind, host = world.rng.choice(self._kinds), world.rng.choice(world.hosts)
        if world.holders and world.rng.random() < 0.5:
            host = world.holders[0]
        world.note(f"--- {kind}: {host.name}")
        world.struck.add(kind)
        self._strike(kind, host)
        # Faults often come in pairs: what one of them leaves open, the next one meets.
        close = world.rng.random() < 0.4
        world.at(2 * world.rng.random() if close else world.rng.expovariate(1 / MEAN_PAUSE_S), self._next)

    def _lasts(self, longest: float) -> float:
        return min(longest * self._world.rng.random(), max(self._end - self._world.now, 0.0))

    def _strike(self, kind: str, host: Host) -> None:
        world, rng = self._world, self._world.rng
        match kind:
            case "agent killed":
                self._kill_agent(host, self._lasts(rng.choice((0.5, 3.0, 10.0))))
            case "agent frozen":
                self._freeze_agent(host, self._lasts(rng.choice((3.0, 15.0))))
            case "agent stutters":
                first = self._lasts(4.9)
                self._freeze_agent(host, first)
                world.at(first + 0.3 * rng.random(), lambda: self._freeze_agent(host, self._lasts(12.0)))
            case "frozen in a call, then cut off" if host.agent is not None and self._may_disturb(host):
                agent, thaws_after = host.agent, self._lasts(5.0)
                agent.on_sent = lambda: self._freeze_agent(host, thaws_after)
                world.at(1.2, lambda: setattr(agent, "on_sent", None))
                world.at(1.3, lambda: self._strike("host cut off", host))
            case "freed while it cannot see it" if world.holders:
                host = world.holders[0]
                self._freeze_agent(host, 2.0 + self._lasts(6.0))
                world.at(0.5 * rng.random(), world.consul.free_by_hand)
                world.at(0.8, self._unfit_taker)
            case "guard killed":
                host.kill_guard()
            case "guard frozen":
                self._freeze_guard(host, self._lasts(8.0))
            case "neard killed" if host.neard is not None:
                host.neard.kill()
            case "neard hung" if host.neard is not None:
                neard = host.neard
                neard.hung = True
                world.at(self._lasts(8.0), lambda: setattr(neard, "hung", False))
            case "neard syncing":
                host.syncing_until = world.now + self._lasts(8.0)
            case "config broken":
                host.broken_config = True
                world.at(self._lasts(10.0), lambda: setattr(host, "broken_config", False))
            case "host crashed":
                host.crash()
                world.at(max(self._lasts(20.0), 1.0), host.boot)
            case "host cut off" if host.up:
                host.cut()
                world.at(self._lasts(rng.choice((4.0, 15.0))), lambda: host.mend() if host.up else None)
            case "calls go wrong":
                host.flaky = True
                world.at(self._lasts(15.0), lambda: setattr(host, "flaky", False))
            case "watches lag":
                host.slow_watch = True
                world.at(self._lasts(15.0), lambda: setattr(host, "slow_watch", False))
            case "no leader":
                world.consul.lose_leader(self._lasts(5.0))
            case "freed by hand":
                world.consul.free_by_hand()
            case "switchover":
                self._wishes += 1
                world.ask(self._wishes, rng.choice([one.name for one in world.hosts]))
            case "all restarted":
                for one in world.hosts:
                    one.kill_guard()
                    self._kill_agent(one, self._lasts(2.0))

    def _unfit_taker(self) -> None:
        """Whoever has just taken the lock finds its neard syncing."""
        taker = self._world.sessions_host()
        if taker is not None and taker not in self._world.holders:
            taker.syncing_until = self._world.now + self._lasts(8.0)

    def _kill_agent(self, host: Host, back_after: float) -> None:
        if not self._may_disturb(host):
            return
        host.kill_agent()
        profile = PROFILES[self._world.rng.choice(sorted(PROFILES))] if self._profiles else None
        self._world.at(back_after, lambda: host.start_agent(profile))

    def _freeze_agent(self, host: Host, seconds: float) -> None:
        agent = host.agent
        if agent is not None and agent.alive and not agent.frozen and self._may_disturb(host):
            agent.frozen = True
            self._world.at(seconds, agent.thaw)

    def _freeze_guard(self, host: Host, seconds: float) -> None:
        guard, agent = host.guard, host.agent
        # A frozen guard is its agent's to kill; where both fail at once, the service manager's watchdog.
        if guard is None or not guard.alive or agent is None or not agent.alive or agent.frozen:
            return
        guard.frozen = True
        self._world.at(seconds, lambda: guard.thaw() if guard.alive else None)

    def _may_disturb(self, host: Host) -> bool:
        return host.guard is None or not host.guard.frozen
