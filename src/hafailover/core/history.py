"""The id of Consul's history: what was known of another history is worth nothing in this one. Pure.

Consul's index, and with it every term, starts again when all servers have lost their data or a cluster was
made anew. The id, made once in Consul's KV, tells such a history from the one before.
"""

from __future__ import annotations

from hafailover.core.changed import replace
from hafailover.core.sightings import Sightings
from hafailover.core.state import State
from hafailover.core.words import Vouches

PAST_KEPT = 16


def seen(state: State, history: str, certain: bool, now: float) -> State:
    """Takes note of the history's id; another one than before makes all of the past void.

    :param certain: it was read from a leader. What a watch shows may lag behind, so it never brings back one
        that is over.
    """
    if not history or history == state.history:
        return state
    if not state.history and (state.heartbeat is None or state.heartbeat.beat.history == history):
        return replace(state, history=history)
    if history in state.past_histories and not certain:
        return state
    past = tuple(one for one in (*state.past_histories, state.history) if one and one != history)
    beat = state.heartbeat.beat if state.heartbeat is not None else None
    return replace(
        state,
        history=history,
        past_histories=past[-PAST_KEPT:],
        heartbeat=state.heartbeat if beat is not None and beat.history == history else None,
        sightings=Sightings(),
        # All that was written before is gone from Consul, and may be anywhere else: the longest wait begins.
        watching_since=now,
        dropped=frozenset(),
        vouches=Vouches(),
        ended_term=0,
        restarted_for=0,
        stray_term=-1,
    )


def goes_back(state: State, history: str, term: int) -> bool:
    """Whether a term just taken is lower than one that was there before: Consul's index went back.

    So it is where a backup was restored or an old state imported, with the id of a history that has gone on
    since, or that is over.
    """
    if history != state.history:
        return history in state.past_histories
    guard = state.guard
    retired = guard.retired if guard is not None and guard.history == history else 0
    return term < max(state.ended_term, state.sightings.highest_term, retired)
