"""How a holder of the lock gives it up: first the key, confirmed gone, and only then the lock."""

from __future__ import annotations

from hafailover.core import events as ev
from hafailover.core import gates
from hafailover.core.beat import Beat, Phase
from hafailover.core.changed import replace
from hafailover.core.effects import (
    DropGuard,
    Effect,
    RecordDropped,
    RecordTerm,
    Release,
    RestartNeard,
    Vouch,
    WatchClosely,
)
from hafailover.core.state import Hold, Stage, State, Step
from hafailover.core.views import GuardView, KeyState, NeardPhase
from hafailover.timing import LONGEST_GONE_WITHIN_S

VOUCH_AGAIN_S = 0.2
"""A guard that has not given its word is asked again after so long; it answers within a millisecond."""


def lose(state: State, why: str, now: float) -> Step:
    """A definite loss: drop at once; this term is over for good."""
    hold = state.hold
    assert hold is not None
    if hold.stage is Stage.LOST:
        return state, []
    cause = f"lock lost: {why}"
    hold = replace(
        hold,
        stage=Stage.LOST,
        stage_since=now,
        cause=cause,
        handover_to=None,
        drop_told=state.guard_reports,
        gone_since=None,
    )
    return replace(state, hold=hold), [DropGuard(hold.term, True, hold.cause, hold.history)]


def is_of(guard: GuardView, hold: Hold) -> bool:
    """Whether the guard's last grant is of this very term: numbers alone come again in another history."""
    return guard.term == hold.term and guard.history == hold.history


def key_is_gone(state: State, term: int, history: str) -> bool:
    """Whether this host's key is confirmed gone and cannot come back in this term."""
    if state.hand_gone:
        return True
    guard = state.guard
    return guard is not None and guard.key is KeyState.ABSENT and _has_retired(guard, term, history)


def is_to_be_told_again(state: State, term: int, history: str, told: int) -> bool:
    """Whether the guard knows nothing of the drop: one that has just come back, for instance.

    :param told: of the guards' reports, the last one before it was told.
    """
    guard = state.guard
    return guard is not None and not _has_retired(guard, term, history) and state.guard_reports > told


def _has_retired(guard: GuardView, term: int, history: str) -> bool:
    return guard.history == history and guard.retired >= term


def awaits_word(state: State, hold: Hold, now: float) -> Step | None:
    """Asks this host's guard for its word that the key is gone; ``None`` when there is nothing to wait for.

    Without a word a successor waits as for a host that died. A guard that has died with its neard comes back
    in a moment, and until then nobody could sign anyway.
    """
    guard = state.guard
    if hold.word is None and guard is not None and guard.word is not None:
        word = guard.word
        if (word.term, word.history, word.handover_to) == (hold.term, hold.history, hold.handover_to):
            return replace(state, hold=replace(hold, word=word)), []
    if hold.word is not None:
        return None
    if hold.gone_since is None:
        return replace(state, hold=replace(hold, gone_since=now)), []
    if now - hold.gone_since >= state.config.patience_s:
        return None
    if guard is None or now < hold.vouch_at:
        return state, []
    hold = replace(hold, vouch_at=now + VOUCH_AGAIN_S)
    height = gates.head_height(state)
    return replace(state, hold=hold), [Vouch(hold.term, hold.history, height, hold.handover_to)]


def lapsed(state: State, hold: Hold, now: float) -> bool:
    """Whether the lease went without proof for so long that another host may have taken over and armed.

    A later proof in the same term says that none has, unless Consul was restored from a backup meanwhile.
    """
    since = hold.proven_at if hold.proven_at is not None else hold.acquired_at
    return now - since > state.config.profile.gone_within_s


def after_lapse(state: State, hold: Hold, now: float) -> Hold:
    """The hold whose lease is proved again, with its doubts if it had lapsed.

    Until they are over it does not arm, and what it says of itself lets nobody else arm sooner.
    """
    if not lapsed(state, hold, now):
        return hold
    return replace(
        hold,
        doubt_until=now + state.config.profile.longest_wait_s,
        gone_within_s=max(hold.gone_within_s, LONGEST_GONE_WITHIN_S),
        predecessor=None,
    )


def release_answered(state: State, event: ev.ReleaseAnswered, now: float) -> Step:
    hold = state.hold
    if hold is None or hold.term != event.term or hold.stage is not Stage.RELEASING:
        return state, []
    hold = replace(hold, release_in_flight=False)
    if event.outcome is ev.Outcome.NO_PROOF:
        return replace(state, hold=replace(hold, next_beat_at=now + state.config.profile.retry_s)), []
    # Refused means that the lock is not ours any more: an earlier try got through, or the session ended.
    return end(state, hold, now)


def give_way(
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
        gone_since=None,
    )
    backoff = now + state.config.backoff_s
    return (
        replace(state, hold=hold, unfit_since=None, acquire_at=backoff),
        [DropGuard(hold.term, False, cause, hold.history)],
    )


def dropping(state: State, hold: Hold, now: float) -> Step:
    never = not hold.ever_armed and state.guard is None
    if not never and not key_is_gone(state, hold.term, hold.history):
        return _drop_again(state, hold)
    if not never and (asking := awaits_word(state, hold, now)) is not None:
        return asking
    settled = now if _tells_its_last_block(state, hold) else now + state.config.settle_s
    hold = replace(hold, stage=Stage.RELEASING, stage_since=now, next_beat_at=settled)
    return replace(state, hold=hold), []


def _tells_its_last_block(state: State, hold: Hold) -> bool:
    """Whether the target of a handover learns with the release what this host signed last.

    A neard that has confirmed the drop has told its head since; one that was killed may have signed a block
    just before. Whoever is not the target of a handover waits for that by itself.
    """
    up = state.guard is not None and state.guard.neard is NeardPhase.UP
    return up or hold.handover_to is None or not hold.ever_armed


def _drop_again(state: State, hold: Hold) -> Step:
    if not is_to_be_told_again(state, hold.term, hold.history, hold.drop_told):
        return state, []
    hold = replace(hold, drop_told=state.guard_reports)
    urgent = hold.stage is Stage.LOST
    return replace(state, hold=hold), [DropGuard(hold.term, urgent, hold.cause, hold.history)]


def releasing(state: State, hold: Hold, now: float) -> Step:
    if hold.release_in_flight or hold.beat_in_flight or now < hold.next_beat_at:
        return state, []
    sequence = hold.sequence + 1
    if lapsed(state, hold, now) or now < hold.doubt_until:
        # Its own key is gone, but it cannot vouch for others'.
        hold = replace(hold, final=Phase.PASSED, predecessor=None)
    beat = Beat(
        term=hold.term,
        sequence=sequence,
        node=state.config.node,
        phase=hold.final,
        gone_within_s=hold.gone_within_s,
        # The word is for this very height; nothing was signed since.
        height=hold.word.height if hold.word is not None else gates.head_height(state),
        handover_to=hold.handover_to,
        cause=hold.cause[:200],
        inherits=hold.passed_on if hold.final is Phase.PASSED else None,
        history=hold.history,
        word=hold.word.word if hold.word is not None else "",
    )
    hold = replace(hold, sequence=sequence, release_in_flight=True)
    effects: list[Effect] = [Release(hold.session, beat)]
    if gives_neard_up(state, hold, now):
        state, more = restart_neard(state, hold)
        return state, effects + more
    return replace(state, hold=hold), effects


def restart_neard(state: State, hold: Hold) -> Step:
    """Once in a term."""
    reason = f"it held the key until now, and {hold.handover_to or 'another host'} takes over"
    return replace(state, hold=replace(hold, restart_told=True)), [RestartNeard(reason)]


def gives_neard_up(state: State, hold: Hold, now: float) -> bool:
    """Whether this host's neard, whose key is gone, is to restart now, since another host takes over.

    As long as it lives it answers the new holder's record with a newer one of its own, and its connections
    swallow what is sent to the account. So it goes as the lock goes: neither waits for the other. It stays
    where nobody else is known to be ready: then this host itself may have to sign next.
    """
    guard = state.guard
    return (
        state.config.restart_after_drop
        and hold.ever_armed
        and not hold.restart_told
        and guard is not None
        and guard.tainted
        and (guard.key, guard.neard) == (KeyState.ABSENT, NeardPhase.UP)
        and _another_takes_over(state, hold, now)
    )


def _another_takes_over(state: State, hold: Hold, now: float) -> bool:
    if hold.handover_to is not None:
        return True
    # While failover is paused, only who was the active takes a free lock.
    return not gates.is_paused(state, now) and bool(gates.ready_standbys(state))


def lost(state: State, hold: Hold, now: float) -> Step:
    if not key_is_gone(state, hold.term, hold.history):
        return _drop_again(state, hold)
    # Only a term that was waited out before it armed may say so: while one waits, its predecessor may sign.
    # And nobody asks for one of a history that is over.
    tells = hold.ever_armed and now >= hold.doubt_until and hold.history == state.history
    if tells and (asking := awaits_word(state, hold, now)) is not None:
        return asking
    after, effects = end(state, hold, now)
    if tells and hold.word is not None:
        effects.insert(0, RecordDropped(hold.word))
    if gives_neard_up(state, hold, now):
        effects += restart_neard(state, hold)[1]
    return after, effects


def end(state: State, hold: Hold, now: float) -> Step:
    effects: list[Effect] = [WatchClosely(False)] if state.watching_closely else []
    if hold.ever_armed:
        # An agent that was frozen learns of the end when its head is far beyond.
        height = hold.gone_height if hold.gone_height is not None else gates.head_height(state)
        effects.append(RecordTerm(hold.term, False, hold.cause, None, height, now - hold.acquired_at))
    # What the watch last showed was our own lock; wait for it to show what came after.
    lock = state.lock if state.lock is not None and state.lock.session != hold.session else None
    state = replace(
        state,
        hold=None,
        lock=lock,
        free_since=state.free_since if lock is not None else None,
        ended_term=max(state.ended_term, hold.term) if hold.history == state.history else state.ended_term,
        watching_closely=False,
        unfit_since=None,
    )
    return state, effects
