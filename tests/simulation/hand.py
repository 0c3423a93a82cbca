"""The guard in the simulator: the real decisions and the real watchdog's limits, on a simulated neard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hafailover.core.views import GuardView, KeyState, NeardPhase
from hafailover.core.words import Claim
from hafailover.guard import model as m
from hafailover.guard import watchdog
from hafailover.guard.decide import decide
from hafailover.guard.protocol import describe, parse_report
from hafailover.guard.word import WordKey
from hafailover.timing import GRANT_TICK_S, Profile

from .neard import ACCOUNT, POOL_KEY, Neard

if TYPE_CHECKING:
    from .host import Host
    from .world import World

WORDS = WordKey(b"a seed that all guards know of it", ACCOUNT)
PROBE_DEADLINE_S = 0.5
UNIT_S = 3.0
"""WatchdogSec of the guard's unit."""
FILE_S = 0.002
"""A file operation takes so long at most, unless the disk hangs."""
FILE_WORK = (m.PrepareHome, m.LinkKey, m.UnlinkKey)
TOLD = ((KeyState.LOADING, m.Link.PLACED), (KeyState.DROPPING, m.Link.GONE))
WITH_KEY = (KeyState.LOADING, KeyState.LOADED, KeyState.DROPPING)


class GuardProcess:
    """One guard process, with systemd beside it."""

    LOOP_WAITS_FOR_FILES = False
    """``True``: the thread that decides does the file work, too, and stands still while that hangs. Only a
    mutant's does."""

    def __init__(self, world: World, host: Host, profile: Profile) -> None:
        self._world, self.host = world, host
        config = m.GuardConfig(
            POOL_KEY,
            ACCOUNT,
            node=host.name,
            words=WORDS,
            hot_swap=world.shape.hot_swap,
            drop_budget_s=profile.drop_budget_s,
            fence_after_s=profile.fence_after_s,
        )
        self.guard = m.Guard(config)
        self.alive = True
        self.stopped = False
        """SIGSTOP."""
        self.stuck = False
        """Its loop waits for a file, and no signal ends it."""
        self.ends_when_free = False
        """SIGKILL has come, and takes effect when it waits no more."""
        self.neard: Neard | None = None
        self._backlog: list[m.GuardEvent | None] = []
        self._files: list[Callable[[], m.GuardEvent]] = []
        """The file work that was asked for; the first is under way."""
        self._rest: tuple[list[m.GuardEvent | None], list[m.GuardEffect]] | None = None
        self._wake_at: float | None = None
        host.link = False
        self.feed(m.Tick())

    @property
    def view(self) -> GuardView:
        return parse_report(describe(self.guard, "", 1)).view

    def word_for(self, term: int, history: str, height: int) -> Claim | None:
        """Asks the guard for its word, as its agent can; ``None``: it does not answer, or refuses."""
        self.feed(m.VouchAsked(term, history, height, None))
        word = self.guard.word
        return word if word is not None and (word.term, word.history) == (term, history) else None

    def feed(self, event: m.GuardEvent | None) -> None:
        """Takes an event, or ``None`` for a ping; a guard that stands still takes it when it goes on."""
        if self.stopped or self.stuck or self.host.frozen:
            self._backlog.append(event)
            return
        self._work([event], [])

    def _work(self, queue: list[m.GuardEvent | None], effects: list[m.GuardEffect]) -> None:
        while (queue or effects) and self.alive:
            if effects:
                effect = effects.pop(0)
                if self._waits_for_a_file(effect):
                    self._stick(queue, [effect, *effects])
                    return
                failed = self._perform(effect)
                if failed is not None:
                    queue.append(failed)
                continue
            first = queue.pop(0)
            if first is None:
                self.host.tell_agent(self.view)
                continue
            before = self.guard.key
            self.guard, effects = decide(self.guard, first, self._now())
            self._tell_world(before)
        self._set_timer()

    def _waits_for_a_file(self, effect: m.GuardEffect) -> bool:
        return self.LOOP_WAITS_FOR_FILES and self.host.home.hangs and isinstance(effect, FILE_WORK)

    def _stick(self, queue: list[m.GuardEvent | None], effects: list[m.GuardEffect]) -> None:
        """It stands still in the middle of its work; systemd's watchdog sees that, and kills what it can."""
        self.stuck = True
        self._world.did["guards stuck in a file"] += 1
        self._world.note(f"guard {self.host.name}: waits for its disk")
        self._await_watchdog()

        def free() -> None:
            if not self.alive:
                return
            self.stuck = False
            if self.ends_when_free:
                self.host.kill_guard()
                return
            self._rest = queue, effects
            self.go_on()

        self.host.home.do(free)

    def stop(self) -> bool:
        """SIGSTOP; systemd's watchdog ends it, as late as it may."""
        if not self.alive or self.stopped:
            return False
        self.stopped = True
        self._await_watchdog()
        return True

    def _await_watchdog(self) -> None:
        # Had it given its sign of life right now: that is when systemd waits longest.
        now = self._now()
        pat = watchdog.next_pat(self.guard, None, UNIT_S, now)
        left = pat.limit_s if pat is not None else watchdog.SHORTEST_S
        late = watchdog.SYSTEMD_LATE_S * self._world.rng.random()
        self.host.at(left + late, lambda: self.host.when_running(self._watchdog))

    def go_on(self) -> None:
        """SIGCONT, or the machine runs again; nothing happens while something else still stops it."""
        if self.stopped or self.stuck or self.host.frozen or not self.alive:
            return
        if self._rest is not None:
            rest, self._rest = self._rest, None
            self._work(*rest)
        backlog, self._backlog = self._backlog, []
        for event in [m.Tick(), *backlog]:
            self.feed(event)

    def cont(self) -> None:
        """SIGCONT."""
        if self.stopped:
            self.host.guard_stood_at = self._world.now
        self.stopped = False
        self.go_on()

    def launcher_ended(self, neard: Neard) -> None:
        """Its child is gone and neard is not: that is ended first, and then the key's end is believed."""
        neard.kill()

    def _watchdog(self) -> None:
        if self.alive and (self.stopped or self.stuck):
            self._world.did["guards ended by systemd's watchdog"] += 1
            self.host.guard_stood_at = self._world.now
            self._world.note(f"systemd {self.host.name}: the guard gives no sign of life, so it is killed")
            self.host.kill_guard()

    def _now(self) -> float:
        return self.host.clock()

    def _tell_world(self, before: KeyState) -> None:
        key, world = self.guard.key, self._world
        if key is before:
            return
        if key is KeyState.LOADING:
            world.aims.happened("arming", self.host)
        elif key is KeyState.DROPPING or (before is KeyState.LOADED and key is KeyState.ABSENT):
            late = self.guard.deadline <= self._now()
            world.did["fences"] += late
            world.did["drops"] += 1
            world.aims.happened("dropping", self.host)

    def _set_timer(self) -> None:
        """A tick with nothing due changes nothing, so only those are run; each may come a tick late."""
        guard, due = self.guard, []
        if guard.key in (KeyState.LOADING, KeyState.LOADED):
            due.append(guard.deadline)
        if guard.key is KeyState.LOADING and guard.config.hot_swap:
            due.append(guard.key_since + guard.config.load_s)
        if guard.key is KeyState.DROPPING:
            due.append(guard.deadline + guard.config.drop_budget_s / 2)
        since, config = guard.file_since, guard.config
        if since is not None:
            limits = (config.file_s, config.drop_budget_s / 2, config.load_s)
            due += [since + limit for limit in limits if since + limit > self._now()]
        start_at = guard.next_start_at if since is None else None
        for at in (guard.kill_at, start_at, guard.problem_until, guard.terminate_at):
            if at is not None:
                due.append(at)
        if guard.phase is NeardPhase.BOOTING or (guard.key, guard.link) in TOLD:
            if guard.phase is NeardPhase.UP:
                due.append(guard.signal_at)
            if not guard.probing:
                due.append(guard.probe_at)
        if not due:
            return
        now = self._now()
        late = GRANT_TICK_S * self._world.rng.random() if guard.key in WITH_KEY else 0.0
        wake_at = max(min(due) + late, now + 0.001)
        if self._wake_at is None or wake_at < self._wake_at or self._wake_at <= now:
            self._wake_at = wake_at
            # Short steps: a clock that changes its rate must not make it sleep too long.
            self.host.at(min(wake_at - now, 1.0), lambda: self._tick(wake_at))

    def _tick(self, wake_at: float) -> None:
        if self.alive and self._wake_at == wake_at:
            self._wake_at = None
            self.feed(m.Tick())

    def _perform(self, effect: m.GuardEffect) -> m.GuardEvent | None:
        host, neard = self.host, self.neard
        match effect:
            case m.StartNeard():
                self.neard = host.start_neard()
                return m.Started(self.neard.pid)
            case m.PrepareHome(number):
                self._do_file_work(lambda: self._unlink(m.Prepared(number)))
            case m.LinkKey(number):
                self._world.referee.about_to_load(host, self.guard.deadline)
                self._do_file_work(lambda: self._link(number))
            case m.UnlinkKey(number):
                self._do_file_work(lambda: self._unlink(m.Unlinked(number, self._obstacles())))
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

    def _link(self, number: int) -> m.GuardEvent:
        host = self.host
        if host.broken_config or host.disk_full:
            return m.LinkFailed(number, "neard would refuse to load the key")
        host.link = True
        return m.Linked(number)

    def _unlink(self, done: m.GuardEvent) -> m.GuardEvent:
        self.host.link = False
        return done

    def _obstacles(self) -> str:
        return "config.json is not valid" if self.host.broken_config else ""

    def _do_file_work(self, work: Callable[[], m.GuardEvent]) -> None:
        """As the guard's other thread does it: in order, and for ever where the disk hangs."""
        self._files.append(work)
        if len(self._files) == 1:
            self._begin_file_work()

    def _begin_file_work(self) -> None:
        takes = FILE_S * self._world.rng.random()
        self._world.at(takes, lambda: self.host.home.do(self._finish_file_work))

    def _finish_file_work(self) -> None:
        """Nothing stops what has begun but a machine that stands still: the kernel does it, late as it may
        be, even for a guard that has been killed. The next guard begins after it, and finds what it did."""
        if self.host.frozen:
            self.host.when_running(lambda: self.host.home.do(self._finish_file_work))
            return
        event = self._files.pop(0)()
        if not self.alive:
            return
        if self._files:
            self._begin_file_work()
        self.feed(event)

    def _probe(self, number: int) -> None:
        neard, rng = self.neard, self._world.rng

        def answer() -> None:
            if neard is None or not neard.alive or not neard.up:
                reply: m.GuardEvent = m.ProbeFailed(number, "refused")
            elif neard.silent:
                self.host.at(PROBE_DEADLINE_S, lambda: self._answered(m.ProbeFailed(number, "no answer")))
                return
            else:
                reply = m.Probed(number, neard.key, self.host.view.head)
            self._world.at(0.002 * rng.random(), lambda: self._answered(reply))

        self._world.at(0.001 + 0.01 * rng.random(), answer)

    def _answered(self, event: m.GuardEvent) -> None:
        if self.alive:
            self.feed(event)
