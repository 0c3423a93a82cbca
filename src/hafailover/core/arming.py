"""What a holder does before it signs: waits its predecessor out, loads the key, comes back from a fence."""

from __future__ import annotations

from dataclasses import replace

from hafailover.core import foreign, gates, leaving
from hafailover.core.beat import Phase
from hafailover.core.effects import ArmGuard, RecordTerm, WatchClosely
from hafailover.core.sightings import dropped_reason, ended_at_once
from hafailover.core.state import Hold, Stage, State, Step
from hafailover.core.views import KeyState, NeardPhase
from hafailover.timing import MIN_GRANT_S


def dropped_seen(state: State, now: float) -> State:
    """The predecessor has recorded that its key is gone: nothing is left to wait for."""
    hold = state.hold
    if hold is None or hold.stage is not Stage.WAITING or hold.predecessor is None:
        return state
    beat = hold.predecessor.beat
    if beat.phase is Phase.PASSED and beat.inherits is not None:
        beat = beat.inherits
    if beat.term not in state.dropped_terms or beat.phase is Phase.PASSED or now >= hold.wait.not_before:
        return state
    wait = ended_at_once(now, state.config.profile, dropped_reason(beat), unplanned=True)
    return replace(state, hold=replace(hold, wait=wait))


def waiting(state: State, hold: Hold, now: float) -> Step:
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
    return replace(state, hold=hold, unfit_since=None), [ArmGuard(hold.term, deadline), *ended]


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
    if guard is not None and guard.term == hold.term and guard.key is KeyState.LOADED:
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
    if guard is not None and guard.key is KeyState.LOADED and guard.term == hold.term:
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
    return replace(state, hold=hold, unfit_since=None), [ArmGuard(hold.term, deadline)]
