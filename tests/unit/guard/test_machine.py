"""Any story of commands and faults, against a modelled neard; and proof that the model would notice.

``HAFAILOVER_MODEL_STORIES`` sets how many stories each mode is put through (150 unless given).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hafailover.core.views import KeyState
from hafailover.guard import decide as decide_module
from hafailover.guard import fileops, key, process
from hafailover.guard import model as m
from hafailover.timing import LONGEST_GONE_WITHIN_S

from .world import Delays, UnsafeError, World

STORIES = int(os.environ.get("HAFAILOVER_MODEL_STORIES", "150"))
SETTINGS = settings(
    max_examples=STORIES,
    stateful_step_count=40,
    deadline=None,
    derandomize=STORIES == 150,
    suppress_health_check=list(HealthCheck),
    # A story is shrunk only where one is looked for by hand: it takes longer than a test may.
    phases=[Phase.generate] if STORIES == 150 else [Phase.generate, Phase.shrink],
)


GRANTS = st.sampled_from([-1.0, 0.05, 0.5, 2.0, 7.0, 15.0, 16.0, 1e6])
MOMENTS = st.sampled_from([0.001, 0.01, 0.03, 0.1, 0.3])


class GuardMachine(RuleBasedStateMachine):
    """The rules that both modes share. Terms only grow, as Consul's do; commands may be wrong in all else."""

    hot = True

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.term = 1

    @initialize(budget=st.sampled_from([0.5, 1.0, 2.0]), stop_s=st.sampled_from([0.5, 2.0, 4.0, 60.0]))
    def begin(self, budget: float, stop_s: float) -> None:
        self.world = World(self.hot, budget, stop_s)

    @rule(new=st.booleans(), grant_s=GRANTS)
    def arm(self, new: bool, grant_s: float) -> None:
        self.term += new
        self.world.feed(m.ArmAsked(self.term, self.world.now + grant_s))

    @rule(
        grant_s=st.sampled_from([0.3, 2.0, 7.0]), wait_s=MOMENTS, then=st.sampled_from(["", "drop", "crash"])
    )
    def try_to_load(self, grant_s: float, wait_s: float, then: str) -> None:
        """The commands of an agent in its right mind."""
        self.world.run(1.0)
        self.term += 1
        self.world.feed(m.ArmAsked(self.term, self.world.now + grant_s))
        self.world.run(wait_s)
        if then == "drop":
            self.world.feed(m.DropAsked(self.term, False, "asked"))
        elif then == "crash":
            self.world.crash()
        self.world.run(0.3)

    @rule(off=st.sampled_from([0, 0, 0, -1, 1]), grant_s=GRANTS)
    def grant(self, off: int, grant_s: float) -> None:
        self.world.feed(m.GrantGiven(self.term + off, self.world.now + grant_s))

    @rule(off=st.sampled_from([0, 0, -1]), urgent=st.booleans())
    def drop(self, off: int, urgent: bool) -> None:
        if self.term + off > 0:
            self.world.feed(m.DropAsked(self.term + off, urgent, "asked"))

    @rule()
    def restart(self) -> None:
        self.world.feed(m.RestartAsked("asked"))

    @precondition(lambda self: self.term > 4)
    @rule()
    def stop(self) -> None:
        self.world.feed(m.StopAsked())

    @rule(seconds=MOMENTS)
    def wait_a_moment(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(seconds=st.sampled_from([1.0, 3.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(seconds=st.sampled_from([0.02, 0.5, 3.0, 30.0]), first=st.sampled_from(["tick", "arm", "grant"]))
    def freeze(self, seconds: float, first: str) -> None:
        """The guard stands still; what it sees first afterwards is a timer or what was sent meanwhile."""
        self.world.freeze(seconds)
        if first == "arm":
            self.world.feed(m.ArmAsked(self.term, self.world.now + 7.0))
        elif first == "grant":
            self.world.feed(m.GrantGiven(self.term, self.world.now + 7.0))
        self.world.feed(m.Tick())
        self.world.run(0.001)

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule(
        what=st.sampled_from(
            ["link_fails", "unlink_fails", "refuses", "hangs", "loses", "disk_hangs", "strange", "clings"]
        )
    )
    def fault(self, what: str) -> None:
        setattr(self.world, what, True)

    @rule(
        read=st.sampled_from([0.0, 0.02, 0.2, 1.0]),
        apply=st.sampled_from([0.0, 0.02, 1.0]),
        answer=st.sampled_from([0.001, 0.05, 0.4]),
        stop=st.sampled_from([0.01, 1.0, 1000.0]),
        boot=st.sampled_from([0.1, 2.0]),
        news=st.sampled_from([0.001, 0.05]),
        file=st.sampled_from([0.0001, 0.03, 0.6, 2.0]),
    )
    def pace(self, **delays: float) -> None:
        self.world.delays = Delays(**delays)

    @rule()
    def heal(self) -> None:
        self.world.heal()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()


class HotMachine(GuardMachine):
    hot = True


class RestartMachine(GuardMachine):
    hot = False


@pytest.mark.parametrize("machine", [HotMachine, RestartMachine])
def test_no_story_leaves_the_key_where_it_must_not_be(machine: type[GuardMachine]) -> None:
    run_state_machine_as_test(machine, settings=SETTINGS)


def seen(world: World) -> tuple[KeyState, bool]:
    """The key as the guard tells of it, and whether neard really has it."""
    return world.guard.key, world.neard is not None and world.neard.key


@pytest.mark.parametrize("hot", [True, False])
def test_the_model_loads_and_drops_at_all(hot: bool) -> None:
    """Else nothing above would mean anything."""
    world = World(hot)
    world.run(1.0)
    for term in (1, 2, 3):
        world.feed(m.ArmAsked(term, world.now + 7.0))
        world.run(2.0)
        assert seen(world) == (KeyState.LOADED, True)
        world.feed(m.DropAsked(term, False, "asked"))
        world.run(3.0)
        assert seen(world) == (KeyState.ABSENT, False)
    assert world.loaded_terms == {1, 2, 3}
    assert world.killed == 0


# --- the model notices
#
# Each mutant is a guard with one rule missing, and comes with a story that turns on this very rule. The
# stories are fixed: whether a random one finds a mutant would be a matter of luck.


def loaded(world: World, grant_s: float = 4.0) -> None:
    world.run(1.0)
    world.feed(m.ArmAsked(5, world.now + grant_s))
    world.run(1.0)
    assert seen(world) == (KeyState.LOADED, True)


def _drops_unconfirmed_loads_by_asking(guard: m.Guard, now: float, urgent: bool, reason: str) -> process.Step:
    confirmed = replace(guard, key=KeyState.LOADED) if guard.pid is not None else guard
    return key_begin_drop(confirmed, now, urgent, reason)


def a_load_takes_effect_late(world: World) -> None:
    world.run(1.0)
    world.delays = Delays(apply=1.0)
    world.feed(m.ArmAsked(5, world.now + 4.0))
    world.run(0.003)
    world.feed(m.DropAsked(5, True, "asked"))
    world.run(3.0)


def _never_kills(guard: m.Guard, now: float) -> bool:
    return False


def neard_refuses_to_drop(world: World) -> None:
    loaded(world)
    world.refuses = True
    world.feed(m.DropAsked(5, True, "asked"))
    world.run(3.0)


def neard_does_not_stop(world: World) -> None:
    loaded(world)
    world.delays = Delays(stop=1000.0)
    world.feed(m.DropAsked(5, False, "asked"))
    world.run(10.0)


def _takes_late_grants(guard: m.Guard, term: int, deadline: float, now: float) -> m.Guard:
    sensible = deadline <= now + LONGEST_GONE_WITHIN_S
    return (
        replace(guard, deadline=max(guard.deadline, deadline)) if term == guard.term and sensible else guard
    )


def a_grant_comes_late(world: World) -> None:
    loaded(world, grant_s=2.0)
    world.freeze(3.0)
    world.feed(m.GrantGiven(5, world.now + 7.0))
    world.run(3.0)


def _takes_grants_without_end(guard: m.Guard, term: int, deadline: float, now: float) -> m.Guard:
    return replace(guard, deadline=max(guard.deadline, deadline)) if term == guard.term else guard


def a_grant_has_no_end(world: World) -> None:
    loaded(world)
    world.feed(m.GrantGiven(5, world.now + 1e6))
    world.run(30.0)


def _forgets_the_key_link(guard: m.Guard, pid: int, code: int, now: float) -> process.Step:
    guard, effects = process_exited(guard, pid, code, now)
    return guard, [effect for effect in effects if not isinstance(effect, m.UnlinkKey)]


def neard_crashes(world: World) -> None:
    loaded(world)
    world.crash()
    world.run(3.0)


def _signals_early(guard: m.Guard) -> bool:
    return guard.pid is not None and guard.key is KeyState.ABSENT


def neard_boots(world: World) -> None:
    world.run(1.0)


def _arms_retired_terms(guard: m.Guard, term: int, deadline: float, now: float) -> str:
    return key_why_not(replace(guard, retired=0), term, deadline, now)


def a_term_is_armed_again(world: World) -> None:
    loaded(world)
    world.feed(m.DropAsked(5, False, "asked"))
    world.run(3.0)
    world.feed(m.ArmAsked(5, world.now + 4.0))
    world.run(3.0)


def _believes_any_answer(guard: m.Guard, event: m.Probed, now: float) -> process.Step:
    return key_probed(guard, replace(event, probe=guard.probe), now)


def an_answer_outlives_its_neard(world: World) -> None:
    """What the old process said of itself comes when the new one cannot take a signal yet."""
    loaded(world)
    world.delays = Delays(answer=0.4, boot=2.0)
    world.feed(m.DropAsked(5, False, "asked"))
    world.run(0.25)
    world.crash()
    world.run(0.2)
    world.feed(m.ArmAsked(6, world.now + 4.0))
    world.run(3.0)


def _waits_for_the_disk(guard: m.Guard, now: float) -> bool:
    return guard.file_since is None and decide_kill_due(guard, now)


def the_disk_hangs_at_the_drop(world: World) -> None:
    loaded(world)
    world.disk_hangs = True
    world.feed(m.DropAsked(5, True, "asked"))
    world.run(3.0)


def the_grant_runs_out_while_the_disk_hangs(world: World) -> None:
    loaded(world)
    world.disk_hangs = True
    world.run(6.0)


def _starts_unprepared(guard: m.Guard, now: float) -> tuple[m.Guard, m.StartNeard]:
    return guard, m.StartNeard()


def neard_crashes_and_the_link_stays(world: World) -> None:
    loaded(world)
    world.unlink_fails = True
    world.crash()
    world.run(5.0)


def _leaves_a_failed_link(guard: m.Guard, now: float) -> bool:
    return False


def the_disk_hangs_after_a_link_that_failed(world: World) -> None:
    world.run(1.0)
    world.link_fails = True
    world.delays = Delays(file=0.3)
    world.feed(m.ArmAsked(5, world.now + 14.0))
    world.run(0.35)
    world.disk_hangs = True
    world.run(9.0)


decide_kill_due = decide_module._kill_due


def _believes_strangers(guard: m.Guard, event: m.Probed, now: float) -> process.Step:
    return key_probed(guard, replace(event, stranger=""), now)


def somebody_else_says_that_no_key_is_loaded(world: World) -> None:
    """As a neard of another unit with the same home and the same node key does."""
    loaded(world)
    world.refuses = world.strange = True
    world.feed(m.DropAsked(5, True, "lost"))
    world.run(3.0)
    world.refuses = world.strange = False


def _takes_the_launchers_end_for_neards(guard: m.Guard, pid: int, problem: str, now: float) -> process.Step:
    return process_exited(guard, pid, 0, now)


def neard_leaves_something_behind(world: World) -> None:
    loaded(world)
    world.clings = True
    world.crash()
    world.run(3.0)
    world.feed(m.DropAsked(5, True, "lost"))
    world.run(3.0)


def _caps_no_grant(guard: m.Guard, deadline: float, now: float) -> float:
    return deadline


def an_agent_grants_more_than_its_timing_gives(world: World) -> None:
    loaded(world)
    world.feed(m.GrantGiven(5, world.now + LONGEST_GONE_WITHIN_S - 0.5))
    world.run(14.0)


key_probed, key_begin_drop, key_why_not = key.probed, key.begin_drop, key._why_not
process_exited = process.exited

MUTANTS: list[tuple[Any, str, Callable[..., Any], Callable[[World], None], bool]] = [
    (key, "begin_drop", _drops_unconfirmed_loads_by_asking, a_load_takes_effect_late, True),
    (decide_module, "_kill_due", _never_kills, neard_refuses_to_drop, True),
    (decide_module, "_kill_due", _never_kills, neard_does_not_stop, False),
    (key, "grant", _takes_late_grants, a_grant_comes_late, True),
    (key, "grant", _takes_late_grants, a_grant_comes_late, False),
    (key, "grant", _takes_grants_without_end, a_grant_has_no_end, True),
    (key, "grant", _takes_grants_without_end, a_grant_has_no_end, False),
    (process, "exited", _forgets_the_key_link, neard_crashes, True),
    (process, "exited", _forgets_the_key_link, neard_crashes, False),
    (decide_module, "_signals", _signals_early, neard_boots, True),
    (key, "_why_not", _arms_retired_terms, a_term_is_armed_again, True),
    (key, "_why_not", _arms_retired_terms, a_term_is_armed_again, False),
    (key, "probed", _believes_any_answer, an_answer_outlives_its_neard, True),
    (decide_module, "_kill_due", _waits_for_the_disk, the_disk_hangs_at_the_drop, True),
    (decide_module, "_kill_due", _waits_for_the_disk, the_grant_runs_out_while_the_disk_hangs, True),
    (fileops, "prepare", _starts_unprepared, neard_crashes_and_the_link_stays, True),
    (fileops, "removal_overdue", _leaves_a_failed_link, the_disk_hangs_after_a_link_that_failed, True),
    (key, "probed", _believes_strangers, somebody_else_says_that_no_key_is_loaded, True),
    (key, "lingers", _takes_the_launchers_end_for_neards, neard_leaves_something_behind, True),
    (key, "lingers", _takes_the_launchers_end_for_neards, neard_leaves_something_behind, False),
    (key, "_capped", _caps_no_grant, an_agent_grants_more_than_its_timing_gives, True),
    (key, "_capped", _caps_no_grant, an_agent_grants_more_than_its_timing_gives, False),
]


@pytest.mark.parametrize(
    ("module", "name", "mutant", "story", "hot"),
    MUTANTS,
    ids=[f"{one[2].__name__[1:]}-{'hot' if one[4] else 'restart'}" for one in MUTANTS],
)
def test_the_model_notices_a_guard_that_is_wrong(
    module: Any,
    name: str,
    mutant: Callable[..., Any],
    story: Callable[[World], None],
    hot: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = World(hot)
    story(right)
    right.settle()

    monkeypatch.setattr(module, name, mutant)
    with pytest.raises(UnsafeError):
        story(World(hot))
