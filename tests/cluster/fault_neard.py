"""Faults on neard's side: its RPC, its reloads, its memory and its disk, with and without a need to drop."""

from __future__ import annotations

import contextlib
import resource
import signal
from pathlib import Path

from hafailover.lab.errors import LabError
from hafailover.lab.waiting import wait_until

from .fault_processes import FROZEN_S, GONE_S
from .machine import Machine
from .strike import Body, Expect, Kind, Strike

EAT_MIB = 8
"""In each tenth of a second."""
ROOM_BYTES = 48 << 20
OOM_WITHIN_S = 15.0
NEARD_UP_S = 65.0
"""The guard waits up to a minute before it starts a neard that keeps ending."""


def faulty(**fault: object) -> Body:
    """The stand-in misbehaves for a while, as ``localneard.settings`` has it."""

    def body(strike: Strike) -> None:
        strike.hit()
        strike.machine.neard_fault(**fault)
        try:
            strike.hold()
        finally:
            strike.machine.neard_fault()

    return body


def faulty_while_fenced(**fault: object) -> Body:
    """The same, and the agent stays away: the guard has to get the key out by itself."""

    def body(strike: Strike) -> None:
        machine = strike.machine
        machine.neard_fault(**fault)
        machine.hold(["agent"])
        try:
            strike.hit()
            machine.kill(["agent"])
            strike.hold()
        finally:
            machine.release(["agent"])
            machine.neard_fault()

    return body


def sighup_lost(strike: Strike) -> None:
    """The others lose their next SIGHUP, which is the one that is to load the key."""
    others = strike.cluster.others(strike.machine)
    for machine in others:
        machine.neard_fault(lose_sighup=1)
    try:
        strike.hit()
        strike.machine.kill(["neard"])
        strike.hold(6.0)
    finally:
        for machine in others:
            machine.neard_fault()


def sabotage(strike: Strike) -> None:
    """Loads the key into another host's neard behind its guard's back, so that two have it."""
    other = strike.cluster.others(strike.machine)[0]
    link = other.home / "validator_key.json"
    neard = other.pid("neard")
    if neard is None:
        raise LabError(f"{other.name}: there is no neard to load the key into")
    link.symlink_to(strike.cluster.localnet.pool.credential)
    strike.hit()
    neard.signal(signal.SIGHUP)
    try:
        strike.hold(3.0)
    finally:
        link.unlink(missing_ok=True)
        neard.signal(signal.SIGHUP)


def out_of_memory(strike: Strike) -> None:
    """neard takes ever more memory, and gets no more than 48 MiB beyond what it has."""
    machine = strike.machine
    # Another fault may have ended it just before.
    wait_until(lambda: machine.pid("neard") is not None, timeout_s=NEARD_UP_S, what=f"{machine.name}'s neard")
    neard = machine.pid("neard")
    if neard is None:
        return
    size = int(Path(f"/proc/{neard.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    limit = size + ROOM_BYTES
    resource.prlimit(neard.pid, resource.RLIMIT_AS, (limit, limit))
    strike.hit()
    machine.neard_fault(eat_mib=EAT_MIB)
    try:
        neard.wait_gone(OOM_WITHIN_S)
    finally:
        machine.neard_fault()
    if neard.is_alive():
        raise LabError(f"{machine.name}: neard took no more memory")


def disk(change: str, *, fenced: bool = False) -> Body:
    """Nothing can be written in neard's home: ``lock`` or ``fill`` it. ``fenced``: the agent is away, too."""

    def body(strike: Strike) -> None:
        machine = strike.machine
        if fenced:
            machine.hold(["agent"])
        strike.hit()
        _spoil(machine, change)
        try:
            if fenced:
                machine.kill(["agent"])
            strike.hold()
        finally:
            _repair(machine, change)
            if fenced:
                machine.release(["agent"])

    return body


def _spoil(machine: Machine, change: str) -> None:
    if change == "lock":
        machine.lock_disk()
    else:
        machine.fill_disk()


def _repair(machine: Machine, change: str) -> None:
    if change == "lock":
        with contextlib.suppress(LabError):
            machine.unlock_disk()
    else:
        machine.empty_disk()


MOVES, STAYS, EITHER = Expect.MOVES, Expect.STAYS, Expect.EITHER
RPC = frozenset({"rpc", "neard"})
FENCED = frozenset({"rpc", "neard", "agent"})
HOME = frozenset({"home", "neard", "rpc"})

NEARD_KINDS = (
    Kind("rpc-hung", faulty(rpc="hang"), MOVES, RPC, holds=GONE_S, stand_in_only=True),
    Kind(
        "rpc-hung-briefly", faulty(rpc="hang"), STAYS, RPC, holds=(0.5, 2.5), stand_in_only=True, weight=2.0
    ),
    Kind("rpc-garbage", faulty(rpc="garbage"), MOVES, RPC, holds=GONE_S, stand_in_only=True),
    Kind("rpc-flood", faulty(rpc="flood"), MOVES, RPC, holds=GONE_S, stand_in_only=True),
    Kind("rpc-error", faulty(rpc="error503"), MOVES, RPC, holds=GONE_S, stand_in_only=True, by_name=False),
    Kind(
        "reload-refused",
        faulty_while_fenced(refuse_reload=True),
        MOVES,
        FENCED,
        holds=GONE_S,
        stand_in_only=True,
    ),
    Kind("drop-slow", faulty_while_fenced(drop_delay_s=5.0), MOVES, FENCED, holds=GONE_S, stand_in_only=True),
    Kind("sighup-lost", sighup_lost, MOVES, frozenset({"*rpc", "neard"}), stand_in_only=True),
    Kind("neard-out-of-memory", out_of_memory, MOVES, RPC, stand_in_only=True),
    Kind("home-read-only", disk("lock"), EITHER, HOME, holds=FROZEN_S),
    Kind("home-full", disk("fill"), EITHER, HOME, holds=FROZEN_S),
    Kind("home-read-only-fenced", disk("lock", fenced=True), MOVES, HOME | {"agent"}, holds=GONE_S),
    Kind("home-full-fenced", disk("fill", fenced=True), MOVES, HOME | {"agent"}, holds=GONE_S, by_name=False),
)

SABOTAGE = Kind("sabotage", sabotage, EITHER, frozenset({"*neard", "*home"}))
"""No fault of a host's: it breaks the invariant, to show that the observer finds that. Only by name."""
