"""What a holder does before it signs: waits its predecessor out, loads the key, comes back from a fence."""

from __future__ import annotations

from hafailover.core import foreign, gates, leaving
from hafailover.core.beat import Phase
from hafailover.core.changed import replace
from hafailover.core.effects import ArmGuard, CheckWord, RecordTerm, WatchClosely
from hafailover.core.sightings import successor_wait, with_short_memory, without
from hafailover.core.state import Hold, Stage, State, Step
from hafailover.core.views import GuardView, KeyState, NeardPhase
from hafailover.core.words import Scope, claims_for
from hafailover.timing import MIN_GRANT_S

MOST_ASKED = 8
"""Words that a guard is asked about in one term; a pool has two or three."""


def words_heard(state: State, guard: GuardView, now: float) -> State:
    """What this host's guard has just said of words: one of its own, or what it made of another guard's."""
    own, checked = guard.word, guard.checked
    if own is not None and own.history == state.history and own.node == state.config.node:
        state = replace(state, vouches=state.vouches.hearing(own, Scope.NODE))
    hold = state.hold
    if checked is None or hold is None or checked.claim not in hold.asked or checked.claim in hold.good:
        return state
    if checked.scope is Scope.BAD or checked.claim.history != hold.history:
        return state
    if state.history == hold.history:
        state = replace(state, vouches=state.vouches.hearing(checked.claim, checked.scope))
    hold = replace(hold, good=(*hold.good, checked.claim))
    return replace(state, hold=_shortened(state, hold, now))


def _shortened(state: State, hold: Hold, now: float) -> Hold:
    """The hold with the wait that is left once good words are counted; it never gets longer by them."""
    if hold.stage is not Stage.WAITING or hold.predecessor is None or state.history != hold.history:
        return hold
    profile = state.config.profile
    seen = without(state.sightings, hold.term, hold.highest_term)
    wait = successor_wait(
        seen,
        hold.predecessor,
        state.vouches,
        hold.began_at,
        profile,
        hold.history,
        told_at=now,
        own=state.config.node,
    )
    if not hold.handed:
        since = state.watching_since if state.watching_since is not None else now
        wait = with_short_memory(wait, since, profile)
    return replace(hold, wait=wait) if wait.not_before <= hold.wait.not_before else hold


def _ask_about_words(state: State, hold: Hold, now: float) -> Step:
    """Has the guard check what might shorten the wait. Only a guard can: it alone has the pool's key."""
    guard = state.guard
    if guard is None or hold.predecessor is None or now >= hold.wait.not_before:
        return state, []
    claims = claims_for(hold.predecessor.beat, state.dropped)
    new = [claim for claim in claims if claim not in hold.asked and claim.history == hold.history]
    if not new or len(hold.asked) >= MOST_ASKED:
        return state, []
    new = new[: MOST_ASKED - len(hold.asked)]
    hold = replace(hold, asked=hold.asked | frozenset(new))
    return replace(state, hold=hold), [CheckWord(claim) for claim in new]


def waiting(state: State, hold: Hold, now: float) -> Step:
    state, asks = _ask_about_words(state, hold, now)
    if asks:
        return state, asks
    # The first beat of the term must stand in Consul before the key can be loaded: it is what a
    # successor of ours would wait by.
    proof = hold.proven_at
    if now < max(hold.wait.not_before, hold.doubt_until) or proof is None:
        hopeless = gates.neard_problems(state, now) + gates.key_problems(state)
        return _lose_patience(state, hold, hopeless, now)
    deadline = proof + state.config.profile.fence_after_s
    problems = gates.arming_problems(state, now)
    if problems:
        return _lose_patience(state, hold, problems, now)
    if elsewhere := foreign.problem(state, now):
        # Every host sees the same chain, so only one that does not see it passes the lock on.
        return _lose_patience(state, hold, [elsewhere] if foreign.is_unknown(state, now) else [], now)
    stale = gates.stale_head(state, now)
    if stale:
        # The chain may be at rest for everybody, so nothing is gained by passing on to one who knows no more.
        return _lose_patience(state, hold, [stale] if gates.is_behind_a_ready_standby(state) else [], now)
    if deadline - now < MIN_GRANT_S:
        return state, []
    state, ended = foreign.use_order(state, hold)
    hold = replace(hold, stage=Stage.ARMING, stage_since=now, ever_armed=True)
    words = hold.good if hold.wait.at_once else ()
    arm = ArmGuard(hold.term, deadline, hold.history, words)
    return replace(state, hold=hold, unfit_since=None), [arm, *ended]


def _lose_patience(state: State, hold: Hold, problems: list[str], now: float) -> Step:
    if not problems:
        return (replace(state, unfit_since=None), []) if state.unfit_since is not None else (state, [])
    since = state.unfit_since if state.unfit_since is not None else now
    if now - since < state.config.patience_s:
        return replace(state, unfit_since=since), []
    return leaving.give_way(
        state, hold, "given up before arming: " + "; ".join(problems), now, final=Phase.PASSED
    )


def loading(state: State, hold: Hold, now: float) -> Step:
    guard = state.guard
    if guard is not None and leaving.is_of(guard, hold) and guard.key is KeyState.LOADED:
        # Whoever came before is gone; from here on only this host's own promise counts.
        own = gates.promise_s(state)
        hold = replace(hold, stage=Stage.ARMED, stage_since=now, next_beat_at=now, gone_within_s=own)
        record = RecordTerm(
            hold.term,
            began=True,
            cause=hold.wait.reason,
            from_node=hold.predecessor.beat.node if hold.predecessor else None,
            height=gates.head_height(state),
            waited_s=now - hold.acquired_at,
            silent_s=_silent_s(state, hold, now),
        )
        return replace(state, hold=hold, unfit_since=None, watching_closely=False), [
            record,
            WatchClosely(False),
        ]
    if guard is not None and guard.refused_term == hold.term:
        return leaving.give_way(
            state, hold, f"the guard did not load the key: {guard.problem or 'no reason given'}", now
        )
    if state.hand_gone or (guard is not None and guard.neard is NeardPhase.DOWN and state.config.hot_swap):
        return leaving.give_way(state, hold, "neard died while the key was being loaded", now)
    if now - hold.stage_since > state.config.arm_timeout_s:
        return leaving.give_way(
            state, hold, f"the key was not loaded within {state.config.arm_timeout_s:g} s", now
        )
    return state, []


def _silent_s(state: State, hold: Hold, now: float) -> float | None:
    if hold.predecessor is None:
        return None
    term = hold.predecessor.beat.term
    seen = [sight.first_seen for sight in state.sightings.seen if sight.term == term]
    return now - max(seen) if seen else None


def fenced(state: State, hold: Hold, now: float) -> Step:
    profile = state.config.profile
    guard = state.guard
    if guard is not None and guard.key is KeyState.LOADED and leaving.is_of(guard, hold):
        # The report that made this look like a fence was older than the load.
        return replace(state, hold=replace(hold, stage=Stage.ARMED, stage_since=now)), []
    if hold.proven_at is None or hold.proven_at + profile.fence_after_s - now < MIN_GRANT_S:
        return replace(state, unfit_since=None) if state.unfit_since is not None else state, []
    problems = gates.arming_problems(state, now)
    if not problems and (now < hold.doubt_until or gates.stale_head(state, now)):
        return state, []
    if problems:
        since = state.unfit_since if state.unfit_since is not None else now
        state = replace(state, unfit_since=since)
        if now - since > state.config.patience_s:
            return leaving.give_way(state, hold, "fenced, and not fit to go on: " + "; ".join(problems), now)
        return state, []
    deadline = hold.proven_at + profile.fence_after_s
    hold = replace(hold, stage=Stage.ARMING, stage_since=now)
    return replace(state, hold=hold, unfit_since=None), [ArmGuard(hold.term, deadline, hold.history)]
