"""Runs scenarios on a pool and measures what came of them from the chain and the guards' logs."""

from __future__ import annotations

import time
from collections.abc import Callable

from hafailover.clock import boottime
from hafailover.demo.observer import ChainObserver
from hafailover.demo.result import Report, Result
from hafailover.demo.scenarios import Expected, Scenario
from hafailover.lab.errors import LabError
from hafailover.lab.guardlog import loaded_at
from hafailover.lab.pool import LabPool
from hafailover.lab.signers import overlaps
from hafailover.observe.cost import cost
from hafailover.observe.overview import Overview

STAYS_FOR_S = 9.0
"""How long "nothing moves" is watched: longer than any lease lives without a beat."""
FIRST_BLOCK_WITHIN_S = 60.0
"""The chain draws its producers by lot: a pool of a quarter of the stake may not be drawn for long."""
SETTLE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1

Say = Callable[[str], None]


class Runner:
    """Runs scenarios one after another."""

    def __init__(self, pool: LabPool, observer: ChainObserver, say: Say) -> None:
        self._pool = pool
        self._observer = observer
        self._say = say
        self.report = Report(pool.neard)
        self._known: list[str] = []
        """Overlaps that an earlier scenario is to blame for."""

    def run(self, scenario: Scenario) -> Result:
        """One scenario, from a settled pool to a settled pool. What goes wrong is in the result."""
        started = boottime()
        twice_before = set(self._observer.signed_twice())
        try:
            result = self._measure(scenario, twice_before, started)
        except LabError as error:
            result = _failed(scenario, str(error), boottime() - started)
        self.report.results.append(result)
        self.report.double_signed_heights = self._observer.signed_twice()
        return result

    def _measure(self, scenario: Scenario, twice_before: set[int], started: float) -> Result:
        pool, observer = self._pool, self._observer
        before: str | None = None
        if scenario.expected is not Expected.FIRST:
            scenario.before(pool, pool.wait_settled(SETTLE_WITHIN_S))
            before = pool.wait_settled(SETTLE_WITHIN_S)
        view = pool.try_look()
        term = view.term if view else None
        produced = observer.production()
        self._say(f"{scenario.name}: {scenario.expected}")
        done, fault_at = scenario.fault(pool, before or "")
        self._say(done)
        problems: list[str] = []
        if scenario.expected is Expected.STAYS:
            after = self._watch_stay(before, term, problems)
            key_at: float | None = None
            signs_from = fault_at
        else:
            after = self._await_active(before, scenario.within_s, problems)
            key_at = loaded_at(pool.host(after).guard_log, fault_at) if after else None
            signs_from = key_at or fault_at
        first = self._await_block(signs_from, problems) if after else None
        scenario.heal(pool, before or "")
        pool.wait_settled(SETTLE_WITHIN_S)
        found = cost(produced, observer.production())
        missed = found.blocks_missed if found is not None else None
        if (scenario.no_block_missed or scenario.expected is Expected.STAYS) and missed != 0:
            problems.append(f"{missed} blocks were missed" if missed else "missed blocks are unknown")
        both = [
            text for text in overlaps(pool.hosts, pool.localnet.pool.public_key) if text not in self._known
        ]
        self._known += both
        problems += both
        twice = tuple(sorted(set(observer.signed_twice()) - twice_before))
        if twice:
            problems.append(f"signed twice: heights {', '.join(map(str, twice))}")
        return Result(
            name=scenario.name,
            ok=not problems,
            done=done,
            expected=str(scenario.expected),
            active_before=before,
            active_after=after,
            fault_to_first_block_s=round(first - fault_at, 3) if first else None,
            fault_to_key_s=round(key_at - fault_at, 3) if key_at else None,
            blocks_missed=missed,
            double_signed_heights=twice,
            problems=tuple(problems),
            seconds=round(boottime() - started, 1),
        )

    def _await_active(self, before: str | None, within_s: float, problems: list[str]) -> str | None:
        end = boottime() + within_s
        while boottime() < end:
            view = self._pool.try_look()
            if view is not None and view.active is not None and view.active != before:
                return view.active
            time.sleep(LOOK_EVERY_S)
        problems.append(f"nobody else became active within {within_s:g} s")
        return None

    def _watch_stay(self, before: str | None, term: int | None, problems: list[str]) -> str | None:
        end = boottime() + STAYS_FOR_S
        last: Overview | None = None
        while boottime() < end:
            view = self._pool.try_look()
            if view is not None and view.active is not None:
                last = view
                if (view.active, view.term) != (before, term):
                    problems.append(f"{view.active} became active in term {view.term}")
                    return view.active
            time.sleep(LOOK_EVERY_S)
        if last is None:
            problems.append("the pool could not be seen")
            return None
        return last.active

    def _await_block(self, after: float, problems: list[str]) -> float | None:
        end = boottime() + FIRST_BLOCK_WITHIN_S
        while boottime() < end:
            first = self._observer.first_own_block(after)
            if first is not None:
                return first
            time.sleep(LOOK_EVERY_S)
        problems.append(f"no block of the pool within {FIRST_BLOCK_WITHIN_S:g} s")
        return None


def _failed(scenario: Scenario, problem: str, seconds: float) -> Result:
    return Result(
        name=scenario.name,
        ok=False,
        done="",
        expected=str(scenario.expected),
        active_before=None,
        active_after=None,
        fault_to_first_block_s=None,
        fault_to_key_s=None,
        blocks_missed=None,
        problems=(problem,),
        seconds=round(seconds, 1),
    )
