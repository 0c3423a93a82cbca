"""The active while it signs: what makes it hand over, or give way to a standby that is fitter."""

from __future__ import annotations

from hafailover.core import gates, leaving
from hafailover.core.changed import replace
from hafailover.core.effects import AnswerRequest, LookAtMembers, WatchClosely
from hafailover.core.state import Hold, Stage, State, Step
from hafailover.core.views import KeyState, Member, NeardPhase, Request

RECENT_S = 1.0
"""How old the record of a handover's target may be at the moment of the handover."""
KNOWS_WITHIN_S = 12.0
"""How long the key stays for a target that does not know yet how old its head is: it learns that from ten
blocks, and would wait for one more of them with the key in nobody's hands."""


MOMENT_S = 15.0
"""How long the key stays for the height that a handover is to begin at, where it has no last one: whoever
cannot wait has chosen a moment of the next 10 s, and this host's neard may be what stands still."""


def armed(state: State, hold: Hold, now: float) -> Step:
    guard = state.guard
    if state.hand_gone:
        return leaving.give_way(state, hold, "the guard and its neard died", now)
    if guard is None:
        return state, []
    if guard.key is KeyState.ABSENT and guard.neard is NeardPhase.UP:
        return replace(state, hold=replace(hold, stage=Stage.FENCED, stage_since=now)), []
    if guard.neard is not NeardPhase.UP and guard.key is KeyState.ABSENT:
        return leaving.give_way(state, hold, f"neard is {guard.neard}", now)
    if guard.neard is NeardPhase.STOPPING:
        return leaving.give_way(state, hold, "neard is being stopped", now)
    if state.watching_closely is not _waits_for_a_height(state, hold):
        closely = not state.watching_closely
        return replace(state, watching_closely=closely), [WatchClosely(closely)]
    request = _answer_request(state, hold, now)
    if request is not None:
        return request
    if gates.is_drained(state) and (ready := gates.ready_standbys(state)):
        to = next((member for member in ready if not member.blocks_lacking), ready[0])
        return leaving.give_way(state, hold, gates.DRAINED, now, handover_to=to.node)
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
    # An agent that has just been started again may never have heard of it.
    heard_at = state.neard_at if state.neard_at is not None else since
    silent = now - heard_at > state.config.rpc_silent_s
    if gates.is_paused(state, now):
        return state, []
    if (silent or now - since > state.config.unfit_s) and gates.ready_standbys(state):
        return leaving.give_way(state, hold, "; ".join(problems), now)
    return state, []


def _pending(state: State, hold: Hold) -> Request | None:
    request = state.request
    if request is None or request.id == state.answered_request or request.term != hold.term:
        return None
    return request


def _waits_for_a_height(state: State, hold: Hold) -> bool:
    request = _pending(state, hold)
    return request is not None and request.from_height > 0


def _answer_request(state: State, hold: Hold, now: float) -> Step | None:
    """Hands over once the target has shown that it is there: its record may be that of a dead host."""
    request = _pending(state, hold)
    if request is None:
        return None
    target = next((m for m in state.members if m.node == request.to), None)
    fresh = state.members_at >= state.request_at
    prepared = target is not None and target.alive and target.ready and target.prepared_for == request.id
    if target is not None and request.to_height:
        # A window is chosen for a handover that costs nothing, so another will do better.
        prepared = prepared and target.steady
    head = gates.head_height(state)
    # A drained host, or one whose neard is stopped, hands over without a wish, and is not held back.
    refusal = "" if request.despite_budget else state.budget_low
    if not refusal and fresh:
        refusal = _refusal(state, request.to, target)
    if not refusal and not (fresh and prepared) and now - state.request_at > state.config.prepare_s:
        refusal = f"{request.to} did not say within {state.config.prepare_s:g} s that it is prepared"
    if not refusal and 0 < request.to_height < head:
        refusal = f"the head is at {head} already, above {request.to_height}, the last height to begin at"
    if refusal:
        return replace(state, answered_request=request.id), [AnswerRequest(request.id, False, refusal)]
    # A wish may wait long for its height, and be changed to "at once" then: what was read of the target at
    # its beginning is old.
    recent = now - state.members_at <= RECENT_S or (
        not request.from_height and now - state.request_at <= RECENT_S
    )
    knows = target is None or not target.blocks_lacking or now - state.request_at > KNOWS_WITHIN_S
    due = head >= request.from_height or (not request.to_height and now - state.request_at > MOMENT_S)
    if fresh and prepared and recent and knows and due:
        state = replace(state, answered_request=request.id)
        state, effects = leaving.give_way(state, hold, "switchover asked for", now, handover_to=request.to)
        return state, [AnswerRequest(request.id, True, f"handing over to {request.to}"), *effects]
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
