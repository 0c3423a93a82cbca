"""Products with one rule left out: the simulator must see two signers in each of them.

Each says with which faults it is looked for, those that the rule is there for, and within how many seeds it
has to be found. :func:`hunt` runs one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from hafailover.core import arming, decide, forced, foreign, gates, holder, leaving, sightings, standby
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.effects import DropGuard
from hafailover.core.sightings import Wait
from hafailover.core.state import Stage
from hafailover.core.views import KeyState
from hafailover.core.words import Claim, Scope, Vouches
from hafailover.guard import decide as guard_decide
from hafailover.guard import key, vouch, watchdog
from hafailover.guard.word import WordKey

from .agent import Agent
from .foreigners import course as foreigners
from .forging import course as forging
from .forging import freeing, hiding
from .hand import GuardProcess
from .run import Result, run
from .takeovers import course as takeovers
from .vigil import LIVENESS_RULES

HOURS = 0.1
"""Virtual time of each seed of a hunt."""

Patch = pytest.MonkeyPatch
SUCCESSOR_WAIT = "hafailover.core.standby.successor_wait"


@dataclass(frozen=True)
class Mutant:
    """:param step: only every so many seeds: those whose hosts have different profiles, for instance."""

    name: str
    apply: Callable[[Patch], None]
    kinds: tuple[str, ...]
    within: int
    step: int = 1
    first: int = 0
    course: Callable[[int], Result] | None = None
    """Played for each seed instead of random episodes."""
    liveness: bool = False
    """What it breaks is that somebody signs, or that what is said of it is true."""

    def breaks(self, rule: str) -> bool:
        return bool(rule) and (rule in LIVENESS_RULES) is self.liveness

    def play(self, seed: int) -> Result:
        return self.course(seed) if self.course is not None else run(seed, HOURS, self.kinds)

    @property
    def seeds(self) -> range:
        return range(self.first, self.first + self.step * self.within, self.step)


@dataclass(frozen=True)
class Hunt:
    """``tried``: how many seeds it took; all of them if ``found`` is ``None``."""

    mutant: Mutant
    tried: int
    found: Result | None


MUTANTS: list[Mutant] = []


def mutant(
    name: str,
    kinds: Sequence[str] = (),
    within: int = 40,
    step: int = 1,
    first: int = 0,
    course: Callable[[int], Result] | None = None,
    liveness: bool = False,
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def register(apply: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTANTS.append(Mutant(name, apply, tuple(kinds), within, step, first, course, liveness))
        return apply

    return register


def hunt(one: Mutant) -> Hunt:
    """Tries seeds until the mutant breaks a rule of the kind that it is there to break."""
    with Patch.context() as patch:
        one.apply(patch)
        for tried, seed in enumerate(one.seeds, 1):
            result = one.play(seed)
            if one.breaks(result.rule):
                return Hunt(one, tried, result)
    return Hunt(one, len(one.seeds), None)


# --- the successor's wait


@mutant("no wait for the predecessor", ("host cut off", "agent frozen", "session ended by hand"))
def _no_wait(patch: Patch) -> None:
    patch.setattr(
        SUCCESSOR_WAIT, lambda seen, last, vouches, now, profile, *rest, **more: Wait(now, 8.5, "mutant")
    )


@mutant("the wait counts from the first beat of the term", ("host cut off", "agent frozen", "neard syncing"))
def _wait_from_the_first_beat(patch: Patch) -> None:
    def first_seen(seen: Any, term: int, sequence: int, index: int | None) -> float | None:
        return min((s.first_seen for s in seen.seen if s.term == term), default=None)

    patch.setattr(sightings, "first_seen", first_seen)
    _no_floor(patch)


@mutant(
    "a heartbeat of a lower term is trusted",
    ("Consul restored while the active is frozen", "switchover", "session ended by hand", "neard killed"),
    within=80,
)
def _lower_term_trusted(patch: Patch) -> None:
    """Without the floor and the rule for short memories, too, which would still protect from what a backup
    brings back."""
    original = sightings.successor_wait
    for module in (standby, arming):
        patch.setattr(
            module,
            "successor_wait",
            lambda seen, *rest, **more: original(replace(seen, highest_term=0), *rest, **more),
        )
    _short_memory_trusted(patch)
    _no_floor(patch)


@mutant(
    "an agent that has just started trusts what it reads",
    ("Consul restored while the active is frozen", "switchover", "session ended by hand", "neard killed"),
    within=80,
    first=400,
)
def _short_memory_trusted(patch: Patch) -> None:
    """Whoever has just started has seen nobody hold a term, which would still protect it."""
    for module in (standby, arming):
        patch.setattr(module, "with_short_memory", lambda wait, since, profile: wait)
    _anybody_held_it(patch)


@mutant("a beat is believed of a term that its host was not seen to hold", course=hiding)
def _anybody_held_it(patch: Patch) -> None:
    patch.setattr(sightings, "lived", lambda seen, term, node, profile: True)
    patch.setattr(sightings, "believed", lambda seen, vouches, own, profile: vouches)


@mutant("a beat promises less than any host of the pool would take", course=hiding)
def _any_promise(patch: Patch) -> None:
    patch.setattr(sightings, "_promise_s", lambda seen, beat, profile: beat.gone_within_s)


@mutant("what a host has promised in earlier terms is forgotten", within=44, step=5, course=hiding)
def _earlier_promises_forgotten(patch: Patch) -> None:
    """Pools with different profiles: each beat of a longer one is written over with a short promise."""
    patch.setattr(
        sightings, "_promise_s", lambda seen, beat, profile: max(beat.gone_within_s, profile.gone_within_s)
    )


@mutant(
    "the wait goes by the successor's own, shorter profile",
    ("host cut off", "agent frozen", "session ended by hand"),
    step=5,
)
def _own_profile(patch: Patch) -> None:
    original = sightings._timed
    patch.setattr(
        sightings,
        "_timed",
        lambda since, _, profile, reason: original(since, profile.gone_within_s, profile, reason),
    )


@mutant(
    "a waiting holder promises no more than its own profile",
    step=5,
    within=60,
    course=freeing,
)
def _own_promise_only(patch: Patch) -> None:
    original = sightings.successor_wait

    def wait(seen: Any, last: Any, vouches: Any, now: float, profile: Any, *rest: Any, **more: Any) -> Wait:
        wait = original(seen, last, vouches, now, profile, *rest, **more)
        return replace(wait, gone_within_s=profile.gone_within_s)

    patch.setattr(SUCCESSOR_WAIT, wait)
    _no_floor(patch)
    _anybody_held_it(patch)


@mutant(
    "a waiting holder's release is marked released",
    ("freed while its holder cannot see it", "neard syncing", "host cut off"),
)
def _passed_as_released(patch: Patch) -> None:
    original = leaving.releasing
    patch.setitem(
        holder._STAGES,
        Stage.RELEASING,
        lambda state, hold, now: original(state, replace(hold, final=Phase.RELEASED), now),
    )
    _no_floor(patch)


@mutant(
    "a term that never armed is recorded as dropped",
    ("freed while its holder cannot see it", "host cut off", "agent frozen", "session ended by hand"),
    within=80,
)
def _dropped_though_never_armed(patch: Patch) -> None:
    """By its guard, too, whose word would else speak for its own host alone."""
    original, give = leaving.lost, WordKey.give
    patch.setattr(WordKey, "give", lambda words, claim, armed: give(words, claim, armed=True))
    _no_floor(patch)
    patch.setitem(
        holder._STAGES,
        Stage.LOST,
        lambda state, hold, now: original(state, replace(hold, ever_armed=True), now),
    )
    # A word that speaks for its own host alone, and the floor, would still protect.
    _word_for_others(patch)
    _no_floor(patch)


# --- the proof of the lease


@mutant("the deadline counts from the answer", ("frozen in a call, then cut off", "agent frozen"))
def _from_the_answer(patch: Patch) -> None:
    original = holder.beat_answered
    patch.setattr(
        holder, "beat_answered", lambda state, event, now: original(state, replace(event, sent_at=now), now)
    )


def _proved_otherwise(patch: Patch, ask: Callable[[Agent, str, Callable[[bool], None]], None]) -> None:
    def no_proof(agent: Agent, answered: ev.BeatAnswered, session: str) -> None:
        sent_at = agent.now()

        def done(ours: bool) -> None:
            proof = replace(answered, sent_at=sent_at, outcome=ev.Outcome.OK) if ours else answered
            agent._done(proof, session, False)

        ask(agent, session, done)

    patch.setattr(Agent, "_no_proof", no_proof)


LEADERS = (
    "Consul's leader frozen",
    "Consul's leader frozen, and its host with it in the end",
    "Consul's leader steps down",
    "neard reloads slowly",
)


@mutant("a renewal's answer proves the lease", LEADERS, within=80)
def _renewal_proves(patch: Patch) -> None:
    def ask(agent: Agent, session: str, done: Callable[[bool], None]) -> None:
        agent.renew(session, lambda outcome, _, __: done(outcome is ev.Outcome.OK))

    _proved_otherwise(patch, ask)


@mutant("a default read proves the lease", LEADERS, within=80)
def _read_proves(patch: Patch) -> None:
    _proved_otherwise(patch, Agent.reads_own_lock)


@mutant("the lease rests on the session's TTL alone", ("host cut off", "agent frozen"))
def _ttl_alone(patch: Patch) -> None:
    _no_wait(patch)
    _later_deadline(patch, 8.0)


# --- giving up the key


def _later_deadline(patch: Patch, seconds: float) -> None:
    arm, grant = key.arm, key.grant

    def late_arm(guard: Any, term: int, deadline: float, now: float) -> Any:
        before = guard.key
        guard, effects = arm(guard, term, deadline, now)
        if before is KeyState.ABSENT and guard.key is KeyState.LOADING:
            guard = replace(guard, deadline=guard.deadline + seconds)
        return guard, effects

    def late_grant(guard: Any, term: int, deadline: float, now: float) -> Any:
        granted = grant(guard, term, deadline, now)
        later = granted.deadline == deadline and granted.key is not KeyState.ABSENT
        return replace(granted, deadline=max(guard.deadline, deadline + seconds)) if later else granted

    patch.setattr(key, "arm", late_arm)
    patch.setattr(key, "grant", late_grant)


@mutant("the guard has no clock of its own", ("agent frozen", "agent killed"))
def _guard_without_a_clock(patch: Patch) -> None:
    _later_deadline(patch, 30.0)


@mutant("the wall clock is used", ("wall clock stepped", "host cut off", "agent frozen"))
def _wall_clock(patch: Patch) -> None:
    patch.setattr(Agent, "now", lambda agent: agent.host.clock() + agent.host.wall_ahead)
    patch.setattr(GuardProcess, "_now", lambda guard: guard.host.clock() + guard.host.wall_ahead)


@mutant("the drop is not confirmed", ("switchover", "neard loses signals", "neard reloads slowly"))
def _not_confirmed(patch: Patch) -> None:
    """By agent and guard; each of them alone is enough."""
    patch.setattr(leaving, "key_is_gone", lambda *_: True)
    _words_for_nothing(patch)


@mutant("the lock is released before the drop", ("switchover", "neard syncing"))
def _released_first(patch: Patch) -> None:
    """With the guard's word, which it gives at any time; without one the successor would wait."""
    give_way, end = leaving.give_way, leaving.end
    _not_confirmed(patch)

    def release(state: Any, hold: Any, cause: str, now: float, *rest: Any, **more: Any) -> Any:
        state, _ = give_way(state, hold, cause, now, *rest, **more)
        left = replace(state.hold, stage=Stage.RELEASING, next_beat_at=now, word=_made_up(state, state.hold))
        return replace(state, hold=left), []

    def drop_then(state: Any, hold: Any, now: float) -> Any:
        state, effects = end(state, hold, now)
        return state, [DropGuard(hold.term, urgent=True, reason="mutant"), *effects]

    _words_for_nothing(patch)
    patch.setattr(leaving, "give_way", release)
    patch.setattr(leaving, "end", drop_then)


@mutant("the guard takes the signal for the drop", ("switchover", "neard loses signals"))
def _signal_is_enough(patch: Patch) -> None:
    original = key.begin_drop

    def begin_drop(guard: Any, *args: Any, **more: Any) -> Any:
        hot = guard.key is KeyState.LOADED
        guard, effects = original(guard, *args, **more)
        return (replace(guard, key=KeyState.ABSENT, kill_at=None) if hot else guard), effects

    patch.setattr(key, "begin_drop", begin_drop)


@mutant(
    "the guard never kills neard",
    ("neard loses signals", "neard frozen", "host cut off", "agent frozen"),
    within=80,
)
def _no_kill(patch: Patch) -> None:
    patch.setattr(guard_decide, "_kill_due", lambda guard, now: False)


@mutant(
    "the promise leaves out the time for the drop",
    ("neard loses signals", "neard frozen", "neard's RPC hung", "host cut off"),
    within=80,
)
def _no_time_for_the_drop(patch: Patch) -> None:
    patch.setattr(gates, "promise_s", lambda state: state.config.profile.fence_after_s)


@mutant(
    "the guard's watchdog does not follow its grant",
    ("agent frozen", "guard frozen", "host cut off"),
    within=80,
)
def _watchdog_by_the_unit(patch: Patch) -> None:
    patch.setattr(watchdog, "_latest_kill", lambda guard: None)


# --- heights


@mutant(
    "signs on a head that lacks what the predecessor signed",
    ("host cut off", "hosts cut off from each other", "host cannot hear"),
    within=80,
)
def _old_head(patch: Patch) -> None:
    patch.setattr(gates, "stale_head", lambda state, now: "")


# --- terms that are over


@mutant(
    "a proof after a long lapse is believed at once",
    ("Consul restored from a backup", "host cut off", "host cannot hear", "watches lag"),
    within=80,
    first=124,
)
def _lapse_forgotten(patch: Patch) -> None:
    patch.setattr(leaving, "lapsed", lambda state, hold, now: False)


@mutant(
    "a term is armed again after its end",
    ("release will be late", "agent killed", "agent and guard killed", "neard killed", "agent frozen"),
    within=40,
    first=60,
)
def _armed_again(patch: Patch) -> None:
    acquire, why_not = standby.acquire_answered, key._why_not

    def acquire_answered(state: Any, event: Any, now: float) -> Any:
        return acquire(replace(state, ended_term=0), event, now)

    def resume(state: Any, event: Any, own: Any, now: float) -> Any:
        wait = Wait(now, own.beat.gone_within_s, "mutant", known=False)
        return standby._begin(state, event, wait, None, now)

    patch.setattr(standby, "acquire_answered", acquire_answered)
    patch.setattr(standby, "_resume", resume)
    patch.setattr(standby, "_leave_what_is_over", standby._take_up_again)
    patch.setattr(key, "_why_not", lambda guard, *rest: why_not(replace(guard, retired=0), *rest))


# --- takeovers without a lease


@mutant("after a long outage of Consul all is believed as before", within=80, course=takeovers)
def _outage_forgotten(patch: Patch) -> None:
    patch.setattr("hafailover.core.decide.OUTAGE_S", 1e9)


@mutant("an answer of Consul is taken for silence", course=takeovers)
def _answer_is_silence(patch: Patch) -> None:
    """By the host that signs without a lease; not to give way alone would leave the deadline in its place."""
    answered = decide._consul_answered

    def goes_on(state: Any, now: float) -> Any:
        return forced.silence(state, now) if state.forced is not None else answered(state, now)

    patch.setattr(decide, "_consul_answered", goes_on)


@mutant("without a lease there is no deadline", within=80, course=takeovers)
def _no_deadline(patch: Patch) -> None:
    """The agent that would see Consul come back is frozen or dead, and the key stays."""
    patch.setattr(forced, "_deadline", lambda state, order: order.silent_at + 3600.0)
    patch.setattr(key, "LONGEST_GONE_WITHIN_S", 1e9)
    # Nor does the guard hold it to what its own timing gives.
    patch.setattr(key, "_capped", lambda guard, deadline, now: deadline)


# --- somebody else has the key


@mutant("a first term asks nothing of the chain", course=foreigners)
def _chain_not_asked(patch: Patch) -> None:
    patch.setattr(foreign, "problem", lambda state, now: "")


@mutant("one look without growth shows that nobody works", course=foreigners)
def _one_look_is_proof(patch: Patch) -> None:
    patch.setattr(foreign, "QUIET_S", 0.0)
    patch.setattr(foreign, "QUIET_DUTIES", 0)


@mutant("no news of the chain is taken for proof", course=foreigners)
def _no_news_is_proof(patch: Patch) -> None:
    original = foreign.problem
    patch.setattr(
        foreign, "problem", lambda state, now: "" if foreign.is_unknown(state, now) else original(state, now)
    )


@mutant(
    "work of the pool's own last holder is taken for somebody else's",
    ("host cut off", "agent frozen", "session ended by hand", "neard killed", "switchover"),
    within=80,
)
def _late_counts_alarm(patch: Patch) -> None:
    """Every growth while the lock is free or waited for counts, with no time for what was signed before."""
    original = foreign._quiet_since

    def quiet_since(state: Any, now: float) -> float | None:
        return state.lock_at if original(state, now) is not None else None

    patch.setattr(foreign, "_quiet_since", quiet_since)


# --- forged words, and histories of Consul's


def _no_floor(patch: Patch) -> None:
    patch.setattr(sightings, "_floor", lambda *_: None)


def _made_up(state: Any, hold: Any) -> Claim:
    height = gates.head_height(state)
    return Claim(hold.term, hold.history, state.config.node, height, hold.handover_to, "0" * 64)


def _words_for_nothing(patch: Patch) -> None:
    """Every word is good and none is needed: for rules in whose place words would still protect."""

    def awaits_word(state: Any, hold: Any, now: float) -> Any:
        if hold.word is not None:
            return None
        return replace(state, hold=replace(hold, word=_made_up(state, hold))), []

    patch.setattr(leaving, "awaits_word", awaits_word)
    patch.setattr(vouch, "_scope", lambda guard, claim: Scope.ALL)
    _no_floor(patch)


@mutant("a word is not checked", within=20, course=forging)
def _word_not_checked(patch: Patch) -> None:
    patch.setattr(vouch, "_scope", lambda guard, claim: Scope.ALL)


@mutant("a forged beat may shorten the wait", within=20, course=forging)
def _floor_left_out(patch: Patch) -> None:
    """With short promises believed, too, since the wait would else be that of the successor's own timing."""
    _no_floor(patch)
    _any_promise(patch)


@mutant("a promise that was written over is forgotten", within=60, course=forging)
def _written_over(patch: Patch) -> None:
    """Each promise counts from its own last sight alone, and a short one is believed."""

    def floor(seen: Any, vouches: Any, now: float, profile: Any) -> Wait | None:
        waits = [
            sightings._timed(min(at, now), one.gone_within_s, profile, "mutant")
            for one, at in seen.promises.items()
            if not vouches.covers(one.term, one.node)
        ]
        return max(waits, key=lambda wait: wait.not_before, default=None)

    patch.setattr(sightings, "_floor", floor)
    _any_promise(patch)


def _word_without(patch: Patch, **blank: Any) -> None:
    word = WordKey._word
    patch.setattr(WordKey, "_word", lambda key, kind, claim: word(key, kind, replace(claim, **blank)))


@mutant("a word of another term is good", within=60, course=forging)
def _word_of_another_term(patch: Patch) -> None:
    _word_without(patch, term=0)
    _anybody_held_it(patch)


@mutant("a word of another history is good", within=60, course=forging)
def _word_of_another_history(patch: Patch) -> None:
    """Without the rule for short memories, too, which would still protect from what a new history brings."""
    _word_without(patch, history="")
    _short_memory_trusted(patch)


@mutant("a word speaks for other hosts, too", within=60, course=forging)
def _word_for_others(patch: Patch) -> None:
    """That of a guard which has not armed in the term, and of a compromised agent that asks it."""
    hearing = Vouches.hearing
    patch.setattr(Vouches, "hearing", lambda known, claim, scope: hearing(known, claim, Scope.ALL))
    _anybody_held_it(patch)
