"""Measures each figure on a running pool."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable

import requests
from prometheus_client.parser import text_string_to_metric_families

from hafailover.bench.http_load import Load, watch_beats
from hafailover.bench.rows import Row
from hafailover.bench.usage import cpu_seconds, resident_mib
from hafailover.clock import boottime
from hafailover.core.state import Config
from hafailover.demo.observer import ChainObserver
from hafailover.lab.errors import LabError
from hafailover.lab.guardlog import gone_at, loaded_at
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError
from hafailover.observe.handover import HandoverRefusedError, switch_over
from hafailover.orders.desk import DEADLINE_S, Desk
from hafailover.orders.documents import Plan
from hafailover.orders.following import PlanError, follow, order
from hafailover.orders.planning import DEFAULT_BLOCKS
from hafailover.timing import PROFILES

Say = Callable[[str], None]

SETTLE_S = 90.0
KEY_WITHIN_S = 30.0
KNOWN_AFTER_S = 5.0
"""So old is a term whose holder is lost: one that goes before the others have seen its beats for the time of
one and a half is waited for longest, some 15 to 19 s in all (docs/how-it-works.md)."""
STAY_S = 12.0
"""Longer than any lease lives without a beat, detection included."""
AFTER_S = 6.0
"""One round of all validators and more, so that a block missed shows."""
IDLE_S = 60.0
HTTP_S = 20.0
RESTART_AFTER_S = 0.5
BACKOFF_S = Config("", "", PROFILES["default"]).backoff_s


class Bench:
    """One pool under measurement."""

    def __init__(self, pool: LabPool, observer: ChainObserver, say: Say) -> None:
        self.pool = pool
        self.observer = observer
        self.say = say

    def switchovers(self, gap: Row, missed: Row, runs: int) -> None:
        """Planned handovers: the gap from the guards' logs, the blocks from the chain."""
        for run in range(runs):
            active = self.pool.wait_settled(SETTLE_S, steady=True)
            target = self._other(active)
            expected = self._production()
            since = boottime()
            try:
                self._switch_over(target)
            except (HandoverRefusedError, CallError) as error:
                gap.problems.append(f"run {run + 1}: {error}")
                continue
            gone, loaded = self._gone(active, since), self._loaded(target, since)
            if gone is None or loaded is None:
                gap.problems.append(f"run {run + 1}: the guards' logs do not show the swap")
                continue
            gap.runs.append((loaded - gone) * 1000)
            time.sleep(AFTER_S)
            self._count_missed(missed, expected)
            self.say(f"{gap.name} {run + 1}/{runs}: {gap.runs[-1]:.0f} ms")

    def in_windows(self, missed: Row, runs: int) -> None:
        """Planned handovers in windows without duties, as `hafailover switchover` orders them."""
        for run in range(runs):
            active = self.pool.wait_settled(SETTLE_S)
            address, term = self._address(active), self.pool.look().term
            assert term is not None
            expected = self._production()
            plan = Plan(id=uuid.uuid4().hex, term=term, window_blocks=DEFAULT_BLOCKS, despite_budget=True)
            try:
                order(Desk(address, self.pool.account_id, DEADLINE_S), plan)
                moved = follow(address, self.pool.account_id, plan, active, lambda _: None, SETTLE_S)
            except (PlanError, CallError) as error:
                missed.problems.append(f"run {run + 1}: {error}")
                continue
            time.sleep(AFTER_S)
            self._count_missed(missed, expected)
            self.say(
                f"{missed.name} {run + 1}/{runs}: {missed.runs[-1]:.0f} missed, "
                f"{moved.from_node} -> {moved.to_node} in {moved.start} to {(moved.end or 1) - 1}"
            )

    def neard_killed(self, row: Row, runs: int, missed: Row | None = None) -> None:
        """``missed``: gets the blocks of each run, too."""
        for run in range(runs):
            # Right after its own failover a host leaves a free lock to others for a while.
            time.sleep(BACKOFF_S)
            active = self.pool.wait_settled(SETTLE_S, steady=True)
            neard = self.pool.host(active).neard()
            expected = self._production()
            since = boottime()
            neard.signal(signal.SIGKILL)
            self._await_key(row, active, since, 1000.0, run, runs)
            if missed is not None:
                time.sleep(AFTER_S)
                self._count_missed(missed, expected)

    def agent_restarted(self, missed: Row, failovers: Row, runs: int) -> None:
        for run in range(runs):
            active = self.pool.wait_settled(SETTLE_S)
            term = self.pool.look().term
            expected = self._production()
            host = self.pool.host(active)
            host.running_agent().kill()
            time.sleep(RESTART_AFTER_S)
            host.start_agent()
            time.sleep(STAY_S)
            failovers.runs.append(float(self.pool.look().term != term))
            self._count_missed(missed, expected)
            self.say(f"{missed.name} {run + 1}/{runs}: {missed.runs[-1]:.0f} missed")

    def host_gone(self, row: Row, runs: int, *, with_leader: bool) -> None:
        """The active's host is gone; Consul's leader with it, or elsewhere."""
        for run in range(runs):
            active = self._place(leader_on_active=with_leader)
            time.sleep(KNOWN_AFTER_S)
            since = boottime()
            self.pool.host(active).vanish()
            self._await_key(row, active, since, 1.0, run, runs)
            self.pool.host(active).start()

    def leader_gone(self, failovers: Row, fences: Row, missed: Row, runs: int) -> None:
        """Consul's leader's host dies, and the active is elsewhere: nothing may happen."""
        for run in range(runs):
            active = self._place(leader_on_active=False)
            host = self.pool.host(active)
            term, fenced, expected = self.pool.look().term, _fences(host), self._production()
            leader = self.pool.consul.server(self.pool.consul.wait_leader()).name
            self.pool.host(leader).kill_host()
            time.sleep(STAY_S)
            failovers.runs.append(float(self.pool.look().term != term))
            fences.runs.append(_fences(host) - fenced)
            self._count_missed(missed, expected)
            self.pool.host(leader).start()
            self.say(f"{failovers.name} {run + 1}/{runs}: {failovers.runs[-1]:.0f} failovers")

    def http_load(self, extra: Row, quiet: Row, loaded: Row, answered: Row, refused: Row) -> None:
        """The active's beats without and with requests to its agent, which asks of itself in both."""
        port = self.pool.host(self.pool.wait_settled(SETTLE_S)).metrics_port
        before = watch_beats(port, HTTP_S)
        with Load(port) as counts:
            during = watch_beats(port, HTTP_S)
        extra.runs.append((during.longest_renewal_s - before.longest_renewal_s) * 1000)
        quiet.runs.append(before.slowest_s * 1000)
        loaded.runs.append(during.slowest_s * 1000)
        answered.runs.append(counts.answered / HTTP_S)
        refused.runs.append(float(counts.refused + counts.failed))
        self.say(
            f"{extra.name}: {extra.runs[-1]:.0f} ms, {counts.answered} answers, "
            f"the slowest after {counts.slowest_s * 1000:.0f} ms"
        )

    def idle_standby(self, cpu: Row, memory: Row, runs: int) -> None:
        """Agent and guard of a standby, with nothing going on."""
        active = self.pool.wait_settled(SETTLE_S)
        host = self.pool.host(self._other(active))
        pids = [host.running_agent().pid, host.running_guard().pid]
        for run in range(runs):
            used, since = sum(map(cpu_seconds, pids)), boottime()
            time.sleep(IDLE_S / runs)
            cpu.runs.append((sum(map(cpu_seconds, pids)) - used) / (boottime() - since) * 100)
            memory.runs.append(sum(map(resident_mib, pids)))
            self.say(f"{cpu.name} {run + 1}/{runs}: {cpu.runs[-1]:.2f} %, {memory.runs[-1]:.0f} MiB")

    def _place(self, *, leader_on_active: bool) -> str:
        """Moves the key until Consul's leader is where it is wanted; returns the active."""
        active = self.pool.wait_settled(SETTLE_S)
        leader = self.pool.consul.server(self.pool.consul.wait_leader()).name
        if (leader == active) == leader_on_active:
            return active
        target = leader if leader_on_active else self._other(active)
        self._switch_over(target)
        return self.pool.wait_settled(SETTLE_S)

    def _switch_over(self, to: str) -> None:
        account = self.pool.account_id
        # What else is measured on this pool may have cost it much already.
        switch_over(self._address(to), account, to, lambda _: None, despite_budget=True)

    def _await_key(self, row: Row, active: str, since: float, scale: float, run: int, runs: int) -> None:
        others = [host for host in self.pool.hosts if host.name != active]
        while boottime() - since < KEY_WITHIN_S:
            times = [at for host in others if (at := loaded_at(host.guard_log, since)) is not None]
            if times:
                row.runs.append((min(times) - since) * scale)
                self.say(f"{row.name} {run + 1}/{runs}: {row.runs[-1]:.2f} {row.unit}")
                return
            time.sleep(0.05)
        row.problems.append(f"run {run + 1}: no standby loaded the key within {KEY_WITHIN_S:g} s")

    def _production(self) -> tuple[int, int]:
        production = self.observer.production()
        if production is None:
            raise LabError("no plain validator tells what the pool produced")
        return production.expected_blocks, production.produced_blocks

    def _count_missed(self, row: Row, before: tuple[int, int]) -> None:
        after = self._production()
        row.runs.append(float(max(0, (after[0] - before[0]) - (after[1] - before[1]))))

    def _other(self, active: str) -> str:
        return next(host.name for host in self.pool.hosts if host.name != active)

    def _address(self, name: str) -> Address:
        return self.pool.host(name).consul_address

    def _loaded(self, name: str, since: float) -> float | None:
        return loaded_at(self.pool.host(name).guard_log, since)

    def _gone(self, name: str, since: float) -> float | None:
        return gone_at(self.pool.host(name).guard_log, since)


def _fences(host: FailoverHost) -> float:
    """How often the agent has fenced, from its metrics."""
    answer = requests.get(f"http://127.0.0.1:{host.metrics_port}/metrics", timeout=5)
    families = text_string_to_metric_families(answer.text)
    samples = [s for f in families for s in f.samples if s.name == "hafailover_fences_total"]
    if not samples:
        raise LabError(f"{host.name}: the agent's metrics do not hold hafailover_fences_total")
    return float(sum(sample.value for sample in samples))
