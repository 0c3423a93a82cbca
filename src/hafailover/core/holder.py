"""What a host does that holds the lock: it proves the lease by beats, and takes one stage after another."""

from __future__ import annotations

from collections.abc import Callable

from hafailover.core import arming, gates, leaving, signing
from hafailover.core import events as ev
from hafailover.core.beat import Beat, Phase
from hafailover.core.changed import replace
from hafailover.core.effects import AbandonSession, DropGuard, Effect, GrantGuard, KillHand, SendBeat
from hafailover.core.state import Hold, Stage, State, Step
from hafailover.core.views import KeyState
from hafailover.timing import GUARD_SILENCE_S

AWAKE_GRACE_S = 0.5

BEATING = (Stage.WAITING, Stage.ARMING, Stage.ARMED, Stage.FENCED, Stage.DROPPING)


def step(state: State, now: float) -> Step:
    """The next thing a holder does; empty effects when there is nothing to do now."""
    hold = state.hold
    assert hold is not None
    for act in (_abandon, _kill_hand, _beat, _STAGES[hold.stage]):
        state, effects = act(state, hold, now)
        if effects or state.hold is not hold:
            return state, effects
    return state, []


def beat_answered(state: State, event: ev.BeatAnswered, now: float) -> Step:
    """Only a success proves the lease, and it proves it from the moment the beat was sent."""
    hold = state.hold
    if hold is None or hold.term != event.term:
        return state, []
    hold = replace(hold, beat_in_flight=False)
    profile = state.config.profile
    if event.outcome is ev.Outcome.REFUSED:
        return leaving.lose(replace(state, hold=hold), event.detail or "Consul refused the beat", now)
    if event.outcome is ev.Outcome.NO_PROOF:
        return replace(state, hold=replace(hold, next_beat_at=now + profile.retry_s)), []
    hold = leaving.after_lapse(state, hold, now)
    proven = event.sent_at if hold.proven_at is None else max(event.sent_at, hold.proven_at)
    hold = replace(
        hold, proven_at=proven, next_beat_at=min(hold.next_beat_at, event.sent_at + profile.beat_s)
    )
    effects: list[Effect] = []
    if hold.stage in (Stage.ARMING, Stage.ARMED, Stage.DROPPING):
        effects.append(GrantGuard(hold.term, proven + profile.fence_after_s))
    return replace(state, hold=hold), effects


def _beat(state: State, hold: Hold, now: float) -> Step:
    if hold.stage not in BEATING or hold.beat_in_flight or now < hold.next_beat_at:
        return state, []
    if state.guard is None and not state.hand_gone and now - state.guard_at > GUARD_SILENCE_S + 1:
        # No hand to command: a lease that nobody can use must run out.
        return state, []
    sequence = hold.sequence + 1
    waiting = not hold.ever_armed or hold.stage is Stage.ARMING
    predecessor = hold.passed_on if waiting else None
    beat = Beat(
        term=hold.term,
        sequence=sequence,
        node=state.config.node,
        phase=Phase.WAITING if waiting else Phase.ACTIVE,
        gone_within_s=max(hold.gone_within_s, gates.promise_s(state)),
        height=gates.head_height(state),
        inherits=predecessor,
        history=hold.history,
    )
    hold = replace(
        hold, sequence=sequence, beat_in_flight=True, next_beat_at=now + state.config.profile.beat_s
    )
    return replace(state, hold=hold), [SendBeat(hold.session, beat)]


def _abandon(state: State, hold: Hold, now: float) -> Step:
    """Gives up a lease that has not been proved for long, together with its session.

    The session lives on beside the beats, fed and renewed, so nothing else would free a lock whose beats fail
    for a reason of their own. The key is gone by now: its grant ran out long ago.
    """
    since = hold.proven_at if hold.proven_at is not None else hold.acquired_at
    if now - since <= state.config.abandon_s:
        return state, []
    cause = f"the lease could not be proved for {state.config.abandon_s:g} s"
    after, effects = leaving.end(state, replace(hold, cause=cause), now)
    session = after.session if after.session != hold.session else None
    backoff = now + state.config.backoff_s
    after = replace(after, session=session, lock=None, free_since=None, acquire_at=backoff)
    return after, [
        DropGuard(hold.term, True, cause, hold.history),
        AbandonSession(hold.session, cause),
        *effects,
    ]


def _kill_hand(state: State, hold: Hold, now: float) -> Step:
    """The agent is the guard's own dead man's switch, as the guard is the agent's."""
    if (
        hold.killed_hand
        or not hold.ever_armed
        or hold.stage is Stage.FENCED
        or leaving.key_is_gone(state, hold.term, hold.history)
    ):
        return state, []
    if now - state.awake_at < AWAKE_GRACE_S:
        # Just thawed: what the guard did on its own meanwhile is still unread in the socket.
        return state, []
    guard, profile = state.guard, state.config.profile
    why = ""
    if gates.guard_is_silent(state, now) or (guard is None and now - state.guard_at > GUARD_SILENCE_S):
        why = f"the guard has been silent for {GUARD_SILENCE_S:g} s"
    absent = guard is not None and guard.key is KeyState.ABSENT
    if hold.proven_at is not None and not absent:
        overdue = hold.proven_at + profile.fence_after_s + 0.6 * profile.drop_budget_s
        if now > overdue:
            why = "the guard has not confirmed the drop that was due"
    if not why:
        return state, []
    return replace(state, hold=replace(hold, killed_hand=True)), [KillHand(why)]


_STAGES: dict[Stage, Callable[[State, Hold, float], Step]] = {
    Stage.WAITING: arming.waiting,
    Stage.ARMING: arming.loading,
    Stage.ARMED: signing.armed,
    Stage.FENCED: arming.fenced,
    Stage.DROPPING: leaving.dropping,
    Stage.RELEASING: leaving.releasing,
    Stage.LOST: leaving.lost,
}
