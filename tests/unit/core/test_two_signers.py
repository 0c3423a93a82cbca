"""Never two signers: whole pools under random faults, in a model that is shown to notice two of them.

``HAFAILOVER_MODEL_SEEDS`` sets how many random runs are made (120 unless given).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from hafailover.core import holder, leaving, sightings, standby
from hafailover.core.beat import Beat, Phase
from hafailover.core.sightings import Wait
from hafailover.core.state import Stage
from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import key
from hafailover.timing import PROFILES

from .model import TwoSignersError, World
from .model_consul import LostError, NotHeldError
from .model_faults import KINDS, Faults
from .model_host import Host

SEEDS = int(os.environ.get("HAFAILOVER_MODEL_SEEDS", "120"))
MUTANT_SEEDS = 60
FAULTS_S = 60.0
CALM_S = 30.0
CHUNK = 5


def run(seed: int, kinds: Sequence[str] = KINDS) -> World:
    """One pool of two or three hosts, a minute of faults, and the time in which all must be well again."""
    world = World(seed, hosts=2 + seed % 2, profile=sorted(PROFILES)[seed % 3])
    Faults(world, FAULTS_S, profiles=seed % 4 == 0, kinds=kinds)
    world.run_until(FAULTS_S + CALM_S)
    return world


def trouble(seed: int) -> str | None:
    """What is wrong with this seed's run, or ``None``."""
    try:
        world = run(seed)
    except TwoSignersError as error:
        return str(error)
    if world.active() is None and any(_fit(host) for host in world.hosts):
        return f"seed {seed}: nobody signs {CALM_S:g} s after the last fault\n" + "\n".join(world.log)
    return None


def _fit(host: Host) -> bool:
    guard = host.guard.guard if host.guard is not None else None
    return guard is not None and guard.phase is NeardPhase.UP and not guard.problem


@pytest.mark.slow
@pytest.mark.timeout(600 + SEEDS)
def test_random_faults_never_make_two_signers_and_one_signs_afterwards() -> None:
    workers = min(4, os.cpu_count() or 1)
    # Forked, so that the workers need not find this module by a name.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        found = [text for text in pool.map(trouble, range(SEEDS), chunksize=CHUNK) if text]
    assert not found, f"{len(found)} of {SEEDS} seeds, the first:\n{found[0]}"


def test_the_model_lives() -> None:
    """Faults strike, terms change and keys move: a model in which nothing happens would prove nothing."""
    worlds = [run(seed) for seed in range(12)]
    assert sum(world.terms for world in worlds) >= 3 * len(worlds)
    assert sum(world.moves for world in worlds) >= 2 * len(worlds)
    assert set().union(*(world.struck for world in worlds)) == set(KINDS)


# --- what happens when a rule is left out


def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "successor_wait", lambda s, p, d, now, profile: Wait(now, 8.5, "mutant"))


def _proof_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    original = holder.beat_answered
    monkeypatch.setattr(
        holder, "beat_answered", lambda state, event, now: original(state, replace(event, sent_at=now), now)
    )


def _passed_as_released(monkeypatch: pytest.MonkeyPatch) -> None:
    original = leaving.releasing

    def releasing(state: Any, hold: Any, now: float) -> Any:
        return original(state, replace(hold, final=Phase.RELEASED), now)

    monkeypatch.setitem(holder._STAGES, Stage.RELEASING, releasing)


def _drop_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "key_is_gone", lambda state, hold: True)


def _wait_from_the_first_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_seen(seen: Any, term: int, sequence: int, index: int | None) -> float | None:
        return min((s.first_seen for s in seen.seen if s.term == term), default=None)

    monkeypatch.setattr(sightings, "first_seen", first_seen)


def _guard_with_a_slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    original = key.grant
    monkeypatch.setattr(
        key, "grant", lambda guard, term, deadline, now: original(guard, term, deadline + 5, now)
    )


def _guard_trusts_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the key for dropped as soon as it has sent SIGHUP."""
    original = key.begin_drop

    def begin_drop(guard: Any, *args: Any, **more: Any) -> Any:
        hot = guard.key is KeyState.LOADED
        guard, effects = original(guard, *args, **more)
        return (replace(guard, key=KeyState.ABSENT, kill_at=None) if hot else guard), effects

    monkeypatch.setattr(key, "begin_drop", begin_drop)


MUTANTS: list[tuple[Callable[[pytest.MonkeyPatch], None], Sequence[str]]] = [
    (_no_wait, KINDS),
    (_proof_from_the_answer, ("frozen in a call, then cut off",)),
    (_passed_as_released, ("freed while it cannot see it",)),
    (_drop_not_confirmed, ("switchover",)),
    (_wait_from_the_first_beat, KINDS),
    (_guard_with_a_slow_clock, ("host cut off", "agent killed")),
    (_guard_trusts_the_signal, ("switchover",)),
]


@pytest.mark.parametrize(
    ("mutant", "kinds"), MUTANTS, ids=[mutant.__name__.strip("_") for mutant, _ in MUTANTS]
)
def test_the_model_notices_a_rule_left_out(
    mutant: Callable[[pytest.MonkeyPatch], None], kinds: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the faults that the rule is there for, so that it need not search for long."""
    mutant(monkeypatch)
    with pytest.raises(TwoSignersError):
        for seed in range(MUTANT_SEEDS):
            run(seed, kinds)


@pytest.mark.parametrize("kinds", sorted({tuple(kinds) for _, kinds in MUTANTS if kinds is not KINDS}))
def test_with_every_rule_the_same_faults_do_no_harm(kinds: Sequence[str]) -> None:
    for seed in range(10):
        run(seed, kinds)


# --- single courses of events, to the point


def settled(seed: int, profile: str = "default") -> tuple[World, Host]:
    """A pool of three with one active, and nothing wrong."""
    world = World(seed, profile=profile)
    world.run_until(40.0)
    active = world.active()
    assert active is not None
    return world, active


@pytest.mark.parametrize(("before", "after"), [("wide", "fast"), ("wide", "default"), ("default", "fast")])
def test_an_agent_restarts_with_a_shorter_profile_and_dies(before: str, after: str) -> None:
    """The guard holds on to the longer grant of the agent before."""
    for seed in range(10):
        world, active = settled(seed, before)
        active.kill_agent()
        active.start_agent(PROFILES[after])
        world.run_until(world.now + 0.4)
        active.kill_agent()
        world.run_until(world.now + 40)


def late_release(
    world: World, phase: Phase, after: float, *steps: tuple[float, Callable[[], object]]
) -> None:
    """The next release of this phase takes effect only ``after`` seconds; meanwhile the ``steps``."""
    release = world.consul.release

    def release_late(session: str, beat: Beat) -> None:
        if beat.phase is not phase:
            release(session, beat)
            return

        def land() -> None:
            world.note("the late release arrives")
            with suppress(NotHeldError):
                release(session, beat)

        world.consul.release = release  # type: ignore[method-assign]
        for delay, step in ((after, land), *steps):
            world.at(delay, step)
        raise LostError

    world.consul.release = release_late  # type: ignore[method-assign]


def freeze(host: Host, seconds: float) -> None:
    assert host.agent is not None
    host.agent.frozen = True
    host.at(seconds, host.agent.thaw)


@pytest.mark.parametrize("seed", range(6))
def test_a_lock_that_was_passed_on_is_taken_up_again_before_the_release_arrives(seed: int) -> None:
    """The target of a handover is not fit after all and passes the lock on; Consul is slow to carry it out;
    meanwhile its agent restarts, neard is fit, and after that the agent freezes."""
    world, active = settled(seed)
    target = next(host for host in world.hosts if host is not active)

    def restart() -> None:
        target.kill_agent()
        target.syncing_until = world.now
        target.start_agent()

    late_release(world, Phase.PASSED, 2.5, (0.05, restart), (2.5, lambda: freeze(target, 10.0)))
    world.ask(1, target.name)
    while world.sessions_host() in (active, None):
        world.run_until(world.now + 0.01)
    target.syncing_until = world.now + 20
    world.run_until(world.now + 60)
    assert world.active() is not None


@pytest.mark.parametrize("seed", range(6))
def test_a_lock_that_was_released_is_taken_up_again_before_the_release_arrives(seed: int) -> None:
    """The active's neard dies and it releases the lock; Consul is slow to carry it out; meanwhile agent and
    guard restart, and nothing on the host knows any more that the term is over."""
    world, active = settled(seed)

    def restart() -> None:
        active.kill_agent()
        active.kill_guard()
        active.start_agent()

    late_release(world, Phase.RELEASED, 6.0, (0.01, restart), (6.0, lambda: freeze(active, 10.0)))
    assert active.neard is not None
    active.neard.kill()
    world.run_until(world.now + 60)
    assert world.active() is not None


@pytest.mark.parametrize("seed", range(6))
def test_an_agent_that_holds_nothing_kills_a_frozen_guard_with_the_key(seed: int) -> None:
    """Its host is cut off from Consul and its agent restarts; then the guard freezes, key and all."""
    world, active = settled(seed)
    active.cut()
    active.kill_agent()
    active.start_agent()
    world.run_until(world.now + 0.5)
    assert active.guard is not None
    active.guard.frozen = True
    world.run_until(world.now + 20)
    assert world.active() not in (active, None)
