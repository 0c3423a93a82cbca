"""A Consul that forgets: the registration of an agent, or everything."""

from __future__ import annotations

import contextlib

from hafailover.lab.errors import LabError
from hafailover.lab.waiting import wait_until

from .fault_processes import FROZEN_S
from .strike import Expect, Kind, Strike

ANSWERS_WITHIN_S = 45.0
"""The longest fault beside it is over by then."""


def service_forgotten(strike: Strike) -> None:
    """The agent's service is deregistered, and its session ends with the check that went with it."""
    consul = strike.machine.host.consul

    def carried_out() -> bool:
        # Another fault may hold up the Consul beside it meanwhile.
        with contextlib.suppress(LabError):
            services = consul.request("GET", "/v1/agent/services")
            found = [name for name in services if name.startswith("hafailover")]
            for name in found:
                strike.hit()
                consul.request("PUT", f"/v1/agent/service/deregister/{name}")
            return bool(found)
        return False

    name = strike.machine.name
    wait_until(carried_out, timeout_s=ANSWERS_WITHIN_S, what=f"{name}'s Consul to forget the agent's service")
    strike.hold(0.2)


def record_forgotten(strike: Strike) -> None:
    """The host's record of itself is deleted."""
    machine = strike.machine
    account = strike.cluster.localnet.pool.account_id

    def carried_out() -> bool:
        with contextlib.suppress(LabError):
            strike.hit()
            machine.host.consul.request("DELETE", f"/v1/kv/hafailover/{account}/nodes/{machine.name}")
            return True
        return False

    wait_until(carried_out, timeout_s=ANSWERS_WITHIN_S, what=f"Consul to forget the record of {machine.name}")
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
