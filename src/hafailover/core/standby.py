"""What a host does that does not hold the lock: stand ready, and take the lock when it is free."""

from __future__ import annotations

from hafailover.core import events as ev
from hafailover.core import foreign, gates, history
from hafailover.core.beat import Phase, StoredBeat
from hafailover.core.changed import replace
from hafailover.core.effects import (
    AbandonSession,
    Acquire,
    DropGuard,
    Effect,
    ExpectHandover,
    KillHand,
    RenewHistory,
    RestartNeard,
    WatchClosely,
)
from hafailover.core.sightings import Wait, note, successor_wait, with_short_memory
from hafailover.core.state import Hold, Stage, State
from hafailover.core.views import KeyState, NeardPhase
from hafailover.timing import GUARD_SILENCE_S

SEQUENCE_LEAP = 1000
"""Far more beats than one agent can have sent since the last one that Consul shows."""


SHORT_MEMORY_HEAD_START_S = 1.0
"""How long a host that has not watched for long leaves a free lock to those that have."""

TAKE_UP_S = 15.0
"""So long a host tries to go on with a lock that it has, without a term yet. No guard's grant is longer, so
nothing is lost by then; and as long as it has the lock, nobody else signs."""

TELL_S = 1.0
"""A lock of its own that is not a term yet is no news for so long: every acquisition comes by there."""

NEWS_S = 0.1
"""A release changes lock and heartbeat in one step, but two watches bring the news, one after the other."""


def step(state: State, now: float) -> tuple[State, list[Effect]]:
    for act in (_kill_hand, _expect_handover, _drop_stray_key):
        state, effects = act(state, now)
        if effects:
            return state, effects
    if _should_restart_neard(state):
        assert state.heartbeat is not None
        term = state.heartbeat.beat.term
        reason = f"it held the key once, and {state.heartbeat.beat.node} signs now"
        return replace(state, restarted_for=term), [RestartNeard(reason)]
    if state.acquiring or state.session is None or state.lock is None:
        return state, []
    if state.lock.session == state.session:
        if now < state.retry_at:
            return state, []
        over = state.lock.index <= state.ended_term
        return _leave_what_is_over(state, now) if over else _take_up_again(state, now)
    if state.lock.session is not None or state.free_since is None:
        return state, []
    if rest(state, now) or gates.standby_problems(state, now):
        return state, []
    effects = [Acquire(state.session)]
    if not state.watching_closely:
        effects.append(WatchClosely(True))
    return replace(state, acquiring=True, watching_closely=True), effects


def rest(state: State, now: float) -> str:
    """Why this host, if it is ready, leaves the lock alone now; empty if it is held, or asked for."""
    if state.lock is None:
        return "it does not know yet who holds the lock"
    if state.session is not None and state.lock.session == state.session and now - state.lock_at > TELL_S:
        return "it holds the lock, and has not read yet what came before it"
    if state.acquiring or state.lock.session is not None or state.free_since is None:
        return ""
    if gates.is_paused(state, now) and not (_is_named(state) or _was_the_active(state)):
        return gates.PAUSED
    why = ""
    if now < state.acquire_at and not _is_named(state):
        why = f"it gave the lock up itself, and others have {state.config.backoff_s:g} s to take it"
    elif now < state.retry_at:
        why = "its last try to take it has just failed"
    else:
        seconds, whose = _head_start(state, now)
        why = whose if now < state.free_since + seconds else ""
    return f"it leaves the free lock alone: {why}" if why else ""


def acquire_answered(state: State, event: ev.AcquireAnswered, now: float) -> tuple[State, list[Effect]]:
    """The lock was taken, or it was not. Ours from now on are its term and what came before it."""
    state = replace(state, acquiring=False)
    if event.outcome is not ev.Outcome.OK or state.session is None:
        effects: list[Effect] = []
        if state.watching_closely:
            state, effects = replace(state, watching_closely=False), [WatchClosely(False)]
        return replace(state, retry_at=now + state.config.profile.retry_s), effects
    if history.goes_back(state, event.history, event.term):
        why = f"Consul's index has gone back to {event.term}: its history gets a new id"
        state, effects = _abandon(state, why, now)
        return state, [RenewHistory(event.history), *effects]
    state = history.seen(state, event.history, True, now)
    if event.term <= state.ended_term:
        return _abandon(state, f"term {event.term} is over and must not be taken up again", now)
    state = replace(state, dropped=state.dropped | event.dropped)
    previous = event.predecessor
    if previous is not None and previous.beat.term == event.term:
        return _resume(state, event, previous, now)
    profile = state.config.profile
    own = state.config.node
    wait = successor_wait(state.sightings, previous, state.vouches, now, profile, state.history, own=own)
    handed = _saw_the_handover(state, previous)
    if not handed:
        since = state.watching_since if state.watching_since is not None else now
        wait = with_short_memory(wait, since, profile)
    if previous is not None and previous.beat.history == state.history:
        state = replace(state, sightings=note(state.sightings, previous, now))
    return _begin(state, event, wait, previous if wait.known else None, now, handed)


def _saw_the_handover(state: State, previous: StoredBeat | None) -> bool:
    """Whether this host, the target of a planned handover, has watched live the term that was released to it.

    No backup can make it see that, so what the release says is true, however short its memory.
    """
    if previous is None:
        return False
    beat, request = previous.beat, state.request
    return (
        beat.phase is Phase.RELEASED
        and beat.handover_to == state.config.node
        and request is not None
        and request.id == state.expected_request
        and request.term == beat.term
        and any(s.term == beat.term and s.sequence < beat.sequence for s in state.sightings.seen)
        and any((one.term, one.node) == (beat.term, beat.node) for one in state.sightings.promises)
    )


def _take_up_again(state: State, now: float) -> tuple[State, list[Effect]]:
    """Our own lock, from before this agent restarted, or from an acquisition whose answer was lost."""
    assert state.lock is not None and state.session is not None
    guard, term = state.guard, state.lock.index
    if now - state.lock_at > TAKE_UP_S:
        return _abandon(state, "it holds the lock, but cannot read what came before it", now)
    if guard is not None and guard.key is KeyState.LOADED and guard.term != term:
        if state.stray_term == guard.term:
            return state, []
        dropped = replace(state, stray_term=guard.term)
        return dropped, [
            DropGuard(guard.term, True, f"the lock is held in term {term}, not {guard.term}", guard.history)
        ]
    if guard is not None and guard.key in (KeyState.LOADED, KeyState.ABSENT):
        return replace(state, acquiring=True), [Acquire(state.session)]
    # Whether neard has the key is not known yet. A lock that this host cannot use must not stay taken.
    if now - max(state.guard_at, state.lock_at) > state.config.patience_s:
        return _abandon(state, "it holds the lock, but no guard says whether neard has the key", now)
    return state, []


def _leave_what_is_over(state: State, now: float) -> tuple[State, list[Effect]]:
    """The lock as this host's own in a term that it has ended: most likely news from before that end.

    A blocking query that ends without news answers with what stood there when it began. Whoever took that for
    a lock of its own would take back what it has just handed over, whatever its back-off.
    """
    if now - state.lock_at <= state.config.patience_s:
        return state, []
    return _abandon(state, "it holds the lock still, in a term that is over", now)


def _abandon(state: State, reason: str, now: float) -> tuple[State, list[Effect]]:
    assert state.session is not None
    gone = replace(state, session=None, lock=None, free_since=None, acquire_at=now + state.config.backoff_s)
    return gone, [AbandonSession(state.session, reason)]


def _begin(
    state: State,
    event: ev.AcquireAnswered,
    wait: Wait,
    predecessor: StoredBeat | None,
    now: float,
    handed: bool = False,
) -> tuple[State, list[Effect]]:
    assert state.session is not None
    hold = Hold(
        session=state.session,
        term=event.term,
        stage=Stage.WAITING,
        stage_since=now,
        acquired_at=event.sent_at,
        wait=wait,
        predecessor=predecessor,
        first=foreign.nobody_on_record(event.predecessor),
        next_beat_at=now,
        gone_within_s=max(wait.gone_within_s, gates.promise_s(state)),
        history=state.history,
        began_at=now,
        highest_term=state.sightings.highest_term,
        handed=handed,
    )
    if state.quiet_since < state.height_at:
        state = replace(state, quiet_since=now)
    # Said again even if it watches closely already: it makes for a look right now, which arming waits for.
    return replace(state, hold=hold, watching_closely=True), [WatchClosely(True)]


def _resume(
    state: State, event: ev.AcquireAnswered, own: StoredBeat, now: float
) -> tuple[State, list[Effect]]:
    """This agent has restarted in a term of its own: go on with it if the guard still holds the key.

    If not, the term is not armed again: what the agent before wrote last, a release perhaps, may still be on
    its way to Consul, and only the end of the session makes sure that it changes nothing.
    """
    guard = state.guard
    ours = guard is not None and (guard.term, guard.history) == (event.term, state.history)
    if guard is None or not ours or guard.key is not KeyState.LOADED:
        return _abandon(state, f"term {event.term} is from before a restart, and its key is not loaded", now)
    wait = Wait(now, own.beat.gone_within_s, "this host was active in this term already")
    state, effects = _begin(state, event, wait, own, now)
    assert state.hold is not None
    hold = replace(
        state.hold,
        stage=Stage.ARMED,
        # Beats of the agent before may still be on their way: none of them may be taken for one of ours.
        sequence=own.beat.sequence + SEQUENCE_LEAP,
        # No beat of this agent's own has succeeded yet, so the guard keeps the deadline that it has: that of
        # the agent before, which the promise must cover.
        gone_within_s=max(own.beat.gone_within_s, gates.promise_s(state)),
        ever_armed=True,
    )
    return replace(state, hold=hold), effects


def _has_short_memory(state: State, now: float) -> bool:
    since = state.watching_since
    return since is None or now < since + state.config.profile.longest_wait_s


def _is_named(state: State) -> bool:
    """Whether the free lock was handed to this host by name: then no pause of its own holds it back.

    It is good for one term: the watch of the heartbeat may be behind that of the lock.
    """
    beat = state.heartbeat.beat if state.heartbeat else None
    if beat is None or beat.phase is not Phase.RELEASED or beat.term <= state.ended_term:
        return False
    return state.lock is not None and state.lock.session is None and beat.handover_to == state.config.node


def _was_the_active(state: State) -> bool:
    """Whether nobody else has been active since this host was: then it takes over from itself."""
    if state.heartbeat is None:
        return False
    beat = state.heartbeat.beat
    last = beat.inherits if beat.phase is Phase.PASSED and beat.inherits is not None else beat
    return last.node == state.config.node and last.phase is not Phase.PASSED


def _head_start(state: State, now: float) -> tuple[float, str]:
    """How long this host leaves a free lock to others who should have it first, and to whom."""
    config = state.config
    beat = state.heartbeat.beat if state.heartbeat else None
    if beat is not None and beat.phase is Phase.RELEASED and beat.handover_to not in (None, config.node):
        seconds = config.handover_headstart_s
        return seconds, f"it was handed to {beat.handover_to}, which has {seconds:g} s to take it"
    starts = [(0.0, "")]
    if gates.better_standby(state):
        seconds = config.profile.retry_s
        starts.append((seconds, f"a standby that ranks above it has {seconds:g} s to take it"))
    if not _is_named(state) and _has_short_memory(state, now):
        # It would have to wait for long anyway; others may not have to.
        seconds = SHORT_MEMORY_HEAD_START_S
        starts.append(
            (seconds, f"it has not watched the heartbeat for long, and others have {seconds:g} s to take it")
        )
    if _may_be_handed_over(state):
        starts.append((NEWS_S, "news of a handover may be under way"))
    return max(starts, key=lambda start: start[0])


def _may_be_handed_over(state: State) -> bool:
    """Whether a beat that names another host as the target may have been written, but not seen yet."""
    assert state.lock is not None
    asked_for = state.request is not None and state.request.to == state.config.node
    return state.heartbeat is not None and state.heartbeat.index < state.lock.index and not asked_for


def _kill_hand(state: State, now: float) -> tuple[State, list[Effect]]:
    """A guard that has the key and says nothing may be frozen, with nobody else to watch it."""
    guard = state.guard
    if guard is None or guard.key is KeyState.ABSENT or state.killed_after == state.guard_reports:
        return state, []
    if not gates.guard_is_silent(state, now):
        return state, []
    killed = replace(state, killed_after=state.guard_reports)
    return killed, [KillHand(f"the guard has been silent for {GUARD_SILENCE_S:g} s")]


def _expect_handover(state: State, _: float) -> tuple[State, list[Effect]]:
    request = state.request
    if request is None or request.to != state.config.node or request.id == state.expected_request:
        return state, []
    return replace(state, expected_request=request.id), [ExpectHandover()]


def _drop_stray_key(state: State, _: float) -> tuple[State, list[Effect]]:
    """A key that is loaded although this host holds no lock, and no term of its own is left to take up."""
    guard, lock = state.guard, state.lock
    if guard is None or guard.key not in (KeyState.LOADED, KeyState.LOADING) or state.acquiring:
        return state, []
    if lock is None or state.session is None or guard.term == state.stray_term:
        return state, []
    if lock.session == state.session and lock.index > state.ended_term:
        return state, []
    told = replace(state, stray_term=guard.term)
    return told, [DropGuard(guard.term, True, "this host does not hold the lock", guard.history)]


def _should_restart_neard(state: State) -> bool:
    """A neard that once held the key advertises itself for it until it exits: nearcore keeps the record.

    Most are restarted with the release itself (:func:`hafailover.core.leaving.gives_neard_up`); this is for a
    host whose term ended while nobody was known to take over, and for one that was told in vain.
    """
    config, guard, heartbeat = state.config, state.guard, state.heartbeat
    return (
        config.restart_after_drop
        and guard is not None
        and guard.tainted
        and guard.key is KeyState.ABSENT
        and guard.neard is not NeardPhase.STOPPING
        and heartbeat is not None
        and heartbeat.beat.phase is Phase.ACTIVE
        and heartbeat.beat.node != config.node
        and heartbeat.beat.term > max(state.ended_term, state.restarted_for)
    )
