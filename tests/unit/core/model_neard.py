"""neard and its guard in the model: the real guard's decisions on a process that boots, reloads and dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hafailover.core.views import GuardView, KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard.decide import decide
from hafailover.guard.protocol import describe, parse_report
from hafailover.timing import GRANT_TICK_S, Profile

if TYPE_CHECKING:
    from .model import World
    from .model_host import Host

POOL_KEY = "ed25519:pool"
ACCOUNT = "pool.near"
PROBE_DEADLINE_S = 0.5
CONFIRMED = (KeyState.LOADING, KeyState.LOADED, KeyState.DROPPING)


class Neard:
    """One neard process. What counts is ``loaded``: whether its memory holds the key."""

    def __init__(self, world: World, host: Host, pid: int) -> None:
        self._world, self._host = world, host
        self.pid = pid
        self.alive = True
        self.up = False
        self.hung = False
        self.loaded = False
        self._reading = False
        self._again = False
        self._slow = world.rng.random() < 0.3
        self.synced_at = 0.0
        with_key = host.link
        world.at(0.3 + 2.5 * world.rng.random(), lambda: self._boot(with_key))

    @property
    def key(self) -> str | None:
        return POOL_KEY if self.loaded else None

    def _boot(self, with_key: bool) -> None:
        if self.alive:
            self.up = True
            self.synced_at = self._world.now + 1.5 * self._world.rng.random()
            self._set(with_key)

    def reload(self) -> None:
        """SIGHUP: ignored before the handler stands, sometimes lost while a reload is under way."""
        if not self.alive or not self.up or self.hung:
            return
        if self._reading:
            self._again = self._world.rng.random() < 0.5
            return
        self._reading = True
        rng = self._world.rng
        takes = 0.6 * rng.random() if self._slow and rng.random() < 0.3 else 0.03 * rng.random()
        looks_after = takes * rng.random()
        self._world.at(looks_after, lambda: self._read(takes - looks_after))

    def _read(self, rest: float) -> None:
        there, ok = self._host.link, not self._host.broken_config
        self._world.at(rest, lambda: self._apply(there, ok))

    def _apply(self, there: bool, ok: bool) -> None:
        self._reading = False
        if not self.alive:
            return
        if ok:
            self._set(there)
        if self._again:
            self._again = False
            self.reload()

    def terminate(self) -> None:
        self._world.at(0.1 + 2 * self._world.rng.random(), self.die)

    def kill(self) -> None:
        self._world.at(0.005 * self._world.rng.random(), self.die)

    def die(self) -> None:
        if self.alive:
            self.alive = False
            self._set(False)
            self._host.neard_died(self)

    def _set(self, loaded: bool) -> None:
        if loaded != self.loaded:
            self.loaded = loaded
            self._world.key_moved(self._host, loaded)


class GuardProcess:
    """The guard: the real :func:`decide`, its timers, and its effects on the model's neard."""

    def __init__(self, world: World, host: Host, profile: Profile) -> None:
        self._world, self.host = world, host
        self.guard = m.Guard(m.GuardConfig(POOL_KEY, ACCOUNT, drop_budget_s=profile.drop_budget_s))
        self.alive = True
        self.frozen = False
        self.neard: Neard | None = None
        self._backlog: list[m.GuardEvent | None] = []
        self._wake_at: float | None = None
        host.link = False
        self.feed(m.Tick())

    def feed(self, event: m.GuardEvent | None) -> None:
        """Takes an event, or ``None`` for a ping; a frozen guard takes it when it thaws."""
        if self.frozen:
            self._backlog.append(event)
            return
        queue = [event]
        while queue and self.alive:
            first = queue.pop(0)
            if first is None:
                self.host.tell_agent(self.view)
                continue
            self.guard, effects = decide(self.guard, first, self.host.clock())
            for effect in effects:
                failed = self._perform(effect)
                if failed is not None:
                    queue.append(failed)
        self._set_timer()

    def thaw(self) -> None:
        self.frozen = False
        backlog, self._backlog = self._backlog, []
        for event in [m.Tick(), *backlog]:
            self.feed(event)

    @property
    def view(self) -> GuardView:
        return parse_report(describe(self.guard, "", 1)).view

    def _set_timer(self) -> None:
        """A tick with nothing due changes nothing, so only those are run; each may come a tick late."""
        guard, due = self.guard, []
        if guard.key in (KeyState.LOADING, KeyState.LOADED):
            due.append(guard.deadline)
        if guard.key is KeyState.LOADING:
            due.append(guard.key_since + guard.config.load_s)
        if guard.key is KeyState.DROPPING:
            due.append(guard.deadline + guard.config.drop_budget_s / 2)
        due += [at for at in (guard.kill_at, guard.next_start_at, guard.problem_until) if at is not None]
        if guard.phase is NeardPhase.BOOTING or guard.key in (KeyState.LOADING, KeyState.DROPPING):
            due += [guard.signal_at] if guard.phase is NeardPhase.UP else []
            due += [] if guard.probing else [guard.probe_at]
        if not due:
            return
        now = self.host.clock()
        late = GRANT_TICK_S * self._world.rng.random() if guard.key in CONFIRMED else 0.0
        wake_at = max(min(due) + late, now + 0.001)
        if self._wake_at is None or wake_at < self._wake_at or self._wake_at <= now:
            self._wake_at = wake_at
            self.host.at(wake_at - now, lambda: self._tick(wake_at))

    def _tick(self, wake_at: float) -> None:
        if self.alive and self._wake_at == wake_at:
            self._wake_at = None
            self.feed(m.Tick())

    def _perform(self, effect: m.GuardEffect) -> m.GuardEvent | None:
        host, neard = self.host, self.neard
        match effect:
            case m.StartNeard():
                host.link = host.link and self.guard.start_with_key
                self.neard = host.start_neard()
                return m.Started(self.neard.pid)
            case m.LinkKey():
                if host.broken_config:
                    return m.LinkFailed("neard would refuse to load the key")
                host.link = True
            case m.UnlinkKey():
                host.link = False
                if host.broken_config and neard is not None:
                    return m.UnlinkFailed("neard would keep the key")
            case m.SignalReload() if neard is not None:
                neard.reload()
            case m.TerminateNeard() if neard is not None:
                neard.terminate()
            case m.KillNeard() if neard is not None:
                neard.kill()
            case m.ProbeNeard(number):
                self._probe(number)
            case m.Report(reason):
                self._world.note(f"guard {host.name}: {reason}")
                host.tell_agent(self.view)
        return None

    def _probe(self, number: int) -> None:
        neard, rng = self.neard, self._world.rng

        def answer() -> None:
            if neard is None or not neard.alive or not neard.up:
                reply: m.GuardEvent = m.ProbeFailed(number, "refused")
            elif neard.hung:
                self.host.at(PROBE_DEADLINE_S, lambda: self._answered(m.ProbeFailed(number, "no answer")))
                return
            else:
                reply = m.Probed(number, neard.key, self.host.height())
            self._world.at(0.002 * rng.random(), lambda: self._answered(reply))

        self._world.at(0.001 + 0.01 * rng.random(), answer)

    def _answered(self, event: m.GuardEvent) -> None:
        if self.alive:
            self.feed(event)
