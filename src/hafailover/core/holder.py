"""What a host does that holds the lock: wait, arm, prove the lease, and give it up in good order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hafailover.core import events as ev
from hafailover.core import gates
from hafailover.core.beat import Beat, Phase
from hafailover.core.effects import (
    AbandonSession,
    AnswerRequest,
    ArmGuard,
    DropGuard,
    Effect,
    GrantGuard,
    KillHand,
    LookAtMembers,
    RecordDropped,
    RecordTerm,
    Release,
    SendBeat,
    WatchClosely,
)
from hafailover.core.sightings import dropped_reason, ended_at_once
from hafailover.core.state import Hold, Stage, State
from hafailover.core.views import KeyState, Member, NeardPhase
from hafailover.timing import GUARD_SILENCE_S, MIN_GRANT_S

Step = tuple[State, list[Effect]]

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
        return lose(replace(state, hold=hold), event.detail or "Consul refused the beat", now)
    if event.outcome is ev.Outcome.NO_PROOF:
        return replace(state, hold=replace(hold, next_beat_at=now + profile.retry_s)), []
    proven = event.sent_at if hold.proven_at is None else max(event.sent_at, hold.proven_at)
    hold = replace(
        hold, proven_at=proven, next_beat_at=min(hold.next_beat_at, event.sent_at + profile.beat_s)
    )
    effects: list[Effect] = []
    if hold.stage in (Stage.ARMING, Stage.ARMED, Stage.DROPPING):
        effects.append(GrantGuard(hold.term, proven + profile.fence_after_s))
    return replace(state, hold=hold), effects


def release_answered(state: State, event: ev.ReleaseAnswered, now: float) -> Step:
    hold = state.hold
    if hold is None or hold.term != event.term or hold.stage is not Stage.RELEASING:
        return state, []
    hold = replace(hold, release_in_flight=False)
    if event.outcome is ev.Outcome.NO_PROOF:
        return replace(state, hold=replace(hold, next_beat_at=now + state.config.profile.retry_s)), []
    # Refused means that the lock is not ours any more: an earlier try got through, or the session ended.
    return _end(state, hold, now)


def lose(state: State, why: str, now: float) -> Step:
    """A definite loss: drop at once; this term is over for good."""
    hold = state.hold
    assert hold is not None
    if hold.stage is Stage.LOST:
        return state, []
    cause = f"lock lost: {why}"
    hold = replace(hold, stage=Stage.LOST, stage_since=now, cause=cause, drop_told=state.guard_reports)
    return replace(state, hold=hold), [DropGuard(hold.term, urgent=True, reason=hold.cause)]


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


def key_is_gone(state: State, hold: Hold) -> bool:
    """Whether this host's key is confirmed gone and cannot come back in this term."""
    if state.hand_gone:
        return True
    guard = state.guard
    return guard is not None and guard.key is KeyState.ABSENT and guard.retired >= hold.term


def _beat(state: State, hold: Hold, now: float) -> Step:
    if hold.stage not in BEATING or hold.beat_in_flight or now < hold.next_beat_at:
        return state, []
    if state.guard is None and not state.hand_gone and now - state.guard_at > GUARD_SILENCE_S + 1:
        # No hand to command: a lease that nobody can use must run out.
        return state, []
    sequence = hold.sequence + 1
    waiting = not hold.ever_armed or hold.stage is Stage.ARMING
    predecessor = _inheritance(hold) if waiting else None
    beat = Beat(
        term=hold.term,
        sequence=sequence,
        node=state.config.node,
        phase=Phase.WAITING if waiting else Phase.ACTIVE,
        gone_within_s=max(hold.gone_within_s, gates.promise_s(state)),
        height=_height(state),
        inherits=predecessor,
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
    after, effects = _end(state, replace(hold, cause=cause), now)
    session = after.session if after.session != hold.session else None
    backoff = now + state.config.backoff_s
    after = replace(after, session=session, lock=None, free_since=None, acquire_at=backoff)
    return after, [
        DropGuard(hold.term, urgent=True, reason=cause),
        AbandonSession(hold.session, cause),
        *effects,
    ]


def _kill_hand(state: State, hold: Hold, now: float) -> Step:
    """The agent is the guard's own dead man's switch, as the guard is the agent's."""
    if hold.killed_hand or not hold.ever_armed or hold.stage is Stage.FENCED or key_is_gone(state, hold):
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


def _waiting(state: State, hold: Hold, now: float) -> Step:
    # The first beat of the term must stand in Consul before the key can be loaded: it is what a
    # successor of ours would wait by.
    proof = hold.proven_at
    if now < hold.wait.not_before or proof is None:
        hopeless = gates.neard_problems(state, now) + gates.key_problems(state)
        return _lose_patience(state, hold, hopeless, now)
    deadline = proof + state.config.profile.fence_after_s
    problems = gates.arming_problems(state, now)
    if problems:
        return _lose_patience(state, hold, problems, now)
    if deadline - now < MIN_GRANT_S:
        return state, []
    hold = replace(hold, stage=Stage.ARMING, stage_since=now, ever_armed=True)
    return replace(state, hold=hold, unfit_since=None), [ArmGuard(hold.term, deadline)]


def _lose_patience(state: State, hold: Hold, problems: list[str], now: float) -> Step:
    if not problems:
        return (replace(state, unfit_since=None), []) if state.unfit_since is not None else (state, [])
    since = state.unfit_since if state.unfit_since is not None else now
    if now - since < state.config.patience_s:
        return replace(state, unfit_since=since), []
    return _give_way(state, hold, "given up before arming: " + "; ".join(problems), now, final=Phase.PASSED)


def _arming(state: State, hold: Hold, now: float) -> Step:
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
            height=_height(state),
            waited_s=now - hold.acquired_at,
        )
        return replace(state, hold=hold, unfit_since=None, watching_closely=False), [
            record,
            WatchClosely(False),
        ]
    if guard is not None and guard.refused_term == hold.term:
        return _give_way(
            state, hold, f"the guard did not load the key: {guard.problem or 'no reason given'}", now
        )
    if state.hand_gone or (guard is not None and guard.neard is NeardPhase.DOWN and state.config.hot_swap):
        return _give_way(state, hold, "neard died while the key was being loaded", now)
    if now - hold.stage_since > state.config.arm_timeout_s:
        return _give_way(state, hold, f"the key was not loaded within {state.config.arm_timeout_s:g} s", now)
    return state, []


def _armed(state: State, hold: Hold, now: float) -> Step:
    guard = state.guard
    if state.hand_gone:
        return _give_way(state, hold, "the guard and its neard died", now)
    if guard is None:
        return state, []
    if guard.key is KeyState.ABSENT and guard.neard is NeardPhase.UP:
        return replace(state, hold=replace(hold, stage=Stage.FENCED, stage_since=now)), []
    if guard.neard is not NeardPhase.UP and guard.key is KeyState.ABSENT:
        return _give_way(state, hold, f"neard is {guard.neard}", now)
    if guard.neard is NeardPhase.STOPPING:
        return _give_way(state, hold, "neard is being stopped", now)
    request = _answer_request(state, hold, now)
    if request is not None:
        return request
    return _give_way_if_unfit(state, hold, now)


def _give_way_if_unfit(state: State, hold: Hold, now: float) -> Step:
    problems = gates.neard_problems(state, now)
    neard = state.neard
    if (
        not problems
        and neard is not None
        and state.neard_at is not None
        and state.neard_at > hold.stage_since + 2 * state.config.profile.beat_s
        and state.guard is not None
        and state.guard.public_key
        and neard.public_key != state.guard.public_key
    ):
        problems = ["neard says that it does not hold the key"]
    if not problems:
        return (replace(state, unfit_since=None), []) if state.unfit_since is not None else (state, [])
    since = state.unfit_since if state.unfit_since is not None else now
    state = replace(state, unfit_since=since)
    silent = state.neard_at is not None and now - state.neard_at > state.config.rpc_silent_s
    if (silent or now - since > state.config.unfit_s) and gates.ready_standbys(state):
        return _give_way(state, hold, "; ".join(problems), now)
    return state, []


def _answer_request(state: State, hold: Hold, now: float) -> Step | None:
    """Hands over once the target has shown that it is there: its record may be that of a dead host."""
    request = state.request
    if request is None or request.id == state.answered_request or request.term != hold.term:
        return None
    target = next((m for m in state.members if m.node == request.to), None)
    fresh = state.members_at >= state.request_at
    if fresh and target is not None and target.alive and target.ready and target.prepared_for == request.id:
        state = replace(state, answered_request=request.id)
        state, effects = _give_way(state, hold, "switchover asked for", now, handover_to=target.node)
        return state, [AnswerRequest(request.id, True, f"handing over to {target.node}"), *effects]
    refusal = _refusal(state, request.to, target) if fresh else ""
    if not refusal and now - state.request_at > state.config.prepare_s:
        refusal = f"{request.to} did not say within {state.config.prepare_s:g} s that it is prepared"
    if refusal:
        return replace(state, answered_request=request.id), [AnswerRequest(request.id, False, refusal)]
    if now < state.look_at:
        return None
    return replace(state, look_at=now + state.config.profile.retry_s), [LookAtMembers()]


def _refusal(state: State, to: str, target: Member | None) -> str:
    if to == state.config.node:
        return f"{to} is the active already"
    if target is None:
        return f"no host named {to} is known"
    if not target.alive:
        return f"{to} has no live session with Consul"
    if not target.ready:
        return f"{to} is {target.role or 'unknown'}: {target.reason or 'not ready'}"
    return ""


def _fenced(state: State, hold: Hold, now: float) -> Step:
    profile = state.config.profile
    guard = state.guard
    if guard is not None and guard.key is KeyState.LOADED and guard.term == hold.term:
        # The report that made this look like a fence was older than the load.
        return replace(state, hold=replace(hold, stage=Stage.ARMED, stage_since=now)), []
    if hold.proven_at is None or hold.proven_at + profile.fence_after_s - now < MIN_GRANT_S:
        return replace(state, unfit_since=None) if state.unfit_since is not None else state, []
    problems = gates.arming_problems(state, now)
    if problems:
        since = state.unfit_since if state.unfit_since is not None else now
        state = replace(state, unfit_since=since)
        if now - since > state.config.patience_s:
            return _give_way(state, hold, "fenced, and not fit to go on: " + "; ".join(problems), now)
        return state, []
    deadline = hold.proven_at + profile.fence_after_s
    hold = replace(hold, stage=Stage.ARMING, stage_since=now)
    return replace(state, hold=hold, unfit_since=None), [ArmGuard(hold.term, deadline)]


def _give_way(
    state: State,
    hold: Hold,
    cause: str,
    now: float,
    handover_to: str | None = None,
    final: Phase = Phase.RELEASED,
) -> Step:
    """Begins a release in good order: first the key, then the lock.

    A term that was never armed goes the same way: once the guard has retired it, it stays unarmed.
    """
    hold = replace(
        hold,
        stage=Stage.DROPPING,
        stage_since=now,
        cause=cause,
        handover_to=handover_to,
        final=final,
        drop_told=state.guard_reports,
    )
    backoff = now + state.config.backoff_s
    return (
        replace(state, hold=hold, unfit_since=None, acquire_at=backoff),
        [DropGuard(hold.term, urgent=False, reason=cause)],
    )


def _dropping(state: State, hold: Hold, now: float) -> Step:
    never = not hold.ever_armed and state.guard is None
    if not never and not key_is_gone(state, hold):
        return _drop_again(state, hold)
    hold = replace(hold, stage=Stage.RELEASING, stage_since=now, next_beat_at=now)
    return replace(state, hold=hold), []


def _drop_again(state: State, hold: Hold) -> Step:
    """Tells a guard once more that knows nothing of it: one that has just come back, for instance."""
    guard = state.guard
    if guard is None or guard.retired >= hold.term or state.guard_reports <= hold.drop_told:
        return state, []
    hold = replace(hold, drop_told=state.guard_reports)
    urgent = hold.stage is Stage.LOST
    return replace(state, hold=hold), [DropGuard(hold.term, urgent=urgent, reason=hold.cause)]


def _releasing(state: State, hold: Hold, now: float) -> Step:
    if hold.release_in_flight or hold.beat_in_flight or now < hold.next_beat_at:
        return state, []
    sequence = hold.sequence + 1
    beat = Beat(
        term=hold.term,
        sequence=sequence,
        node=state.config.node,
        phase=hold.final,
        gone_within_s=hold.gone_within_s,
        height=_height(state),
        handover_to=hold.handover_to,
        cause=hold.cause[:200],
        inherits=_inheritance(hold) if hold.final is Phase.PASSED else None,
    )
    return replace(state, hold=replace(hold, sequence=sequence, release_in_flight=True)), [
        Release(hold.session, beat)
    ]


def _lost(state: State, hold: Hold, now: float) -> Step:
    if not key_is_gone(state, hold):
        return _drop_again(state, hold)
    after, effects = _end(state, hold, now)
    # Only a term that was waited out before it armed may say so: while one waits, its predecessor may sign.
    if hold.ever_armed:
        effects.insert(0, RecordDropped(hold.term))
    return after, effects


def _end(state: State, hold: Hold, now: float) -> Step:
    effects: list[Effect] = [WatchClosely(False)] if state.watching_closely else []
    if hold.ever_armed:
        effects.append(RecordTerm(hold.term, False, hold.cause, None, _height(state), now - hold.acquired_at))
    # What the watch last showed was our own lock; wait for it to show what came after.
    lock = state.lock if state.lock is not None and state.lock.session != hold.session else None
    state = replace(
        state,
        hold=None,
        lock=lock,
        free_since=state.free_since if lock is not None else None,
        ended_term=max(state.ended_term, hold.term),
        watching_closely=False,
        unfit_since=None,
    )
    return state, effects


def _inheritance(hold: Hold) -> Beat | None:
    """The predecessor's beat as it is passed on: one that it had inherited itself, or its own."""
    if hold.predecessor is None:
        return None
    beat = hold.predecessor.beat
    if beat.phase is Phase.PASSED:
        return beat.inherits
    return replace(beat, inherits=None)


def _height(state: State) -> int:
    """The highest head that this host's neard is known to have had."""
    heights = [state.neard.height if state.neard else 0, state.guard.height if state.guard else 0]
    return max(heights)


_STAGES: dict[Stage, Callable[[State, Hold, float], Step]] = {
    Stage.WAITING: _waiting,
    Stage.ARMING: _arming,
    Stage.ARMED: _armed,
    Stage.FENCED: _fenced,
    Stage.DROPPING: _dropping,
    Stage.RELEASING: _releasing,
    Stage.LOST: _lost,
}
