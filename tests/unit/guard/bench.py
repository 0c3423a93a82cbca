"""A guard at a time of its own: events go in, effects and reports come out, nothing real happens."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard.decide import decide, next_wake

POOL_KEY = "ed25519:PoolKey"
OTHER_KEY = "ed25519:OtherKey"
ACCOUNT = "pool.poolv1.near"
T0 = 1000.0

E = TypeVar("E", bound=m.GuardEffect)


class Bench:
    """Feeds :func:`decide` and keeps what it answered last. Times in seconds on the bench's own clock.

    File operations succeed at once, and what follows belongs to the same step, unless ``disk_hangs``.
    """

    def __init__(self, hot: bool = True, now: float = T0, **config: Any) -> None:
        self.guard = m.Guard(m.GuardConfig(POOL_KEY, ACCOUNT, hot_swap=hot, **config))
        self.now = now
        self.last: list[m.GuardEffect] = []
        self.disk_hangs = False
        self._pid = 100

    # --- events

    def do(self, event: m.GuardEvent) -> list[m.GuardEffect]:
        last = self.step(event)
        for effect in last:
            # The list grows by what the answers bring.
            done = self._file_work(effect)
            if done is not None:
                last += self.step(done)
        self.last = last
        return last

    def step(self, event: m.GuardEvent) -> list[m.GuardEffect]:
        self.guard, effects = decide(self.guard, event, self.now)
        return effects

    def _file_work(self, effect: m.GuardEffect) -> m.GuardEvent | None:
        if self.disk_hangs:
            return None
        match effect:
            case m.PrepareHome(number):
                return m.Prepared(number)
            case m.LinkKey(number):
                return m.Linked(number)
            case m.UnlinkKey(number):
                return m.Unlinked(number)
        return None

    def link_fails(self, problem: str) -> list[m.GuardEffect]:
        """The file operation that was asked for last, the placing of the link, has failed."""
        return self.do(m.LinkFailed(self.guard.file, problem))

    def linking(self, term: int = 5, grant_s: float = 7.0) -> Self:
        """The link is asked for, and the disk takes its time."""
        self.up()
        self.disk_hangs = True
        self.arm(term, grant_s)
        self.disk_hangs = False
        assert self.guard.link is m.Link.PLACING
        return self

    def tick(self) -> list[m.GuardEffect]:
        return self.do(m.Tick())

    def wait(self, seconds: float) -> list[m.GuardEffect]:
        """One step after a pause in which nothing else happened."""
        self.now += seconds
        return self.tick()

    def run(self, seconds: float) -> list[m.GuardEffect]:
        """Ticks as the loop gives them, until ``seconds`` have passed; every effect in order."""
        end = self.now + seconds
        found: list[m.GuardEffect] = []
        while self.now < end:
            self.now = min(end, max(next_wake(self.guard, self.now), self.now + 0.001))
            found += self.tick()
        self.last = found
        return found

    def arm(self, term: int, grant_s: float = 7.0) -> list[m.GuardEffect]:
        return self.do(m.ArmAsked(term, self.now + grant_s))

    def grant(self, term: int, grant_s: float = 7.0) -> list[m.GuardEffect]:
        return self.do(m.GrantGiven(term, self.now + grant_s))

    def drop(self, term: int, urgent: bool = True, reason: str = "lost") -> list[m.GuardEffect]:
        return self.do(m.DropAsked(term, urgent, reason))

    def answer(self, public_key: str | None, height: int = 50) -> list[m.GuardEffect]:
        """neard answers the probe that was sent last."""
        return self.do(m.Probed(self.guard.probe, public_key, height))

    def no_answer(self) -> list[m.GuardEffect]:
        return self.do(m.ProbeFailed(self.guard.probe, "no answer within 0.5 s"))

    def exit(self, code: int = -9) -> list[m.GuardEffect]:
        assert self.guard.pid is not None
        return self.do(m.Exited(self.guard.pid, code))

    def start(self) -> list[m.GuardEffect]:
        """neard has been started, as a StartNeard asked for."""
        self._pid += 1
        return self.do(m.Started(self._pid))

    # --- ways to get somewhere

    def booting(self) -> Self:
        self.tick()
        assert self.asked(m.StartNeard)
        self.start()
        return self

    def up(self) -> Self:
        """neard runs without the key and has answered."""
        self.booting()
        self.wait(0.1)
        self.answer(None)
        assert self.guard.phase is NeardPhase.UP
        return self

    def loading(self, term: int = 5, grant_s: float = 7.0) -> Self:
        self.up()
        self.arm(term, grant_s)
        assert self.guard.key is KeyState.LOADING
        return self

    def loaded(self, term: int = 5, grant_s: float = 7.0) -> Self:
        self.loading(term, grant_s)
        self.wait(0.02)
        self.answer(POOL_KEY)
        assert self.guard.key is KeyState.LOADED
        return self

    def unlinking(self, term: int = 5, grant_s: float = 7.0) -> Self:
        """The key is loaded, the link's removal is asked for, and the disk takes its time."""
        self.loaded(term, grant_s)
        self.disk_hangs = True
        self.drop(term)
        self.disk_hangs = False
        assert self.guard.link is m.Link.REMOVING
        return self

    # --- what came out

    def key(self) -> KeyState:
        """A call, so that a type checker does not take it for the same after each step."""
        return self.guard.key

    def phase(self) -> NeardPhase:
        return self.guard.phase

    def asked(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.last if isinstance(effect, kind)]

    @property
    def reports(self) -> list[str]:
        return [effect.reason for effect in self.last if isinstance(effect, m.Report)]

    @property
    def said(self) -> str:
        """All that the last step reported, as one text."""
        return " | ".join(self.reports)

    def order(self, *kinds: type[m.GuardEffect]) -> list[type[m.GuardEffect]]:
        """The kinds among the last effects that are of interest, in their order."""
        return [type(effect) for effect in self.last if isinstance(effect, kinds)]
