"""A core on the bench: feeds events to the real decide() and hands back the effects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.core.decide import decide, initial
from hafailover.core.sightings import Sightings
from hafailover.core.state import Config, Hold, State
from hafailover.core.views import GuardView, KeyState, LockView, Member, NeardPhase, NeardView, Role
from hafailover.core.words import Checked, Claim, Scope
from hafailover.core.work import Work
from hafailover.timing import PROFILES

ACCOUNT = "pool.near"
KEY = "ed25519:pool"
SESSION = "session-a"
OTHER = "session-b"
WORD = "e" * 64
DEFAULT = PROFILES["default"]


def beat(
    term: int = 10, sequence: int = 5, node: str = "b", phase: Phase = Phase.ACTIVE, **more: Any
) -> Beat:
    if phase in (Phase.RELEASED, Phase.PASSED):
        # As a guard's word goes with it, which this host's own guard finds good.
        more.setdefault("word", WORD)
    return Beat(term, sequence, node, phase, more.pop("gone_within_s", DEFAULT.gone_within_s), **more)


def dropped(*terms: int, node: str = "b", word: str = "d" * 64) -> frozenset[Claim]:
    """Records of drops."""
    return frozenset(Claim(term, "", node, 100, None, word) for term in terms)


def own_word(term: int, height: int, handover_to: str | None = None) -> Claim:
    """The word that this host's guard gives on the bench."""
    return Claim(term, "", "a", height, handover_to, "f" * 64)


def stored(one: Beat, index: int = 1000) -> StoredBeat:
    return StoredBeat(one, index)


def guard(key: KeyState = KeyState.ABSENT, neard: NeardPhase = NeardPhase.UP, **more: Any) -> GuardView:
    return GuardView(neard, key, public_key=KEY, account_id=ACCOUNT, **more)


def neard(height: int = 100, public_key: str | None = None, **more: Any) -> NeardView:
    given = {"syncing": False, "version": "2.10.0", "peers": 5, "shadow": True, **more}
    return NeardView(height=height, public_key=public_key, **given)


def member(node: str, ready: bool = True, **more: Any) -> Member:
    given = {"alive": True, "priority": 0, "height": 100, "lag": 0, "role": "standby", **more}
    return Member(node=node, ready=ready, **given)


class Core:
    """One agent's core; ``now`` moves only when told to.

    :param watched_s: for how long it has watched the heartbeat; ``None`` for an agent that has just started.
    """

    def __init__(self, *, watched_s: float | None = 60.0, **config: Any) -> None:
        self.now = 1000.0
        given = {"node": "a", "account_id": ACCOUNT, "profile": DEFAULT, **config}
        since = self.now - watched_s if watched_s is not None else None
        self.outage = False
        self.in_roster = True
        """Whether this host's own record is among those that it reads."""
        self.no_validator = True
        """neard says of the account that it is no validator of this epoch, as of one with nothing to do."""
        self.scope: Scope | None = Scope.ALL
        """What this host's guard finds of every word that it is asked about; ``None``: it does not answer."""
        self.vouches = True
        """Whether it gives its own word when it is asked for it."""
        self.asked: list[ef.Effect] = []
        """What it was asked of words."""
        self.state: State = replace(initial(Config(**given), self.now), watching_since=since)

    def feed(self, event: ev.Event, after: float = 0.0) -> list[ef.Effect]:
        self.now += after
        if isinstance(event, ev.MembersSeen) and self.in_roster:
            # Without a height, so that it is no news of the chain.
            own = member(self.state.config.node, ready=False, height=0)
            others = tuple(one for one in event.members if one.node != own.node)
            event = replace(event, members=(own, *others))
        effects: list[ef.Effect] = []
        for effect in self.step(event):
            if isinstance(effect, ef.Vouch | ef.CheckWord):
                self.asked.append(effect)
                effects += self._answer(effect)
            else:
                effects.append(effect)
        return effects

    def step(self, event: ev.Event) -> list[ef.Effect]:
        """One decision, and all that it wants."""
        decision = decide(self.state, event, self.now)
        self.state = decision.state
        return list(decision.effects)

    def _answer(self, asked: ef.Vouch | ef.CheckWord) -> list[ef.Effect]:
        """The guard answers what it is asked of words, at once."""
        known = self.state.guard
        if known is None:
            return []
        if isinstance(asked, ef.Vouch):
            if not self.vouches:
                return []
            word = replace(own_word(asked.term, asked.height, asked.handover_to), history=asked.history)
            return self.feed(ev.GuardSeen(replace(known, word=word)))
        if self.scope is None:
            return []
        return self.feed(ev.GuardSeen(replace(known, checked=Checked(asked.claim, self.scope))))

    def feeds(self, *events: ev.Event) -> list[ef.Effect]:
        return [effect for event in events for effect in self.feed(event)]

    def tick(self, after: float = 0.0) -> list[ef.Effect]:
        return self.feed(ev.Tick(), after)

    def wait(self, seconds: float, beats: ev.Outcome | None = ev.Outcome.OK) -> list[ef.Effect]:
        """Time passes with a guard and a neard that go on answering, and beats that come out as told."""
        found: list[ef.Effect] = []
        end = self.now + seconds - 1e-9
        last = self.now
        while self.now < end:
            effects = self.tick(min(0.05, end + 1e-9 - self.now))
            if self.now - last >= 0.5:
                last = self.now
                if self.state.guard is not None:
                    effects += self.feed(ev.GuardSeen(self.state.guard))
                if self.state.neard is not None:
                    effects += self.feed(ev.NeardSeen(self.state.neard))
                    if self.no_validator:
                        effects += self.feed(ev.WorkSeen(Work(self.now, 1, validator=False)))
                if self.state.session is not None and not self.outage:
                    effects += self.feed(ev.ConsulAnswered())
            if beats is not None:
                effects += self.answer_beats(effects, beats)
            found += effects
        return found

    def silence(self, seconds: float) -> list[ef.Effect]:
        """Time passes and nobody says anything."""
        return [effect for _ in range(round(seconds / 0.05)) for effect in self.tick(0.05)]

    def answer_beats(self, effects: list[ef.Effect], outcome: ev.Outcome = ev.Outcome.OK) -> list[ef.Effect]:
        found: list[ef.Effect] = []
        for effect in effects:
            if isinstance(effect, ef.SendBeat):
                found += self.feed(ev.BeatAnswered(effect.beat.term, effect.beat.sequence, self.now, outcome))
        return found

    def answered(self, effects: list[ef.Effect]) -> list[ef.Effect]:
        """These effects and what comes of their beats' success."""
        return effects + self.answer_beats(effects)

    @property
    def hold(self) -> Hold:
        assert self.state.hold is not None
        return self.state.hold

    @property
    def role(self) -> Role:
        return self.state.role

    @property
    def reason(self) -> str:
        return self.state.reason

    # --- well-known situations

    def stand_by(self, holder: str | None = OTHER, index: int = 10) -> Core:
        """A ready standby; another host holds the lock, or nobody does."""
        self.feeds(
            ev.GuardSeen(guard()),
            ev.NeardSeen(neard()),
            ev.MembersSeen((), KEY),
            ev.SessionReady(SESSION),
            ev.LockSeen(LockView(holder, "b" if holder else None, index)),
        )
        return self

    def acquire(
        self,
        predecessor: StoredBeat | None,
        term: int = 20,
        dropped: frozenset[Claim] = frozenset(),
        outcome: ev.Outcome = ev.Outcome.OK,
    ) -> list[ef.Effect]:
        """The lock gets free, and this host's acquisition is answered; it has watched the terms before."""
        if predecessor is not None:
            seen = lived(self.state.sightings, predecessor.beat, self.now)
            self.state = replace(self.state, sightings=seen)
        effects = self.feed(ev.LockSeen(LockView(None, None, 15)), after=0.1)
        if ef.Acquire(SESSION) not in effects:
            # A host with a short memory leaves it to others for a second.
            effects += self.wait(1.1)
        assert ef.Acquire(SESSION) in effects, effects
        return effects + self.feed(
            ev.AcquireAnswered(self.now, outcome, term, predecessor, dropped), after=0.005
        )

    def wait_on(self, predecessor: StoredBeat | None, **more: Any) -> Core:
        self.answer_beats(self.acquire(predecessor, **more))
        return self

    def arm(self, term: int = 20, **more: Any) -> Core:
        """This host takes over from a predecessor that has released, and its guard loads the key."""
        released = beat(phase=Phase.RELEASED, handover_to="a", **more)
        effects = self.stand_by().acquire(stored(released), term)
        self.answer_beats(effects)
        effects = self.feed(ev.NeardSeen(neard()), after=0.01)
        assert [e for e in effects if isinstance(e, ef.ArmGuard)], effects
        effects = self.feed(ev.GuardSeen(guard(KeyState.LOADED, term=term)), after=0.1)
        self.answer_beats(effects)
        self.feed(ev.NeardSeen(neard(public_key=KEY)))
        self.feed(ev.LockSeen(LockView(SESSION, "a", term)))
        assert self.role is Role.ACTIVE, self.reason
        return self

    def say_guard(self, **changes: Any) -> list[ef.Effect]:
        """The guard reports itself, a moment later, with some things changed."""
        assert self.state.guard is not None
        return self.feed(ev.GuardSeen(replace(self.state.guard, **changes)), after=0.01)


def lived(sightings: Sightings, last: Beat, now: float) -> Sightings:
    """As of a host that has watched the term of this beat for a while, and the one that it inherits."""
    beats = [last] if last.inherits is None else [last, last.inherits]
    lives = {**sightings.lives, **{(one.term, one.node): (now - 60.0, now) for one in beats}}
    return replace(sightings, lives=lives)


def of(kind: type[ef.Effect], effects: list[ef.Effect]) -> list[Any]:
    return [effect for effect in effects if isinstance(effect, kind)]


def drops(effects: list[ef.Effect]) -> list[ef.DropGuard]:
    """The drops asked for, each once: asking again does no harm."""
    return list(dict.fromkeys(of(ef.DropGuard, effects)))
