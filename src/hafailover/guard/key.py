"""Arming and dropping: what brings the key into neard and takes it out again, each step confirmed."""

from __future__ import annotations

from dataclasses import replace

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import fileops
from hafailover.guard import model as m
from hafailover.guard.process import (
    KILL_AGAIN_S,
    PROBE_AGAIN_S,
    PROBE_BOOT_S,
    Step,
    kill_now,
    refused,
    terminate,
)
from hafailover.timing import LONGEST_GONE_WITHIN_S

PROBLEM_KEPT_S = 30.0
"""How long a failed load keeps this host from standing: others come first, then it may try again."""


def probed(guard: m.Guard, event: m.Probed, now: float) -> Step:
    if event.probe != guard.probe:
        return guard, []
    guard = replace(guard, probing=False, probe_at=now + PROBE_AGAIN_S)
    pool = guard.config.public_key
    if guard.killed:
        return guard, []
    if event.stranger:
        return _foreign(guard, event, now)
    if guard.phase is NeardPhase.BOOTING:
        return _up(guard, event, now)
    if guard.key is KeyState.LOADING and guard.config.hot_swap:
        if event.public_key == pool:
            return _loaded(guard, event, now)
        if event.public_key is not None:
            return refuse_load(guard, f"neard loaded {event.public_key}, which is not the pool's key", now)
    gone = guard.key is KeyState.DROPPING and guard.link is m.Link.GONE
    if gone and guard.config.hot_swap and event.public_key is None:
        return _dropped(guard, event.height, now)
    return guard, []


def _foreign(guard: m.Guard, event: m.Probed, now: float) -> Step:
    """Somebody else answers: that proves nothing of the guard's own neard, neither a load nor a drop."""
    guard, effects = disowned(guard, event.stranger)
    if guard.phase is NeardPhase.BOOTING:
        guard = replace(guard, probe_at=now + PROBE_BOOT_S)
    if event.public_key == guard.config.public_key and guard.key is KeyState.ABSENT and not guard.tainted:
        guard, more = _alarm(guard, f"a neard has the pool's key, and not from this guard: {event.stranger}")
        effects += more
    if guard.key is KeyState.LOADING:
        guard, more = refuse_load(guard, event.stranger, now)
        effects += more
    return guard, effects


def disowned(guard: m.Guard, stranger: str) -> Step:
    """Notes who answers in place of neard, and says so once."""
    if stranger == guard.stranger or guard.phase is not NeardPhase.BOOTING:
        return guard, []
    said = stranger or "nobody else listens on neard's RPC address"
    return replace(guard, stranger=stranger), [m.Report(said, loud=bool(stranger))]


def _alarm(guard: m.Guard, text: str) -> Step:
    if guard.alarm:
        return guard, []
    return replace(guard, alarm=text), [m.Report(f"ALARM: {text}", loud=True)]


def lingers(guard: m.Guard, pid: int, problem: str, now: float) -> Step:
    """What neard's command has left behind may hold the key, so the key is not gone before that is."""
    if pid != guard.pid:
        return guard, []
    effects: list[m.GuardEffect] = []
    if guard.key in (KeyState.LOADING, KeyState.LOADED):
        why = "neard has ended, but not all that it started"
        guard, effects = begin_drop(guard, now, urgent=True, reason=why)
    if guard.problem != problem:
        effects.append(m.Report(problem, loud=True))
    guard = replace(guard, phase=NeardPhase.STOPPING, problem=problem, problem_until=None)
    return replace(guard, kill_at=now + KILL_AGAIN_S, killed=True), [m.KillNeard(), *effects]


def _up(guard: m.Guard, event: m.Probed, now: float) -> Step:
    clear = guard.problem if guard.problem_until is not None else ""
    guard = replace(guard, phase=NeardPhase.UP, height=event.height, problem=clear, stranger="")
    if guard.key is KeyState.LOADING:
        if event.public_key == guard.config.public_key:
            return _loaded(guard, event, now)
        return refuse_load(guard, "neard was started with the key but does not show it", now)
    if event.public_key is not None and guard.key is KeyState.ABSENT:
        return _taken_back(guard, f"neard was started without the key but shows {event.public_key}", now)
    return guard, [m.Report("neard's RPC answers")]


def shown(guard: m.Guard, event: m.KeyShown, now: float) -> Step:
    """A neard that was up without the key has got one past this guard, as by a file and a reload."""
    keyless = guard.key is KeyState.ABSENT and guard.phase is NeardPhase.UP and not guard.killed
    if not keyless or event.probe != guard.probe:
        return guard, []
    if event.stranger:
        if event.public_key != guard.config.public_key:
            return guard, []
        return _alarm(guard, f"a neard has the pool's key, and not from this guard: {event.stranger}")
    return _taken_back(guard, f"neard shows {event.public_key}, which this guard has not given to it", now)


def _taken_back(guard: m.Guard, why: str, now: float) -> Step:
    guard, effects = kill_now(guard, now, why)
    guard, more = _alarm(guard, why)
    return replace(guard, problem=why, problem_until=now + PROBLEM_KEPT_S), [*effects, *more]


def _loaded(guard: m.Guard, event: m.Probed, now: float) -> Step:
    took = now - guard.key_since
    guard = replace(
        guard,
        key=KeyState.LOADED,
        load_s=took,
        height=event.height,
        tainted=True,
        problem="",
        problem_until=None,
    )
    return guard, [m.Report(f"the key is loaded, after {took * 1000:.0f} ms")]


def _dropped(guard: m.Guard, height: int, now: float) -> Step:
    took = now - guard.key_since
    guard = replace(guard, key=KeyState.ABSENT, kill_at=None, drop_s=took, height=max(height, guard.height))
    effects: list[m.GuardEffect] = [m.Report(f"the key is dropped, after {took * 1000:.0f} ms")]
    if guard.stopping:
        guard, more = terminate(guard, now)
        effects += more
    return guard, effects


def arm(guard: m.Guard, term: int, deadline: float, now: float) -> Step:
    if guard.key in (KeyState.LOADING, KeyState.LOADED) and guard.term == term:
        return grant(guard, term, deadline, now), []
    refusal = _why_not(guard, term, deadline, now)
    if refusal:
        guard = replace(guard, refused_term=max(guard.refused_term, term))
        return guard, [m.Report(f"not arming for term {term}: {refusal}")]
    guard = replace(
        guard,
        key=KeyState.LOADING,
        key_since=now,
        term=term,
        deadline=_capped(guard, deadline, now),
        kill_at=None,
        # A probe sent before the signal would say nothing about it.
        probe=guard.probe + 1,
        probing=False,
    )
    if guard.config.hot_swap:
        guard, place = fileops.place(guard, now)
        return replace(guard, tainted=True), [place]
    guard = replace(guard, start_with_key=True)
    guard, effects = terminate(guard, now)
    return guard, [*effects, m.Report(f"restarting neard with the key for term {term}")]


def _why_not(guard: m.Guard, term: int, deadline: float, now: float) -> str:
    if guard.stopping:
        return "the guard is being stopped"
    if term <= guard.retired:
        return f"term {guard.retired} and all before it are over"
    if not now < deadline <= now + LONGEST_GONE_WITHIN_S:
        return f"the deadline is {deadline - now:.1f} s from now"
    if guard.key is not KeyState.ABSENT:
        return f"the key is {guard.key} for term {guard.term}"
    if guard.killed:
        return "neard is being killed"
    if guard.stranger:
        return guard.stranger
    if guard.phase is not NeardPhase.UP:
        return f"neard is {guard.phase}"
    if guard.file_since is not None:
        lasts = now - guard.file_since
        return f"a file operation has not ended for {lasts:.1f} s: check the disk under {guard.config.home}"
    return ""


def grant(guard: m.Guard, term: int, deadline: float, now: float) -> m.Guard:
    if term != guard.term or guard.key is KeyState.ABSENT or not deadline <= now + LONGEST_GONE_WITHIN_S:
        return guard
    if now >= guard.deadline:
        # Too late: the drop has begun, or begins with the next step. Arming again needs a new request.
        return guard
    return replace(guard, deadline=max(guard.deadline, _capped(guard, deadline, now)))


def _capped(guard: m.Guard, deadline: float, now: float) -> float:
    """No grant outlasts what this host's own timing gives from now, whoever has the agent's socket."""
    return min(deadline, now + guard.config.fence_after_s)


def linked(guard: m.Guard, now: float) -> Step:
    guard, effects = fileops.ended(guard, m.Link.PLACED, now)
    if guard.config.hot_swap:
        guard, more = _tell_neard(guard, guard.config.resend_s, now)
        return guard, effects + more
    if not (guard.start_with_key and now < guard.deadline):
        # The grant has run out meanwhile, which takes the link away again.
        return guard, effects
    return guard, [*effects, m.StartNeard()]


def link_failed(guard: m.Guard, problem: str, now: float) -> Step:
    guard, effects = fileops.ended(guard, m.Link.REMOVING, now)
    guard, removal = fileops.remove(guard, now)
    guard = replace(
        guard,
        refused_term=refused(guard),
        key=KeyState.ABSENT,
        start_with_key=False,
        problem=problem,
        problem_until=now + PROBLEM_KEPT_S,
    )
    if guard.phase is NeardPhase.DOWN and guard.next_start_at is None:
        guard = replace(guard, next_start_at=now)
    return guard, [*effects, *removal, m.Report(problem)]


def unlinked(guard: m.Guard, obstacles: str, now: float) -> Step:
    guard, effects = fileops.ended(guard, m.Link.GONE, now)
    dropping = guard.key is KeyState.DROPPING and guard.config.hot_swap and guard.pid is not None
    if not dropping or guard.killed:
        return guard, effects
    if obstacles:
        guard, more = kill_now(guard, now, f"neard would keep the key: {obstacles}, so neard is killed")
    else:
        guard, more = _tell_neard(guard, guard.config.drop_resend_s, now)
    return guard, effects + more


def unlink_failed(guard: m.Guard, problem: str, now: float) -> Step:
    guard, effects = fileops.ended(guard, m.Link.REMOVING, now)
    if guard.pid is None:
        return guard, [*effects, m.Report(problem)]
    guard, more = kill_now(guard, now, f"{problem}, so neard is killed")
    return guard, effects + more


def _tell_neard(guard: m.Guard, again_s: float, now: float) -> Step:
    """SIGHUP, and the look at what came of it: a probe that was sent before would say nothing about it."""
    guard = replace(guard, signal_at=now + again_s, probe=guard.probe + 1, probing=False, probe_at=now)
    return guard, [m.SignalReload()]


def refuse_load(guard: m.Guard, problem: str, now: float) -> Step:
    guard = replace(
        guard,
        problem=problem,
        problem_until=now + PROBLEM_KEPT_S,
    )
    return begin_drop(guard, now, urgent=True, reason=problem)


def drop_asked(guard: m.Guard, term: int, urgent: bool, reason: str, now: float) -> Step:
    guard = replace(guard, retired=max(guard.retired, term))
    if guard.term > term or guard.key is KeyState.ABSENT:
        return guard, [m.Report(f"term {term} is over: {reason}")]
    if guard.key is KeyState.DROPPING:
        if urgent:
            guard = replace(guard, kill_at=min(guard.kill_at or now + 1e9, _kill_time(guard, now)))
        return guard, [m.Report(f"term {term} is over: {reason}")]
    return begin_drop(guard, now, urgent, reason)


def _kill_time(guard: m.Guard, now: float) -> float:
    return min(now, guard.deadline) + guard.config.drop_budget_s / 2


def begin_drop(guard: m.Guard, now: float, urgent: bool, reason: str) -> Step:
    confirmed = guard.key is KeyState.LOADED
    guard = replace(guard, refused_term=refused(guard))
    guard = replace(
        guard,
        key=KeyState.DROPPING,
        key_since=now,
        start_with_key=False,
        probe=guard.probe + 1,
        probing=False,
    )
    guard, removal = fileops.remove(guard, now)
    report = m.Report(f"dropping the key of term {guard.term}: {reason}")
    if guard.pid is None:
        # Between stop and start of a promotion by restart: nothing runs that could hold the key.
        return replace(guard, key=KeyState.ABSENT, next_start_at=now), [*removal, report]
    if not confirmed:
        # A load that was never seen to take effect could still do so after /status has said "no key".
        guard, effects = kill_now(guard, now, reason)
        return guard, [*removal, *effects]
    if guard.config.hot_swap:
        # neard is told once the link is seen to be gone. The kill waits for nothing.
        return replace(guard, kill_at=_kill_time(guard, now)), [*removal, report]
    if urgent:
        guard, effects = kill_now(guard, now, reason)
        return guard, [*removal, *effects]
    guard, effects = terminate(guard, now)
    return guard, [*removal, *effects, report]


def stop(guard: m.Guard, now: float) -> Step:
    if guard.stopping:
        return guard, []
    guard = replace(guard, stopping=True)
    report = m.Report("the guard is being stopped")
    if guard.pid is None:
        guard, removal = fileops.remove(guard, now)
        guard = replace(guard, next_start_at=None, key=KeyState.ABSENT)
        return guard, [*removal, report, m.Quit()]
    if guard.key in (KeyState.LOADING, KeyState.LOADED):
        guard, effects = begin_drop(guard, now, urgent=False, reason="the guard is being stopped")
        return guard, effects
    if guard.key is KeyState.ABSENT:
        guard, effects = terminate(guard, now)
        return guard, [*effects, report]
    return guard, [report]
