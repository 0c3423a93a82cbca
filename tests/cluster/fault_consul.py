"""A Consul that forgets: the registration of an agent, or everything."""

from __future__ import annotations

from hafailover.lab.errors import LabError

from .fault_processes import FROZEN_S
from .strike import Expect, Kind, Strike


def service_forgotten(strike: Strike) -> None:
    """The agent's service is deregistered, and its session ends with the check that went with it."""
    consul = strike.machine.host.consul
    found = [name for name in consul.request("GET", "/v1/agent/services") if name.startswith("hafailover")]
    if not found:
        raise LabError(f"{strike.machine.name}: no service of the agent's is registered")
    strike.hit()
    for name in found:
        consul.request("PUT", f"/v1/agent/service/deregister/{name}")
    strike.hold(0.2)


def record_forgotten(strike: Strike) -> None:
    """The host's record of itself is deleted."""
    machine = strike.machine
    account = strike.cluster.localnet.pool.account_id
    strike.hit()
    machine.host.consul.request("DELETE", f"/v1/kv/hafailover/{account}/nodes/{machine.name}")
    strike.hold(0.2)


def everything_forgotten(strike: Strike) -> None:
    """All servers come back with nothing: no keys, no sessions, and an index that begins anew."""
    machines = strike.cluster.machines
    for machine in machines:
        machine.hold(["consul"])
    try:
        strike.hit()
        for machine in machines:
            machine.kill(["consul"])
        for machine in machines:
            machine.lose_consul_data()
        strike.hold()
    finally:
        for machine in machines:
            machine.release(["consul"])


MOVES, EITHER = Expect.MOVES, Expect.EITHER
FORGETTING_KINDS = (
    Kind("service-forgotten", service_forgotten, MOVES, frozenset({"consul", "agent"}), takes_consul=True),
    Kind("record-forgotten", record_forgotten, Expect.STAYS, frozenset({"consul", "agent"}), weight=0.5),
    Kind(
        "consul-wiped",
        everything_forgotten,
        EITHER,
        frozenset({"*consul", "*link"}),
        holds=FROZEN_S,
        takes_consul=True,
        on_standby=None,
        weight=0.5,
    ),
)
