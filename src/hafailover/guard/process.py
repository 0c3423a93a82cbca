"""The life of the neard process, as the guard decides it: starts, exits, pauses, signals."""

from __future__ import annotations

from dataclasses import replace

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import fileops
from hafailover.guard import model as m

Step = tuple[m.Guard, list[m.GuardEffect]]

KILL_AGAIN_S = 0.5
TERMINATE_AGAIN_S = 5.0
"""neard can lose a signal that comes while it reads its files."""
TERMINATE_SOON_S = 0.5
"""The same after a drop, whose own signals have neard read them at that very time."""
PROBE_BOOT_S = 0.2
PROBE_AGAIN_S = 0.01
"""While a load or a drop is awaited; neard answers /status from memory."""


def prepared(guard: m.Guard, now: float) -> Step:
    guard, effects = fileops.ended(guard, m.Link.GONE, now)
    if guard.phase is not NeardPhase.DOWN or guard.stopping:
        return guard, effects
    return guard, [*effects, m.StartNeard()]


def prepare_failed(guard: m.Guard, problem: str, now: float) -> Step:
    guard, effects = fileops.ended(guard, m.Link.REMOVING, now)
    guard, more = start_failed(guard, problem, now)
    return guard, effects + more


def started(guard: m.Guard, pid: int, now: float) -> Step:
    guard = replace(
        guard,
        phase=NeardPhase.BOOTING,
        pid=pid,
        started_at=now,
        restarts=guard.restarts + 1,
        restart_now=False,
        kill_at=None,
        killed=False,
        terminate_at=None,
        tainted=guard.start_with_key,
        start_with_key=False,
        probe=guard.probe + 1,
        probing=False,
        probe_at=now + PROBE_AGAIN_S,
    )
    if guard.stopping:
        guard, effects = terminate(guard, now)
        return guard, effects
    return guard, [m.Report(f"neard started with pid {pid}")]


def start_failed(guard: m.Guard, problem: str, now: float) -> Step:
    removal: list[m.GuardEffect] = []
    if guard.key is not KeyState.ABSENT:
        guard, removal = fileops.remove(guard, now)
    guard = replace(
        _back_off(guard, now, ran_s=0.0),
        phase=NeardPhase.DOWN,
        pid=None,
        key=KeyState.ABSENT,
        start_with_key=False,
        problem=problem,
        problem_until=None,
        refused_term=refused(guard),
    )
    return guard, [*removal, m.Report(problem)]


def exited(guard: m.Guard, pid: int, code: int, now: float) -> Step:
    if pid != guard.pid:
        return guard, []
    how = f"killed by signal {-code}" if code < 0 else f"exited with code {code}"
    ran_s = now - guard.started_at
    had_key = guard.key is not KeyState.ABSENT
    arming = guard.start_with_key and guard.key is KeyState.LOADING and now < guard.deadline
    guard = replace(
        guard,
        phase=NeardPhase.DOWN,
        pid=None,
        kill_at=None,
        killed=False,
        terminate_at=None,
        tainted=False,
        stranger="",
        probing=False,
        probe=guard.probe + 1,
    )
    if guard.stopping:
        guard, removal = fileops.remove(guard, now)
        gone = replace(guard, key=KeyState.ABSENT, next_start_at=None)
        return gone, [*removal, m.Report(f"neard {how}"), m.Quit()]
    if arming:
        guard, place = fileops.place(replace(guard, next_start_at=None), now)
        return guard, [place]
    drop_s = now - guard.key_since if guard.key is KeyState.DROPPING else guard.drop_s
    soon = guard.restart_now or guard.key is KeyState.DROPPING
    guard = replace(
        guard, key=KeyState.ABSENT, start_with_key=False, drop_s=drop_s, refused_term=refused(guard)
    )
    guard = replace(guard, next_start_at=now, restart_now=False) if soon else _back_off(guard, now, ran_s)
    effects: list[m.GuardEffect] = []
    if had_key:
        guard, effects = fileops.remove(guard, now)
    return guard, [*effects, m.Report(f"neard {how}")]


def refused(guard: m.Guard) -> int:
    """The highest term whose load has failed, if the one under way fails now."""
    return max(guard.refused_term, guard.term) if guard.key is KeyState.LOADING else guard.refused_term


def _back_off(guard: m.Guard, now: float, ran_s: float) -> m.Guard:
    config = guard.config
    if ran_s >= config.stable_s or guard.backoff_s == 0.0:
        pause = config.backoff_first_s
    else:
        pause = min(guard.backoff_s * 2, config.backoff_most_s)
    return replace(guard, backoff_s=pause, next_start_at=now + pause)


def kill_now(guard: m.Guard, now: float, reason: str) -> Step:
    if guard.pid is None:
        return guard, [m.Report(reason)]
    return replace(guard, kill_at=now + KILL_AGAIN_S, killed=True), [m.KillNeard(), m.Report(reason)]


def terminate(guard: m.Guard, now: float, *, handed: bool = False) -> Step:
    """SIGTERM. :param handed: another host has the key by now, so neard's end is not waited for long."""
    config = guard.config
    guard = replace(
        guard,
        phase=NeardPhase.STOPPING,
        kill_at=now + (min(config.stop_s, config.handed_stop_s) if handed else config.stop_s),
        terminate_at=now + (TERMINATE_SOON_S if handed else TERMINATE_AGAIN_S),
        restart_now=True,
    )
    return guard, [m.TerminateNeard()]


def restart(guard: m.Guard, reason: str, now: float) -> Step:
    if guard.key is not KeyState.ABSENT or guard.phase not in (NeardPhase.UP, NeardPhase.BOOTING):
        return guard, []
    guard, effects = terminate(guard, now, handed=True)
    return guard, [*effects, m.Report(f"restarting neard: {reason}")]
