"""The faults of the demo: what each does, and what the pool must do about it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hafailover.clock import boottime
from hafailover.lab.errors import LabError
from hafailover.lab.pool import LabPool
from hafailover.observe.handover import switch_over
from hafailover.observe.moment import best

RPC_DEADLINE_S = 5.0
RESTART_AFTER_S = 0.5
"""What systemd would wait before it starts a killed agent again, and then some."""
NO_CABLE = "processes killed: a link could not be cut without root"


class Expected(StrEnum):
    """What must come of a fault."""

    FIRST = "somebody becomes active"
    MOVES = "another host takes over"
    STAYS = "the same host stays active, in the same term, and misses no block"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario.

    ``fault`` gets the pool and the active's name, and returns what it did and when, on CLOCK_BOOTTIME.
    ``heal`` puts things right again. ``no_block_missed``: a planned move costs nothing.
    """

    name: str
    expected: Expected
    fault: Callable[[LabPool, str], tuple[str, float]]
    heal: Callable[[LabPool, str], None] = lambda _pool, _active: None
    before: Callable[[LabPool, str], None] = lambda _pool, _active: None
    within_s: float = 25.0
    no_block_missed: bool = False


def _start_hosts(pool: LabPool, _: str) -> tuple[str, float]:
    at = boottime()
    for host in pool.hosts:
        host.start()
    return "three failover hosts were started on a new pool", at


def _kill_neard(pool: LabPool, active: str) -> tuple[str, float]:
    neard = pool.host(active).neard()
    at = boottime()
    neard.signal(signal.SIGKILL)
    return f"{active}'s neard was killed (SIGKILL)", at


def _kill_agent(pool: LabPool, active: str) -> tuple[str, float]:
    host = pool.host(active)
    at = boottime()
    host.running_agent().kill()
    time.sleep(RESTART_AFTER_S)
    host.start_agent()
    return f"{active}'s agent was killed and started again", at


def _freeze_agent(pool: LabPool, active: str) -> tuple[str, float]:
    at = boottime()
    pool.host(active).running_agent().freeze()
    return f"{active}'s agent was frozen (SIGSTOP)", at


def _thaw_agent(pool: LabPool, active: str) -> None:
    pool.host(active).running_agent().thaw()


def _kill_host(pool: LabPool, active: str) -> tuple[str, float]:
    leader = pool.consul.leader()
    led = leader is not None and pool.consul.server(leader).name == active
    at = boottime()
    pool.host(active).vanish()
    return f"{_vanished(pool, active)}, its Consul server{' (the leader)' if led else ''} too", at


def _vanished(pool: LabPool, name: str) -> str:
    """What was done to a host that is to be gone."""
    if pool.networks:
        return f"{name}'s link was cut and all of it killed, unheard by anybody"
    return f"all of {name} was killed, and its kernel closed the connections ({NO_CABLE})"


def _revive_host(pool: LabPool, name: str) -> None:
    pool.host(name).start()


def _cut(pool: LabPool, active: str) -> tuple[str, float]:
    link = pool.host(active).link
    assert link is not None, "the demo's hosts have links"
    at = boottime()
    link.cut()
    return f"{active} was cut off from Consul", at


def _mend(pool: LabPool, active: str) -> None:
    link = pool.host(active).link
    assert link is not None, "the demo's hosts have links"
    link.heal()


def _until_steady(pool: LabPool, _: str) -> None:
    """A handover to a host that has just started costs a block, which is not what is shown here."""
    pool.wait_settled(steady=True)


def _switch_over(pool: LabPool, active: str) -> tuple[str, float]:
    """In the best moment of the next seconds, as ``hafailover switchover --now`` does."""
    target = next(host.name for host in pool.hosts if host.name != active)
    with pool.localnet.validators[0].rpc(RPC_DEADLINE_S) as rpc:
        slot = best(rpc, pool.account_id).slot
    at = boottime()
    height = slot.from_height if slot is not None else 0
    address = pool.host(target).consul_address
    moved = switch_over(address, pool.account_id, target, lambda _: None, height, despite_budget=True)
    return f"a switchover to {moved.to_node} was asked for", at


def _lead_elsewhere(pool: LabPool, active: str) -> None:
    """Sees to it that Consul's leader is not on the active's host."""
    leader = pool.consul.server(pool.consul.wait_leader()).name
    if leader == active:
        target = next(host.name for host in pool.hosts if host.name != active)
        address = pool.host(active).consul_address
        # A host that was active shortly before is about to restart its neard.
        pool.wait_settled(steady=True)
        switch_over(address, pool.account_id, target, lambda _: None, despite_budget=True)
        pool.wait_settled()


def _kill_leader(pool: LabPool, active: str) -> tuple[str, float]:
    leader = pool.consul.server(pool.consul.wait_leader()).name
    if leader == active:
        raise LabError("Consul's leader has moved to the active's host; run the scenario again")
    at = boottime()
    pool.host(leader).vanish()
    return f"{_vanished(pool, leader)}; it held Consul's leadership, while {active} was active", at


def _revive_all(pool: LabPool, _: str) -> None:
    for host in pool.hosts:
        host.start()


SCENARIOS = (
    Scenario("first-promotion", Expected.FIRST, _start_hosts, within_s=60.0),
    Scenario("neard-killed", Expected.MOVES, _kill_neard, within_s=5.0),
    Scenario("agent-restarted", Expected.STAYS, _kill_agent),
    Scenario("agent-frozen", Expected.MOVES, _freeze_agent, heal=_thaw_agent),
    Scenario("host-gone", Expected.MOVES, _kill_host, heal=_revive_host),
    Scenario("cut-off", Expected.MOVES, _cut, heal=_mend),
    Scenario(
        "switchover",
        Expected.MOVES,
        _switch_over,
        within_s=20.0,
        no_block_missed=True,
        before=_until_steady,
    ),
    Scenario("leader-lost", Expected.STAYS, _kill_leader, heal=_revive_all, before=_lead_elsewhere),
)


def by_name(name: str) -> Scenario | None:
    return next((scenario for scenario in SCENARIOS if scenario.name == name), None)
