"""What the guard does next: a pure function of its state, an event and the time."""

from __future__ import annotations

from dataclasses import replace

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import fileops, key, process, vouch
from hafailover.guard import model as m
from hafailover.guard.model import Link
from hafailover.guard.process import KILL_AGAIN_S, PROBE_AGAIN_S, PROBE_BOOT_S, TERMINATE_AGAIN_S, Step
from hafailover.timing import GRANT_TICK_S

IDLE_S = 1.0
_TOLD = ((KeyState.LOADING, Link.PLACED), (KeyState.DROPPING, Link.GONE))
"""When neard is to read its files again: the link is seen to be as it should be."""


def decide(guard: m.Guard, event: m.GuardEvent, now: float) -> Step:
    """One step. :param now: CLOCK_BOOTTIME in seconds."""
    match event:
        case m.Tick():
            effects: list[m.GuardEffect] = []
        case m.Started(pid):
            guard, effects = process.started(guard, pid, now)
        case m.StartFailed(problem):
            guard, effects = process.start_failed(guard, problem, now)
        case m.Exited(pid, code):
            guard, effects = process.exited(guard, pid, code, now)
        case m.Lingers(pid, problem):
            guard, effects = key.lingers(guard, pid, problem, now)
        case m.Probed():
            guard, effects = key.probed(guard, event, now)
        case m.ProbeFailed(probe, _, stranger):
            effects = []
            if probe == guard.probe:
                pause = PROBE_BOOT_S if guard.phase is NeardPhase.BOOTING else PROBE_AGAIN_S
                guard = replace(guard, probing=False, probe_at=now + pause)
                guard, effects = key.disowned(guard, stranger)
        case m.KeyShown():
            guard, effects = key.shown(guard, event, now)
        case m.Prepared() | m.PrepareFailed() | m.Linked() | m.LinkFailed() | m.Unlinked() | m.UnlinkFailed():
            guard, effects = _file_ended(guard, event, now)
        case m.ArmAsked():
            guard, effects = vouch.arm(guard, event, now)
        case m.GrantGiven(term, deadline):
            guard, effects = key.grant(guard, term, deadline, now), []
        case m.DropAsked():
            guard, effects = vouch.drop(guard, event, now)
        case m.VouchAsked():
            guard, effects = vouch.give(guard, event)
        case m.CheckAsked(claim):
            guard, effects = vouch.check(guard, claim)
        case m.RestartAsked(reason):
            guard, effects = process.restart(guard, reason, now)
        case m.DrillAsked(whole):
            # The state is left as it is: what follows is to be a surprise, as it is in earnest.
            report = m.Report(f"a drill: {'guard and neard are' if whole else 'neard is'} killed")
            effects = [report, m.KillGuard() if whole else m.KillNeard()]
        case m.StopAsked():
            guard, effects = key.stop(guard, now)
    guard, more = _timers(guard, now)
    return guard, effects + more


FileEvent = m.Prepared | m.PrepareFailed | m.Linked | m.LinkFailed | m.Unlinked | m.UnlinkFailed


def _file_ended(guard: m.Guard, event: FileEvent, now: float) -> Step:
    if event.file != guard.file:
        # Another operation was asked for since, and comes after it.
        return guard, []
    match event:
        case m.Prepared():
            return process.prepared(guard, now)
        case m.PrepareFailed(_, problem):
            return process.prepare_failed(guard, problem, now)
        case m.Linked():
            return key.linked(guard, now)
        case m.LinkFailed(_, problem):
            return key.link_failed(guard, problem, now)
        case m.Unlinked(_, obstacles):
            return key.unlinked(guard, obstacles, now)
        case m.UnlinkFailed(_, problem):
            return key.unlink_failed(guard, problem, now)


def next_wake(guard: m.Guard, now: float) -> float:
    """When :func:`decide` wants to be called again at the latest, on CLOCK_BOOTTIME."""
    wakes = [now + IDLE_S]
    if guard.key is not KeyState.ABSENT or guard.file_since is not None:
        # Short steps: timers of the event loop stand still during suspend, CLOCK_BOOTTIME does not.
        wakes.append(now + GRANT_TICK_S)
    if guard.key in (KeyState.LOADING, KeyState.LOADED):
        wakes.append(guard.deadline)
    if guard.terminate_at is not None:
        wakes.append(guard.terminate_at)
    if guard.kill_at is not None:
        wakes.append(guard.kill_at)
    if _may_start(guard) and guard.next_start_at is not None:
        wakes.append(guard.next_start_at)
    if _wants_probe(guard) and not guard.probing:
        wakes.append(guard.probe_at)
    if _signals(guard):
        wakes.append(guard.signal_at)
    return max(now, min(wakes))


def _timers(guard: m.Guard, now: float) -> Step:
    effects: list[m.GuardEffect] = []
    if guard.problem_until is not None and now >= guard.problem_until:
        guard = replace(guard, problem="", problem_until=None)
        effects.append(m.Report("a failed load may be tried again"))
    overdue = fileops.overdue(guard, now)
    if overdue:
        guard = replace(guard, file_problem=overdue)
        effects.append(m.Report(overdue))
    if _may_start(guard) and guard.next_start_at is not None and now >= guard.next_start_at:
        guard, prepare = fileops.prepare(guard, now)
        return replace(guard, next_start_at=None), [*effects, prepare]
    if guard.key in (KeyState.LOADING, KeyState.LOADED) and now >= guard.deadline:
        guard, more = key.begin_drop(guard, now, urgent=True, reason="the grant ran out")
        return guard, effects + more
    why_slow = _load_overdue(guard, now)
    if why_slow:
        guard, more = key.refuse_load(guard, why_slow, now)
        return guard, effects + more
    if guard.key is KeyState.ABSENT and fileops.removal_overdue(guard, now):
        guard, more = process.kill_now(guard, now, "the key link is not removed in time, so neard is killed")
        return guard, effects + more
    if _kill_due(guard, now):
        reports = [] if guard.killed else [m.Report(_why_killed(guard))]
        return replace(guard, kill_at=now + KILL_AGAIN_S, killed=True), [*effects, m.KillNeard(), *reports]
    if guard.terminate_at is not None and now >= guard.terminate_at and not guard.killed:
        guard = replace(guard, terminate_at=now + TERMINATE_AGAIN_S)
        effects.append(m.TerminateNeard())
    if _signals(guard) and now >= guard.signal_at:
        guard = replace(guard, signal_at=now + _resend_s(guard))
        effects.append(m.SignalReload())
    if _wants_probe(guard) and not guard.probing and now >= guard.probe_at:
        guard = replace(guard, probe=guard.probe + 1, probing=True)
        effects.append(m.ProbeNeard(guard.probe))
    return guard, effects


def _may_start(guard: m.Guard) -> bool:
    """Whether a start may be begun: never before the file operation before it has ended."""
    return guard.phase is NeardPhase.DOWN and guard.file_since is None


def _load_overdue(guard: m.Guard, now: float) -> str:
    if guard.key is not KeyState.LOADING:
        return ""
    limit = guard.config.load_s
    if guard.link is Link.PLACING and guard.file_since is not None and now - guard.file_since > limit:
        return f"the key was not linked within {limit:g} s: check the disk under {guard.config.home}"
    if guard.config.hot_swap and now - guard.key_since > limit:
        return f"neard did not load the key within {limit:g} s"
    return ""


def _kill_due(guard: m.Guard, now: float) -> bool:
    if guard.pid is None or guard.kill_at is None:
        return False
    # Whatever time a drop was given: when the lease ends, so does neard.
    late = guard.deadline + guard.config.drop_budget_s / 2
    overdue = guard.key is KeyState.DROPPING and now >= late and not guard.killed
    return overdue or now >= guard.kill_at


def _why_killed(guard: m.Guard) -> str:
    if guard.phase is NeardPhase.STOPPING:
        return "neard has not stopped in time, so it is killed"
    if guard.link is not Link.GONE:
        return "the key link is not removed in time, so neard is killed"
    return "neard has not confirmed in time that the key is gone, so it is killed"


def _signals(guard: m.Guard) -> bool:
    return (
        guard.config.hot_swap
        and (guard.key, guard.link) in _TOLD
        and guard.phase is NeardPhase.UP
        and not guard.killed
    )


def _resend_s(guard: m.Guard) -> float:
    return guard.config.resend_s if guard.key is KeyState.LOADING else guard.config.drop_resend_s


def _wants_probe(guard: m.Guard) -> bool:
    return guard.phase is NeardPhase.BOOTING or _signals(guard)
