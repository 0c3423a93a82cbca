"""Faults of processes: killed, frozen, kept away, alone, in pairs, and as a whole host."""

from __future__ import annotations

from collections.abc import Sequence

from .machine import ROLES, SERVICES, Role
from .strike import Aim, Body, Expect, Kind, Strike

FROZEN_S = (8.0, 14.0)
"""Longer than a lease lives."""
GONE_S = (10.0, 16.0)
BRIEF_S = (0.5, 2.0)
ALL = frozenset({"agent", "guard", "neard", "consul", "link", "home", "rpc"})


def killed(*roles: Role) -> Body:
    """SIGKILL at once; systemd starts again what is its own, the guard its neard."""

    def body(strike: Strike) -> None:
        strike.hit()
        strike.machine.kill(roles)
        strike.hold(0.2)

    return body


def frozen(*roles: Role) -> Body:
    """SIGSTOP, and SIGCONT later to what nobody has killed meanwhile."""

    def body(strike: Strike) -> None:
        strike.hit()
        strike.machine.freeze(roles)
        try:
            strike.hold()
        finally:
            strike.machine.thaw(roles)

    return body


def away(*roles: Role) -> Body:
    """SIGKILL, and systemd does not get them up again for a while."""

    def body(strike: Strike) -> None:
        strike.machine.hold(roles)
        try:
            strike.hit()
            strike.machine.kill(roles)
            strike.hold()
        finally:
            strike.machine.release(roles)

    return body


def host_crashed(strike: Strike) -> None:
    """Power off, and on again."""
    strike.hit()
    strike.machine.crash()
    try:
        strike.hold()
    finally:
        strike.machine.boot()


def host_suspended(strike: Strike) -> None:
    """Every process stands still, and nothing of the host is on the network."""
    machine = strike.machine
    watch = strike.cluster.monitor.watches[machine.name]
    strike.hit()
    machine.suspend()
    watch.falls_asleep()
    try:
        strike.hold()
    finally:
        watch.wakes()
        machine.wake()


def _of(name: str, body: Body, expected: Expect, roles: Sequence[Role], **more: object) -> Kind:
    touches = {*roles, *(("neard",) if "guard" in roles else ())}
    return Kind(name, body, expected, frozenset(touches), **more)  # type: ignore[arg-type]


MOVES, STAYS, EITHER = Expect.MOVES, Expect.STAYS, Expect.EITHER

PROCESS_KINDS = (
    _of("agent-killed", killed("agent"), STAYS, ["agent"], weight=2.0),
    # Killed by systemd after two seconds, and back before Consul's check or the guard's grant runs out.
    _of("agent-frozen", frozen("agent"), STAYS, ["agent"], holds=FROZEN_S),
    _of("agent-away", away("agent"), MOVES, ["agent"], holds=GONE_S),
    _of("guard-killed", killed("guard"), MOVES, ["guard"], weight=2.0),
    _of("guard-frozen", frozen("guard"), MOVES, ["guard"], holds=FROZEN_S),
    _of("neard-killed", killed("neard"), MOVES, ["neard"], weight=2.0),
    _of("neard-frozen", frozen("neard"), MOVES, ["neard"], holds=FROZEN_S),
    _of("neard-frozen-briefly", frozen("neard"), STAYS, ["neard"], holds=BRIEF_S),
    _of("consul-killed", killed("consul"), STAYS, ["consul"], takes_consul=True, weight=2.0),
    _of("consul-frozen", frozen("consul"), MOVES, ["consul"], takes_consul=True, holds=FROZEN_S),
    _of("consul-away", away("consul"), MOVES, ["consul"], takes_consul=True, holds=GONE_S, by_name=False),
    _of("agent+guard-killed", killed("agent", "guard"), MOVES, ["agent", "guard"]),
    _of("agent+neard-killed", killed("agent", "neard"), MOVES, ["agent", "neard"], by_name=False),
    _of("agent+consul-killed", killed("agent", "consul"), EITHER, ["agent", "consul"], takes_consul=True),
    _of(
        "guard+consul-killed",
        killed("guard", "consul"),
        MOVES,
        ["guard", "consul"],
        takes_consul=True,
        by_name=False,
    ),
    _of("neard+consul-killed", killed("neard", "consul"), MOVES, ["neard", "consul"], takes_consul=True),
    _of("agent+guard-frozen", frozen("agent", "guard"), MOVES, ["agent", "guard"], holds=FROZEN_S),
    _of("agent+neard-frozen", frozen("agent", "neard"), MOVES, ["agent", "neard"], holds=FROZEN_S),
    _of("guard+neard-frozen", frozen("guard", "neard"), MOVES, ["guard", "neard"], holds=FROZEN_S),
    _of(
        "neard+consul-frozen",
        frozen("neard", "consul"),
        MOVES,
        ["neard", "consul"],
        takes_consul=True,
        holds=FROZEN_S,
    ),
    _of("all-frozen", frozen(*ROLES), MOVES, ROLES, takes_consul=True, holds=FROZEN_S),
    _of("services-killed", killed(*SERVICES), MOVES, SERVICES, takes_consul=True),
    Kind("host-crashed", host_crashed, MOVES, ALL, holds=GONE_S, takes_consul=True),
    Kind("host-suspended", host_suspended, MOVES, ALL, holds=GONE_S, takes_consul=True),
    Kind("host-suspended-briefly", host_suspended, EITHER, ALL, holds=(0.5, 4.0), takes_consul=True),
    Kind("leader-crashed", host_crashed, MOVES, ALL, holds=GONE_S, takes_consul=True, aim=Aim.LEADER),
    Kind(
        "leader-suspended",
        host_suspended,
        MOVES,
        ALL,
        holds=GONE_S,
        takes_consul=True,
        aim=Aim.LEADER,
        by_name=False,
    ),
    Kind(
        "leader-elsewhere-crashed",
        host_crashed,
        MOVES,
        ALL,
        holds=GONE_S,
        takes_consul=True,
        aim=Aim.OTHER_LEADER,
    ),
    Kind("leader-killed", killed("consul"), EITHER, frozenset({"consul"}), takes_consul=True, aim=Aim.LEADER),
    Kind(
        "leader-frozen",
        frozen("consul"),
        MOVES,
        frozenset({"consul"}),
        takes_consul=True,
        aim=Aim.LEADER,
        holds=FROZEN_S,
    ),
)
