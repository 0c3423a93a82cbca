"""A guard in a modelled world: neard's process, its signals and reloads, the disk, and time.

The model takes neard at its worst as the facts have it (nearcore's neard/src/cli.rs and dyn_config.rs): a
signal that comes while a reload is being read is lost, what a reload has read is applied later and in order,
a reload can be refused as a whole, and /status can hang. A killed process does nothing any more, but the news
of its end takes a while.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard.decide import decide, next_wake
from hafailover.timing import LONGEST_GONE_WITHIN_S

from .bench import ACCOUNT, POOL_KEY, T0

TICK_S = 0.05
FENCE_AFTER_S = 7.0
LINGERS_AFTER_S = 0.5
SPIN_S = 0.004
"""The shortest step of time: what a loop that spins takes for a turn."""


FileEffect = m.PrepareHome | m.LinkKey | m.UnlinkKey


class UnsafeError(AssertionError):
    """The world saw what must never be."""


@dataclass
class Delays:
    """How slow things are now, in seconds."""

    boot: float = 0.3
    read: float = 0.01
    apply: float = 0.01
    answer: float = 0.005
    stop: float = 0.2
    news: float = 0.01
    """From a process's end to the guard's learning of it."""
    file: float = 0.001
    """What a file operation takes."""


@dataclass
class Neard:
    """One process."""

    pid: int
    up_at: float
    key: bool
    answered: bool = False
    """The guard has had a good answer of this very process."""
    reading: tuple[float, bool | None] | None = None
    """A reload under way: when it ends, and what it saw (``None``: it is going to be refused)."""
    results: deque[tuple[float, bool]] = field(default_factory=deque)
    ends_at: float | None = None
    """When a stop that was asked for ends it."""


@dataclass
class Probe:
    """A question to /status under way: neard answers first, and the guard hears of it later."""

    number: int
    pid: int
    answered_at: float
    heard_at: float
    answer: m.Probed | None = None


@dataclass
class FileWork:
    """The file operation under way: when it takes effect, and the guard hears of it."""

    effect: FileEffect
    ends_at: float


@dataclass
class Rest:
    """What a neard has left behind: its pid and exit code, its key, and when the guard is told of it next."""

    pid: int
    code: int
    key: bool
    told_at: float


@dataclass
class World:
    """Everything outside :func:`decide`, and the checks of what it must keep to."""

    hot: bool
    budget: float = 1.0
    stop_s: float = 4.0
    now: float = T0
    delays: Delays = field(default_factory=Delays)

    linked: bool = False
    disk_hangs: bool = False
    """No file operation ends."""
    work: deque[FileWork] = field(default_factory=deque)
    """The file operations that were asked for: the first one is under way."""
    unlink_failed: bool = False
    """The last removal of the link has failed."""
    link_fails: bool = False
    unlink_fails: bool = False
    refuses: bool = False
    hangs: bool = False
    loses: bool = False
    strange: bool = False
    """Another process, which has no key, answers in neard's place."""
    clings: bool = False
    """What neard has started outlives it, and SIGKILL does not end it."""

    neard: Neard | None = None
    rest: Rest | None = None
    ended: list[tuple[float, int, int]] = field(default_factory=list)
    """Exits of which the guard does not know yet: when it learns, pid, code."""
    probes: list[Probe] = field(default_factory=list)
    allowed_until: float = 0.0
    """The end of the latest grant that made sense when it was given."""
    over: int = 0
    """The highest term whose key was to go at once: no grant for it means anything any more."""
    thawed_at: float = 0.0
    quit: bool = False
    loaded_terms: set[int] = field(default_factory=set)
    killed: int = 0
    longest_load_s: float = 3.5
    """How long a load may be unconfirmed, with a link that is there."""
    _linked_since: float | None = None
    _pid: int = 1

    def __post_init__(self) -> None:
        self.guard = m.Guard(
            m.GuardConfig(
                POOL_KEY,
                ACCOUNT,
                hot_swap=self.hot,
                drop_budget_s=self.budget,
                stop_s=self.stop_s,
                fence_after_s=FENCE_AFTER_S,
            )
        )
        self._queue: deque[m.GuardEvent] = deque()
        self.feed(m.Tick())

    # --- the guard's loop, as guard/loop.py has it

    def feed(self, event: m.GuardEvent) -> None:
        if self.quit:
            return
        self._queue.append(event)
        while self._queue:
            event = self._queue.popleft()
            before = self.guard
            self.guard, effects = decide(before, event, self.now)
            self._note(event, before)
            for effect in effects:
                self._perform(effect)
        self.check()

    def _note(self, event: m.GuardEvent, before: m.Guard) -> None:
        """What an onlooker knows to be granted, by the commands alone."""
        match event:
            case m.ArmAsked(term, deadline):
                if term > before.retired:
                    self._allow(deadline)
            case m.GrantGiven(term, deadline):
                # While a planned stop takes its time, the lease is still held and proved. A grant that comes
                # after the last one has run out means nothing.
                if term > self.over and self.now < self.allowed_until:
                    self._allow(deadline)
            case m.DropAsked(term, urgent):
                if urgent or self.hot:
                    self.over = max(self.over, term)
                    if term >= before.term:
                        self.allowed_until = min(self.allowed_until, self.now)
            case _:
                pass
        if self.guard.key is KeyState.LOADED:
            self.loaded_terms.add(self.guard.term)
            if before.key is not KeyState.LOADED and self.guard.term <= self.guard.retired:
                raise UnsafeError(f"loaded for term {self.guard.term}, which is retired")

    def _allow(self, deadline: float) -> None:
        if self.now < deadline <= self.now + LONGEST_GONE_WITHIN_S:
            self.allowed_until = max(self.allowed_until, min(deadline, self.now + FENCE_AFTER_S))

    def _perform(self, effect: m.GuardEffect) -> None:
        neard = self.neard
        match effect:
            case m.StartNeard():
                self._start()
            case m.PrepareHome() | m.LinkKey() | m.UnlinkKey():
                after = self.work[-1].ends_at if self.work else self.now
                self.work.append(FileWork(effect, max(after, self.now) + self.delays.file))
            case m.SignalReload():
                if neard is not None:
                    if not neard.answered:
                        raise UnsafeError("SIGHUP before the first good answer")
                    self._hangup(neard)
            case m.TerminateNeard():
                if neard is not None and neard.ends_at is None:
                    neard.ends_at = self.now + self.delays.stop
            case m.KillNeard():
                self.killed += 1
                if neard is not None:
                    self._end(-9)
            case m.ProbeNeard(number):
                pid = neard.pid if neard is not None else 0
                wait = 0.5 if self.hangs and neard is not None else self.delays.answer
                self.probes.append(Probe(number, pid, self.now + wait / 2, self.now + wait))
            case m.Quit():
                self.quit = True

    def _work_on_files(self) -> None:
        """The other thread: one operation after another, each told of when it has ended."""
        while self.work and self.work[0].ends_at <= self.now and not self.disk_hangs:
            self.feed(self._file_work(self.work.popleft().effect))

    def _file_work(self, effect: FileEffect) -> m.GuardEvent:
        match effect:
            case m.LinkKey(number):
                # Even where the system tells of an error, the link may be there.
                self.linked = True
                if self.link_fails:
                    return m.LinkFailed(number, "the disk is full")
                return m.Linked(number)
            case m.PrepareHome(number):
                if self.unlink_fails and self.linked:
                    return m.PrepareFailed(number, "the key link cannot be removed")
                self.linked = False
                return m.Prepared(number)
            case m.UnlinkKey(number):
                self.unlink_failed = self.unlink_fails and self.linked
                if self.unlink_failed:
                    return m.UnlinkFailed(number, "read-only file system")
                self.linked = False
                return m.Unlinked(number)

    def _start(self) -> None:
        if self.neard is not None or self.rest is not None:
            raise UnsafeError("a second neard is started beside the first one")
        if self.linked and not self.guard.start_with_key:
            raise UnsafeError("started without leave while the key is linked")
        if self.guard.start_with_key and self.hot:
            raise UnsafeError("started with the key although neard can swap it")
        self._pid += 1
        self.neard = Neard(self._pid, self.now + self.delays.boot, self.linked)
        self._queue.append(m.Started(self._pid))

    # --- neard

    def _hangup(self, neard: Neard) -> None:
        if neard.reading is not None or self.loses:
            return
        neard.reading = (self.now + self.delays.read, None if self.refuses else self.linked)

    def _end(self, code: int) -> None:
        assert self.neard is not None
        if self.clings:
            self.rest = Rest(self.neard.pid, code, self.neard.key, self.now + LINGERS_AFTER_S)
        else:
            self.ended.append((self.now + self.delays.news, self.neard.pid, code))
        self.neard = None

    def _linger(self) -> None:
        """As the guard's loop looks at what is left again and again."""
        rest = self.rest
        if rest is None:
            return
        if not self.clings:
            self.rest = None
            self.ended.append((self.now + self.delays.news, rest.pid, rest.code))
        elif self.now >= rest.told_at:
            rest.told_at = self.now + 10
            self.feed(m.Lingers(rest.pid, "what neard has started is left"))

    def crash(self) -> None:
        if self.neard is not None:
            self._end(-11)

    def _live(self) -> None:
        """Everything of neard's that is due by now."""
        neard = self.neard
        if neard is None:
            return
        if neard.reading is not None and neard.reading[0] <= self.now:
            saw = neard.reading[1]
            neard.reading = None
            if saw is not None:
                neard.results.append((self.now + self.delays.apply, saw))
        while neard.results and neard.results[0][0] <= self.now:
            neard.key = neard.results.popleft()[1]
        if neard.ends_at is not None and neard.ends_at <= self.now:
            self._end(0)

        for probe in self.probes:
            if probe.pid == self.neard_pid and probe.answer is None and probe.answered_at <= self.now:
                self._answer(neard, probe)

    @property
    def neard_pid(self) -> int:
        return self.neard.pid if self.neard is not None else 0

    def _answer(self, neard: Neard, probe: Probe) -> None:
        if self.strange:
            who = "pid 4711 (neard) listens and was not started by this guard"
            probe.answer = m.Probed(probe.number, None, int(self.now), who)
            return
        if self.hangs or self.now < neard.up_at:
            return
        # A pending change is applied before /status is answered.
        while neard.results:
            neard.key = neard.results.popleft()[1]
        probe.answer = m.Probed(probe.number, POOL_KEY if neard.key else None, int(self.now))

    def _hear(self) -> None:
        """The guard takes the answers that have come by now, and the failures."""
        due = [probe for probe in self.probes if probe.heard_at <= self.now]
        self.probes = [probe for probe in self.probes if probe.heard_at > self.now]
        for probe in due:
            if probe.answer is None:
                self.feed(m.ProbeFailed(probe.number, "no answer"))
                continue
            own = self.neard is not None and probe.pid == self.neard.pid and not probe.answer.stranger
            if own and self.neard is not None:
                self.neard.answered = True
            self.feed(probe.answer)

    # --- time

    def run(self, seconds: float) -> None:
        """Lets time pass, with the guard awake."""
        end = self.now + seconds
        while self.now < end and not self.quit:
            self.now = min(end, max(self._next(), self.now + SPIN_S))
            self._live()
            self._linger()
            self.check()
            self._work_on_files()
            self._hear()
            for _, pid, code in [exit_ for exit_ in self.ended if exit_[0] <= self.now]:
                self.feed(m.Exited(pid, code))
            self.ended = [exit_ for exit_ in self.ended if exit_[0] > self.now]
            self.feed(m.Tick())

    def freeze(self, seconds: float) -> None:
        """The guard gets no time, neard does; commands and answers wait for it."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.01)
            self._live()
        self.thawed_at = self.now

    def _next(self) -> float:
        due = [next_wake(self.guard, self.now)]
        due += [at for at, _, _ in self.ended]
        due += [self.work[0].ends_at] if self.work else []
        due += [self.rest.told_at] if self.rest is not None else []
        due += [at for probe in self.probes for at in (probe.answered_at, probe.heard_at)]
        # What is past and not taken yet waits for nobody.
        due = [due[0], *(at for at in due[1:] if at > self.now)]
        neard = self.neard
        if neard is not None:
            due += [neard.reading[0]] if neard.reading is not None else []
            due += [at for at, _ in neard.results]
            due += [neard.ends_at] if neard.ends_at is not None else []
        return min(due)

    # --- what must hold

    def check(self) -> None:
        neard, rest = self.neard, self.rest
        if rest is not None and rest.key and self.guard.key is KeyState.ABSENT and not self._queue:
            raise UnsafeError("reported absent, but what neard has left behind may have it")
        if neard is None:
            idle = not (self.work or self._queue or self.unlink_failed)
            if self.linked and self.guard.key is KeyState.ABSENT and idle:
                raise UnsafeError("the link is left behind")
            return
        if neard.key:
            # A guard that was frozen cannot drop before it thaws; then it has no time to lose.
            limit = max(self.allowed_until + self.budget, self.thawed_at + TICK_S)
            if self.now > limit + SPIN_S:
                raise UnsafeError(f"the key is still there {self.now - self.allowed_until:.3f} s after")
        if self.guard.key is KeyState.ABSENT and not self._queue:
            coming = any(saw for _, saw in neard.results) or (neard.reading is not None and neard.reading[1])
            if neard.key or coming:
                raise UnsafeError("reported absent, but it is there, or is about to be")
            # Where the removal has not ended, neard is killed soon: a SIGHUP of anybody's would load the key.
            if self.linked and not (self.work or self.guard.killed):
                raise UnsafeError("reported absent, but the link is there for good")
        if self.linked and self.guard.key is not KeyState.LOADED and not self.guard.killed:
            self._linked_since = self.now if self._linked_since is None else self._linked_since
            limit = max(self._linked_since + self.longest_load_s + self.budget, self.thawed_at + TICK_S)
            if self.now > limit + SPIN_S:
                raise UnsafeError("neard runs beside a link that nobody takes away")
        else:
            self._linked_since = None

    # --- the end of a story

    def heal(self) -> None:
        self.link_fails = self.unlink_fails = self.refuses = self.hangs = self.loses = False
        self.disk_hangs = False
        self.strange = self.clings = False
        self.delays = Delays()

    def settle(self) -> None:
        """With all faults gone and no more commands, everything comes to rest, and without the key."""
        self.heal()
        self.run(100.0)
        if self.quit:
            # A removal that hangs is left to the next guard's start.
            if self.neard is not None or (self.linked and not (self.unlink_failed or self.work)):
                raise UnsafeError("the guard has ended before its neard, or has left the key linked")
            return
        if self.guard.key is not KeyState.ABSENT or self.guard.phase is not NeardPhase.UP:
            raise UnsafeError(f"never came to rest: {self.guard.phase}, key {self.guard.key}")
