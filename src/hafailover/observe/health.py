"""Whether the agent itself works, and whether its host could sign: answers that can be no."""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.core import foreign, gates
from hafailover.core.state import Stage, State
from hafailover.core.views import Role
from hafailover.observe.production import is_alarming, record_of, trouble

STALL_S = 5.0
GUARD_S = 10.0
SESSION_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A health answer: HTTP status and one line for people."""

    good: bool
    text: str


def healthz(state: State, now: float, without_session_s: float) -> Answer:
    """Whether the agent does its work.

    :param now: CLOCK_BOOTTIME in seconds.
    :param without_session_s: how long it has had no session with Consul.
    """
    stalled = now - state.last_now
    if stalled > STALL_S:
        return Answer(False, f"the agent has decided nothing for {stalled:.0f} s")
    if state.guard is None and now - state.guard_at > GUARD_S:
        return Answer(False, f"no guard has been connected for {now - state.guard_at:.0f} s")
    if state.session is None and without_session_s > SESSION_S:
        return Answer(False, f"no session with Consul for {without_session_s:.0f} s")
    return Answer(True, f"{state.role}: {state.reason}")


def readyz(state: State, now: float) -> Answer:
    """Whether this host signs, not seen to do so for nothing, or would take over if the active died now.

    :func:`is_ready` is without what comes of it, since the pool goes by who has the key.
    """
    stalled = now - state.last_now
    if stalled > STALL_S:
        return Answer(False, f"the agent has decided nothing for {stalled:.0f} s")
    does = record_of(foreign.production(state, now), now)
    text = "; ".join(filter(None, (f"{state.role}: {state.reason}", trouble(does))))
    return Answer(is_ready(state, now) and not is_alarming(does), text)


def is_ready(state: State, now: float) -> bool:
    if state.forced is not None:
        return state.role is Role.FORCED
    if state.hold is not None:
        return state.hold.stage is Stage.ARMED
    return not gates.standby_problems(state, now)
