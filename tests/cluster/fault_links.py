"""Faults of links, and of Consul as a whole."""

from __future__ import annotations

from functools import partial

from hafailover.lab.errors import LabError
from hafailover.lab.netns import Heard
from hafailover.lab.waiting import wait_until

from .fault_processes import BRIEF_S, GONE_S
from .machine import Machine
from .strike import Aim, Body, Expect, Kind, Strike

CONSUL_BACK_S = 30.0
FLAPS = 5
LONG_S = (120.0, 120.0)


def link_down(strike: Strike) -> None:
    """The cable is pulled, and plugged in again."""
    strike.hit()
    strike.machine.cut()
    try:
        strike.hold()
    finally:
        strike.machine.mend()


def one_way(what: Heard) -> Body:
    """One direction is lost, by a packet filter at the card that the packets come in at."""

    def body(strike: Strike) -> None:
        strike.hit()
        strike.machine.deny(what)
        try:
            strike.hold()
        finally:
            strike.machine.allow(what)

    return body


def flapping(strike: Strike) -> None:
    """Down and up again, over and over."""
    strike.hit()
    try:
        for _ in range(FLAPS):
            strike.machine.cut()
            strike.hold(strike.hold_s / FLAPS / 2)
            strike.machine.mend()
            strike.hold(strike.hold_s / FLAPS / 2)
    finally:
        strike.machine.mend()


def standbys_cut(strike: Strike) -> None:
    """Every host but the one that is struck: it is alone, and so are they."""
    others = strike.cluster.others(strike.machine)
    strike.hit()
    for machine in others:
        machine.cut()
    try:
        strike.hold()
    finally:
        for machine in others:
            machine.mend()


def consul_lost(strike: Strike) -> None:
    """All of Consul is gone, and comes back with what it has stored."""
    machines = strike.cluster.machines
    for machine in machines:
        machine.hold(["consul"])
    try:
        strike.hit()
        for machine in machines:
            machine.kill(["consul"])
        strike.hold()
    finally:
        for machine in machines:
            machine.release(["consul"])


def consul_rolling(strike: Strike) -> None:
    """Each server is restarted in order, the next one when the last is back."""
    strike.hit()
    for machine in strike.cluster.machines:
        machine.units["consul"].restart()
        wait_until(partial(_back, machine), timeout_s=CONSUL_BACK_S, what=f"{machine.name}'s Consul")
        strike.hold(1.0)


def _back(machine: Machine) -> bool:
    """Whether its server knows a leader and has caught up: an answer of its own that is consistent."""
    try:
        machine.host.consul.request("GET", "/v1/kv/?keys&consistent", timeout_s=1.0)
    except LabError as error:
        # Keys below "" are never absent in this cluster, but a 404 would be an answer, too.
        return ": 404 " in str(error)
    return True


MOVES, STAYS, EITHER = Expect.MOVES, Expect.STAYS, Expect.EITHER
LINK = frozenset({"link"})
ALL_CONSUL = frozenset({"*consul", "*link"})

LINK_KINDS = (
    Kind("link-down", link_down, MOVES, LINK, holds=GONE_S, takes_consul=True),
    Kind("link-down-briefly", link_down, STAYS, LINK, holds=BRIEF_S, takes_consul=True, weight=2.0),
    # As long as it takes to see whether a pool goes on to produce whose old host has vanished. Only by name.
    Kind(
        "link-down-long", link_down, MOVES, LINK, holds=LONG_S, takes_consul=True, weight=0.0, by_name=False
    ),
    Kind("deaf", one_way("deaf"), MOVES, LINK, holds=GONE_S, takes_consul=True),
    Kind("mute", one_way("mute"), MOVES, LINK, holds=GONE_S, takes_consul=True),
    Kind("link-flapping", flapping, EITHER, LINK, holds=(5.0, 12.0), takes_consul=True),
    Kind("leader-link-down", link_down, MOVES, LINK, holds=GONE_S, takes_consul=True, aim=Aim.LEADER),
    Kind(
        "leader-mute-elsewhere",
        one_way("mute"),
        MOVES,
        LINK,
        holds=GONE_S,
        takes_consul=True,
        aim=Aim.OTHER_LEADER,
    ),
    Kind("standbys-cut", standbys_cut, EITHER, ALL_CONSUL, holds=GONE_S, on_standby=None, weight=0.5),
    # Nobody can prove a lease meanwhile; then the same term goes on, or the session has run out.
    Kind("consul-lost", consul_lost, EITHER, ALL_CONSUL, holds=GONE_S, on_standby=None, weight=0.5),
    Kind("consul-lost-briefly", consul_lost, EITHER, ALL_CONSUL, holds=BRIEF_S, on_standby=None, weight=0.5),
    Kind("consul-rolling", consul_rolling, STAYS, ALL_CONSUL, on_standby=None, weight=0.3),
)
