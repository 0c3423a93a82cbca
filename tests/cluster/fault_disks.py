"""Disks that hang: under neard's home, under the agent's state folder, under Consul's data."""

from __future__ import annotations

from .fault_processes import GONE_S
from .machine import Medium
from .strike import Aim, Body, Expect, Kind, Strike

HUNG_S = (10.0, 16.0)
"""Longer than a lease lives."""


def hung(medium: Medium) -> Body:
    """Every write to this disk waits, for a while."""

    def body(strike: Strike) -> None:
        strike.hit()
        strike.machine.hang(medium)
        try:
            strike.hold()
        finally:
            strike.machine.thaw_disk(medium)

    return body


def hung_while_fenced(medium: Medium) -> Body:
    """The same, and the agent is gone: the guard has to get the key out by itself."""

    def body(strike: Strike) -> None:
        machine = strike.machine
        machine.hold(["agent"])
        strike.hit()
        try:
            machine.hang(medium)
            machine.kill(["agent"])
            strike.hold()
        finally:
            machine.thaw_disk(medium)
            machine.release(["agent"])

    return body


def hung_while_cut_off(medium: Medium) -> Body:
    """The same, and the host is cut off: nobody may wait for a disk with the lease running out."""

    def body(strike: Strike) -> None:
        machine = strike.machine
        strike.hit()
        try:
            machine.hang(medium)
            machine.cut()
            strike.hold()
        finally:
            machine.mend()
            machine.thaw_disk(medium)

    return body


def hung_while_neard_dies(medium: Medium) -> Body:
    """The same, and neard is killed: with it the key is gone, whatever the disk does."""

    def body(strike: Strike) -> None:
        machine = strike.machine
        strike.hit()
        try:
            machine.hang(medium)
            machine.kill(["neard"])
            strike.hold()
        finally:
            machine.thaw_disk(medium)

    return body


MOVES, STAYS, EITHER = Expect.MOVES, Expect.STAYS, Expect.EITHER
HOME = frozenset({"home", "neard", "rpc"})
CONSUL = frozenset({"consul"})

DISK_KINDS = (
    # neard's data lies elsewhere, so it goes on signing; nothing needs the home until the key has to go.
    Kind("home-hung", hung("home"), STAYS, HOME, holds=HUNG_S, hangs=True),
    Kind("home-hung-fenced", hung_while_fenced("home"), MOVES, HOME | {"agent"}, holds=GONE_S, hangs=True),
    Kind("home-hung-cut-off", hung_while_cut_off("home"), MOVES, HOME | {"link"}, holds=GONE_S, hangs=True),
    Kind("home-hung-neard-killed", hung_while_neard_dies("home"), MOVES, HOME, holds=HUNG_S, hangs=True),
    Kind("state-hung", hung("state"), STAYS, frozenset({"state"}), holds=HUNG_S, hangs=True),
    Kind(
        "state-hung-cut-off",
        hung_while_cut_off("state"),
        MOVES,
        frozenset({"state", "link"}),
        holds=GONE_S,
        hangs=True,
    ),
    # A follower that stores nothing is not needed for a majority; its host's agent may lose it all the same.
    Kind("consul-disk-hung", hung("consul"), EITHER, CONSUL, holds=HUNG_S, takes_consul=True, hangs=True),
    # It goes on answering and commits nothing, so nobody can prove a lease until it is well, or gone.
    Kind(
        "leader-disk-hung",
        hung("consul"),
        EITHER,
        frozenset({"*consul"}),
        holds=HUNG_S,
        takes_consul=True,
        aim=Aim.LEADER,
        hangs=True,
    ),
)
