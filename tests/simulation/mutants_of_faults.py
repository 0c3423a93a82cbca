"""Mutants beside those of :mod:`.mutants`: of disks, launchers, a Consul that forgets, and of nobody signing.

``MUTANTS`` is the whole list.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from hafailover.core import decide, standby
from hafailover.core import events as ev
from hafailover.core.state import Config, State
from hafailover.core.views import Role
from hafailover.guard import model as m

from . import vigil
from .agent import Agent
from .hand import GuardProcess
from .host import Host
from .mutants import MUTANTS, Patch, mutant
from .neard import Neard

__all__ = ["MUTANTS"]


# --- two signers


@mutant("the launcher's end is taken for the key's end", ("neard's launcher ends", "switchover"))
def _launcher_is_neard(patch: Patch) -> None:
    """neard lives on, key and all, and nobody looks for it any more."""

    def launcher_ended(guard: GuardProcess, neard: Neard) -> None:
        guard.feed(m.Exited(neard.pid, 0))

    patch.setattr(GuardProcess, "launcher_ended", launcher_ended)


@mutant(
    "the guard's loop waits for its files",
    ("disk hung under neard's home", "host cut off", "agent frozen", "switchover"),
)
def _guard_waits_for_files(patch: Patch) -> None:
    patch.setattr(GuardProcess, "LOOP_WAITS_FOR_FILES", True)


# --- nobody signs, or nobody knows


@mutant(
    "a failed feed hides that the session is lost",
    ("a host's service is deregistered", "agent killed"),
    liveness=True,
)
def _feed_is_all(patch: Patch) -> None:
    patch.setattr(Agent, "A_FAILED_FEED_IS_ALL", True)


@mutant(
    "the session waits for its note",
    ("disk hung under the state folder", "a host's session is destroyed"),
    liveness=True,
)
def _agent_waits_for_files(patch: Patch) -> None:
    patch.setattr(Agent, "WAITS_FOR_ITS_NOTE", True)


@mutant(
    "a term that is over stays over in another history",
    ("Consul's servers lose all they agreed on", "switchover", "neard killed"),
    liveness=True,
)
def _over_for_ever(patch: Patch) -> None:
    acquire, take = standby.acquire_answered, Agent.take
    ended: WeakKeyDictionary[Host, int] = WeakKeyDictionary()
    here: list[Host] = []

    def acquire_answered(state: Any, event: Any, now: float) -> Any:
        host = here[-1]
        seen = state.sightings.highest_term - 1
        ended[host] = max(state.ended_term, seen, ended.get(host, 0))
        if state.session is not None and 0 < event.term <= ended[host]:
            return standby._abandon(replace(state, acquiring=False), "mutant", now)
        return acquire(state, event, now)

    def takes(agent: Agent, event: ev.Event, **more: Any) -> None:
        here.append(agent.host)
        take(agent, event, **more)
        here.pop()

    patch.setattr(standby, "acquire_answered", acquire_answered)
    patch.setattr(Agent, "take", takes)


@mutant(
    "status does not look whether the beat moves",
    ("Consul's leader answers and does not commit",),
    liveness=True,
)
def _blind_status(patch: Patch) -> None:
    patch.setattr(vigil, "still", lambda world: None)


def says_ready(patch: Patch) -> None:
    role = decide._role

    def bare(state: State, now: float) -> tuple[Role, str]:
        said, reason = role(state, now)
        return said, "ready" if reason.startswith("ready, but ") else reason

    patch.setattr(decide, "_role", bare)


@mutant(
    "a standby that leaves a free lock alone says that it is ready",
    ("neard killed", "switchover", "neard syncing"),
    liveness=True,
)
def _bare_ready(patch: Patch) -> None:
    says_ready(patch)


def _with_config(patch: Patch, **changes: float) -> None:
    patch.setattr("tests.simulation.agent.Config", lambda *given: replace(Config(*given), **changes))  # type: ignore[arg-type]


@mutant("who gave up the lock leaves it alone for minutes", ("neard killed",), liveness=True)
def _long_back_off(patch: Patch) -> None:
    _with_config(patch, backoff_s=120.0)
