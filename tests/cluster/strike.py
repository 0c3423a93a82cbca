"""What a fault is, and what it is given to strike with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from hafailover.clock import boottime

from .cluster import Cluster
from .machine import Machine


class Expect(StrEnum):
    """What must come of a fault when it strikes a whole pool."""

    MOVES = "fails over"
    STAYS = "no failover"
    EITHER = "either"


class Aim(StrEnum):
    """Whom a fault strikes."""

    ACTIVE = "active"
    STANDBY = "standby"
    LEADER = "leader"
    """The host of Consul's leader, whether it signs or not."""
    OTHER_LEADER = "leader, not active"


class Stopped(Exception):
    """The run ends; whoever waits heals what it has done."""


@dataclass
class Strike:
    """One fault at work: on whom, for how long, and since when."""

    cluster: Cluster
    machine: Machine
    hold_s: float
    over: threading.Event
    struck_at: float = 0.0
    notes: list[str] = field(default_factory=list)

    def hit(self) -> None:
        """The fault strikes now."""
        self.struck_at = self.struck_at or boottime()

    def hold(self, seconds: float | None = None) -> None:
        """Lets it last for ``hold_s``, or as long as given. :raises Stopped:"""
        if self.over.wait(self.hold_s if seconds is None else seconds):
            raise Stopped


Body = Callable[[Strike], None]


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    :param body: strikes, lasts, and heals, the latter whatever happens.
    :param expected: of one that strikes the active of a whole pool.
    :param holds: the range of its duration in seconds; ``None`` where it has no say.
    :param touches: the parts of a host that no other fault may touch meanwhile; with ``*``: on all hosts.
    :param takes_consul: Consul on the host, or its link, suffers, so its leader may be lost.
    """

    name: str
    body: Body
    expected: Expect
    touches: frozenset[str]
    holds: tuple[float, float] | None = None
    aim: Aim = Aim.ACTIVE
    takes_consul: bool = False
    on_standby: Expect | None = Expect.STAYS
    """Of one that strikes a standby; ``None``: it makes no sense there."""
    stand_in_only: bool = False
    hangs: bool = False
    """It needs a disk that can hang, and so loop devices."""
    weight: float = 1.0
    by_name: bool = True
    """Struck once by name where all are; ``False``: much like another one, so that it comes by lot alone."""
    within_s: float = 30.0
    """When one must sign again, at the latest, for one that strikes a whole pool; from the strike."""

    @property
    def spread(self) -> frozenset[str]:
        """The parts that it touches on every host."""
        return frozenset(part.lstrip("*") for part in self.touches if part.startswith("*"))

    def expects(self, *, on_active: bool, on_leader: bool, whole: bool) -> Expect:
        """What must come of it. Where the pool was not whole, either may."""
        found = self.expected if on_active else (self.on_standby or Expect.EITHER)
        if not whole:
            return Expect.EITHER
        if found is Expect.STAYS and on_active and on_leader and self.takes_consul:
            return Expect.EITHER
        return found


def together(expectations: Sequence[Expect], *, harmless: bool) -> Expect:
    """What must come of several faults at once.

    :param harmless: they strike neither the active nor Consul. Then nothing may move. Otherwise one fault may
        prevent what another one is due to bring about.
    """
    if len(expectations) == 1:
        return expectations[0]
    if harmless and set(expectations) == {Expect.STAYS}:
        return Expect.STAYS
    return Expect.EITHER
