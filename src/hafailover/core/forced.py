"""Signing without a lease, by an operator's order, where Consul is dead: the break-glass. Pure.

What stands in for the lease is the proof, renewed every second, that Consul does not answer: the guard gets
its deadline from there. As soon as Consul answers again the key goes, and whoever gets the lock waits for
longer than that takes, since Consul was silent to it, too, for longer than ``OUTAGE_S``
(:mod:`hafailover.core.decide`). No proof protects from a Consul that is alive elsewhere: there the operator's
word is all that there is.
"""

from __future__ import annotations

from hafailover.core import events as ev
from hafailover.core import gates, leaving
from hafailover.core.changed import replace
from hafailover.core.effects import AnswerTakeover, ArmGuard, DropGuard, Effect, GrantGuard, RecordTerm
from hafailover.core.state import Forced, State, Step
from hafailover.core.views import FORCED, KeyState, NeardPhase

FORCE_AFTER_S = 60.0
"""Consul must have been silent for so long: every holder of a lease has dropped its key long before."""
FRESH_S = 5.0
"""How old the last proof of Consul's silence may be when the key is loaded."""


def ordered(state: State, event: ev.TakeoverOrdered, now: float) -> Step:
    """Takes the order up, or says why not."""
    refusal = "; ".join(problems(state, event.silent_at, now))
    if refusal:
        return state, [AnswerTakeover(event.order, False, refusal)]
    term = _next_term(state)
    # Its guard's history, if Consul has never been heard: nothing else is at hand while it is dead.
    history = state.history or (state.guard.history if state.guard is not None else "")
    forced = Forced(event.order, event.by, term, now, event.silent_at, history=history)
    return replace(state, forced=forced), [ArmGuard(term, _deadline(state, forced), forced.history)]


def problems(state: State, silent_at: float, now: float) -> list[str]:
    """Why this host must not sign without a lease now; empty if nothing speaks against it."""
    found = []
    least = max(FORCE_AFTER_S, state.config.profile.longest_wait_s)
    silent = now - state.answered_at
    if state.forced is not None:
        found.append("it signs without a lease already")
    if silent < least:
        found.append(
            f"Consul answered {silent:.0f} s ago, or this agent has not run for longer: "
            f"it must have been silent for {least:.0f} s"
        )
    if now - silent_at > FRESH_S:
        found.append(f"Consul was last asked {now - silent_at:.0f} s ago")
    if state.hold is not None or state.acquiring:
        found.append("it holds or asks for the lock still; try again in a minute")
    if gates.is_drained(state):
        found.append(gates.DRAINED)
    neard = gates.neard_problems(state, now)
    found += neard + gates.key_problems(state)
    if not neard and state.neard is not None and state.guard is not None:
        made_at = (state.neard.looked_at or 0.0) - state.neard.head_age_s
        if not state.neard.steady or made_at < state.answered_at + state.config.profile.longest_wait_s:
            found.append("neard's blocks have not all come in time for 10 s: it may lack what others signed")
        if state.guard.key is not KeyState.ABSENT:
            found.append(f"the key is {state.guard.key}, not absent")
    return found


def silence(state: State, asked_at: float) -> Step:
    """Consul was asked, and did not answer: the guard may go on for a while from then."""
    forced = state.forced
    if forced is None or forced.leaving or asked_at <= forced.silent_at:
        return state, []
    forced = replace(forced, silent_at=asked_at)
    return replace(state, forced=forced), [GrantGuard(forced.term, _deadline(state, forced))]


def give_way(state: State, cause: str) -> Step:
    """Drops the key: Consul answers again, an operator says so, or the host is not fit."""
    forced = state.forced
    if forced is None or forced.leaving:
        return state, []
    told = replace(forced, leaving=cause, drop_told=state.guard_reports)
    return replace(state, forced=told), [DropGuard(forced.term, True, cause, forced.history)]


def step(state: State, now: float) -> Step:
    forced = state.forced
    assert forced is not None
    if forced.leaving:
        return _left(state, forced, now)
    guard = state.guard
    if state.hand_gone:
        return give_way(state, "the guard and its neard died")
    if guard is None:
        return state, []
    ours = (guard.term, guard.history) == (forced.term, forced.history)
    loaded = guard.key is KeyState.LOADED and ours
    if forced.loaded_at is None:
        return _loading(state, forced, loaded, now)
    if not loaded:
        why = (
            f"neard is {guard.neard}" if guard.neard is not NeardPhase.UP else "the guard has dropped the key"
        )
        return give_way(state, why)
    return state, []


def _loading(state: State, forced: Forced, loaded: bool, now: float) -> Step:
    guard = state.guard
    assert guard is not None
    if loaded:
        height = gates.head_height(state)
        forced = replace(forced, loaded_at=now)
        beat = state.heartbeat.beat if state.heartbeat else None
        return replace(state, forced=forced), [
            AnswerTakeover(forced.order, True, f"signing without a lease, as term {forced.term}"),
            RecordTerm(
                forced.term,
                began=True,
                cause=f"{FORCED}{forced.by}, without a lease: Consul was dead",
                from_node=beat.node if beat is not None else None,
                height=height,
                waited_s=now - forced.since,
            ),
        ]
    if guard.refused_term == forced.term:
        return give_way(state, f"the guard did not load the key: {guard.problem or 'no reason given'}")
    if now - forced.since > state.config.arm_timeout_s:
        return give_way(state, f"the key was not loaded within {state.config.arm_timeout_s:g} s")
    return state, []


def _left(state: State, forced: Forced, now: float) -> Step:
    if not leaving.key_is_gone(state, forced.term, forced.history):
        if not leaving.is_to_be_told_again(state, forced.term, forced.history, forced.drop_told):
            return state, []
        forced = replace(forced, drop_told=state.guard_reports)
        again = DropGuard(forced.term, True, forced.leaving, forced.history)
        return replace(state, forced=forced), [again]
    effects: list[Effect] = [AnswerTakeover(forced.order, False, forced.leaving)]
    if forced.loaded_at is not None:
        height = gates.head_height(state)
        effects.append(RecordTerm(forced.term, False, forced.leaving, None, height, now - forced.loaded_at))
    same = forced.history == state.history
    ended = max(state.ended_term, forced.term) if same else state.ended_term
    return replace(state, forced=None, ended_term=ended, unfit_since=None), effects


def _deadline(state: State, forced: Forced) -> float:
    return forced.silent_at + state.config.profile.fence_after_s


def _next_term(state: State) -> int:
    """Above every term that this host knows of, and below the next lock's: until then Consul writes a lot."""
    known = [state.ended_term, state.sightings.highest_term]
    if state.lock is not None:
        known.append(state.lock.index)
    if state.heartbeat is not None:
        known += [state.heartbeat.index, state.heartbeat.beat.term]
    if state.guard is not None:
        known += [state.guard.term, state.guard.retired, state.guard.refused_term]
    return max(known) + 1
