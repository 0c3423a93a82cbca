"""The one decision function: an event and the time come in; the new state, effects and a reason go out.

Facts are taken in first (:func:`_absorb`), then the host acts on what it knows (:func:`_advance`), so that
the same facts lead to the same act in whatever order they came.
"""

from __future__ import annotations

from dataclasses import asdict

from hafailover.core import arming, forced, foreign, gates, history, holder, leaving, standby
from hafailover.core import events as ev
from hafailover.core.beat import StoredBeat
from hafailover.core.changed import replace
from hafailover.core.effects import Effect
from hafailover.core.sightings import Sightings, forget, note
from hafailover.core.state import Config, Decision, Forced, Hold, Stage, State
from hafailover.core.views import GuardView, KeyState, LockView, NeardPhase, NeardView, Role

OUTAGE_S = 15.0
"""Consul was silent for longer: nothing from before is certain. A quarter of what a forced takeover needs."""

STALL_S = 1.0
"""A pause between two events longer than this was our own: the agent ticks far more often."""

DOUBT = "the lease is proved again; waiting, since a Consul that was restored may have forgotten a holder"

MAX_STEPS = 6
"""Bound on chained steps after one event; the longest chain in use has three."""


def initial(config: Config, now: float) -> State:
    """The state of an agent that has just started."""
    return State(config=config, role_since=now, last_now=now, guard_at=now, height_at=now, answered_at=now)


def decide(state: State, event: ev.Event, now: float) -> Decision:
    """One step.

    :param now: CLOCK_BOOTTIME in seconds; never earlier than in the step before.
    """
    if now - state.last_now > STALL_S:
        # This process was frozen, so silence in that time says nothing about the guard.
        state = replace(state, guard_at=state.guard_at + (now - state.last_now), awake_at=now)
    state, effects = _absorb(state, event, now)
    for _ in range(MAX_STEPS):
        hold, order = state.hold, state.forced
        state, more = _advance(state, now)
        effects += more
        if not more and state.hold is hold and state.forced is order:
            break
    state = _with_role_and_time(state, now)
    return Decision(state, tuple(effects), state.reason)


def _absorb(state: State, event: ev.Event, now: float) -> tuple[State, list[Effect]]:
    match event:
        case ev.Tick():
            return state, []
        case ev.SessionReady(session):
            return _consul_answered(replace(state, session=session), now)
        case ev.SessionGone(session):
            return _session_gone(state, session, now)
        case ev.ConsulAnswered():
            return _consul_answered(state, now)
        case ev.ConsulSilent(asked_at):
            return forced.silence(state, asked_at)
        case ev.TakeoverOrdered():
            return forced.ordered(state, event, now)
        case ev.TakeoverEnded():
            return forced.give_way(state, "an operator has taken the order back")
        case ev.LockSeen(lock):
            return _lock_seen(state, lock, now), []
        case ev.BeatSeen(stored):
            return _beat_seen(state, stored, now), []
        case ev.WatchGap():
            return replace(state, sightings=forget(state.sightings), watching_since=None), []
        case ev.DroppedSeen(claims):
            return replace(state, dropped=claims), []
        case ev.HistorySeen(seen, certain):
            return history.seen(state, seen, certain, now), []
        case ev.MembersSeen(members, key):
            return replace(state, members=members, members_at=now, pool_public_key=key), []
        case ev.RequestSeen(request):
            same = request is not None and state.request is not None and request.id == state.request.id
            return replace(state, request=request, request_at=state.request_at if same else now), []
        case ev.BudgetSeen(low):
            return replace(state, budget_low=low), []
        case ev.OrdersSeen(orders):
            return replace(state, orders=orders), []
        case ev.BeatAnswered():
            return holder.beat_answered(state, event, now)
        case ev.AcquireAnswered():
            if event.outcome is not ev.Outcome.NO_PROOF:
                state, _ = _consul_answered(state, now)
            return standby.acquire_answered(state, event, now)
        case ev.ReleaseAnswered():
            return leaving.release_answered(state, event, now)
        case ev.NeardSeen(neard):
            return foreign.head_seen(_neard_seen(state, neard, now), neard, now), []
        case ev.NeardFailed(detail):
            return replace(state, neard_error=detail), []
        case ev.GuardSeen(guard):
            if guard.neard is not NeardPhase.UP:
                # What the RPC of an earlier process said is no news of this one.
                state = replace(state, neard=None, neard_at=None)
            reports = state.guard_reports + 1
            hold = _with_gone_height(state.hold, guard)
            state = replace(
                state, hold=hold, guard=guard, guard_at=now, guard_reports=reports, hand_gone=False
            )
            return arming.words_heard(state, guard, now), []
        case ev.GuardLost():
            return replace(state, guard=None, guard_at=now, neard=None, neard_at=None), []
        case ev.HandGone():
            # News of a death that comes after the next guard has: it may have been told to arm already.
            return replace(state, hand_gone=state.guard is None), []
        case ev.OwnBlockSeen():
            hold = state.hold
            if hold is not None and hold.stage is Stage.WAITING:
                hold = replace(hold, witnessed_at=now)
            return foreign.own_block_seen(replace(state, hold=hold), now), []
        case ev.WorkSeen(work):
            return foreign.work_seen(state, work, now), []
        case ev.WorkFailed(detail):
            return foreign.work_failed(state, detail), []
        case ev.FirstTermAllowed(order):
            return foreign.allowed(state, order), []
        case ev.Reconfigured():
            return replace(state, config=replace(state.config, **asdict(event))), []


def _consul_answered(state: State, now: float) -> tuple[State, list[Effect]]:
    if now - state.answered_at > OUTAGE_S and state.hold is None:
        # Somebody may have been ordered to sign without a lease meanwhile, and learns of the end only now.
        state = replace(state, sightings=forget(state.sightings), watching_since=now)
    return forced.give_way(replace(state, answered_at=now), "Consul answers again")


def _advance(state: State, now: float) -> tuple[State, list[Effect]]:
    if state.forced is not None:
        return forced.step(state, now)
    if state.hold is not None:
        return holder.step(state, now)
    return standby.step(state, now)


def _with_gone_height(hold: Hold | None, guard: GuardView) -> Hold | None:
    if hold is None or not hold.ever_armed or guard.term != hold.term:
        return hold
    if guard.key is not KeyState.ABSENT:
        return replace(hold, gone_height=None)
    return replace(hold, gone_height=guard.height) if hold.gone_height is None else hold


def _session_gone(state: State, session: str, now: float) -> tuple[State, list[Effect]]:
    if session == state.session:
        state = replace(state, session=None)
    if state.hold is not None and state.hold.session == session:
        return leaving.lose(state, "Consul says that the session is gone", now)
    return state, []


def _lock_seen(state: State, lock: LockView, now: float) -> State:
    free = lock.session is None
    was_free = state.free_since is not None
    since = (state.free_since if was_free else now) if free else None
    changed = state.lock is None or state.lock.session != lock.session
    return replace(state, lock=lock, lock_at=now if changed else state.lock_at, free_since=since)


def _beat_seen(state: State, stored: StoredBeat | None, now: float) -> State:
    if state.watching_since is None:
        state = replace(state, watching_since=now)
    if stored is None:
        return replace(state, heartbeat=None)
    if stored.beat.history != state.history and state.history:
        # It says nothing of this history; whether there is another one by now, Consul's leader will tell.
        return replace(state, heartbeat=None)
    if state.heartbeat is not None and stored.index < state.heartbeat.index:
        # What was written last is there no more: Consul was restored from a backup.
        state = replace(state, sightings=forget(state.sightings), watching_since=now)
    sightings = note(state.sightings, stored, now)
    if sightings.overflows:
        # Nobody can tell any more which of these terms were real: all may have the key.
        sightings = Sightings(highest_term=sightings.highest_term)
        state = replace(state, watching_since=now)
    return replace(state, heartbeat=stored, sightings=sightings)


def _neard_seen(state: State, neard: NeardView, now: float) -> State:
    moved = state.neard is None or neard.height != state.neard.height
    return replace(
        state,
        neard=neard,
        neard_at=now,
        neard_error="",
        last_head=neard.height,
        height_at=now if moved else state.height_at,
    )


def _with_role_and_time(state: State, now: float) -> State:
    """The state at the end of a step: with its role, the reason, and the time."""
    role, reason = _role(state, now)
    since = now if role is not state.role else state.role_since
    return replace(state, role=role, reason=reason, role_since=since, last_now=max(now, state.last_now))


def _role(state: State, now: float) -> tuple[Role, str]:
    hold = state.hold
    if hold is not None:
        return _role_of_holder(state, hold, now)
    if state.forced is not None:
        return _role_of_forced(state.forced)
    problems = gates.standby_problems(state, now)
    if state.guard is None or state.guard.neard is not NeardPhase.UP or state.neard is None:
        return Role.STARTING, "; ".join(problems)
    if state.neard.syncing:
        return Role.SYNCING, "; ".join(problems)
    if gates.is_drained(state):
        return Role.DRAINED, "; ".join(problems)
    if problems:
        return Role.STANDBY, "not ready: " + "; ".join(problems)
    resting = standby.rest(state, now) or (gates.PAUSED if gates.is_paused(state, now) else "")
    resting = resting or gates.why_head_age_is_unknown(state)
    return Role.STANDBY, f"ready, but {resting}" if resting else "ready"


def _role_of_forced(order: Forced) -> tuple[Role, str]:
    if order.leaving:
        return Role.DEMOTING, f"signed without a lease: {order.leaving}"
    if order.loaded_at is None:
        return Role.PROMOTING, f"loading the key WITHOUT A LEASE, by order of {order.by}"
    return Role.FORCED, f"signing WITHOUT A LEASE, by order of {order.by}, until Consul answers"


def _role_of_holder(state: State, hold: Hold, now: float) -> tuple[Role, str]:
    term = f"term {hold.term}"
    match hold.stage:
        case Stage.WAITING:
            if now < hold.wait.not_before:
                seen = foreign.text(state, now)
                return Role.PROMOTING, f"{term}: {seen or f'waiting, since {hold.wait.reason}'}"
            if now < hold.doubt_until:
                return Role.PROMOTING, f"{term}: {DOUBT}"
            problems = gates.arming_problems(state, now) or [
                foreign.problem(state, now) or gates.stale_head(state, now)
            ]
            return Role.PROMOTING, f"{term}: " + ("; ".join(problems) or "about to arm")
        case Stage.ARMING:
            return Role.PROMOTING, f"{term}: loading the key"
        case Stage.ARMED:
            unfit = gates.neard_problems(state, now)
            return Role.ACTIVE, f"{term}: signing" + (f", but {'; '.join(unfit)}" if unfit else "")
        case Stage.FENCED if now < hold.doubt_until:
            return Role.FENCED, f"{term}: {DOUBT}"
        case Stage.FENCED:
            return Role.FENCED, f"{term}: no proof of the lease in time, so the key was dropped"
        case Stage.DROPPING | Stage.RELEASING | Stage.LOST:
            return Role.DEMOTING, f"{term}: {hold.cause}"


IDLE_WAKE_S = 0.5
HOLDING_WAKE_S = 0.05


def next_wake(state: State, now: float) -> float:
    """When :func:`decide` wants a tick at the latest, on CLOCK_BOOTTIME."""
    hold = state.hold
    if state.forced is not None:
        return now + HOLDING_WAKE_S
    if hold is None:
        contending = state.free_since is not None or state.acquiring
        return now + (HOLDING_WAKE_S if contending else IDLE_WAKE_S)
    if hold.stage is not Stage.ARMED:
        return now + HOLDING_WAKE_S
    until_beat = hold.next_beat_at if not hold.beat_in_flight else now + IDLE_WAKE_S
    return max(now + 0.005, min(until_beat, now + IDLE_WAKE_S / 2))
