"""Whether the beat moves that Consul shows, and who is to blame where it does not.

A read alone shows a host that signs also when nobody can prove a lease any more: what stands in Consul stays
there as long as nothing is carried out.
"""

from __future__ import annotations

from collections.abc import Callable

from hafailover.clock import boottime
from hafailover.core.beat import Phase
from hafailover.lock.client import Address, connect
from hafailover.lock.commits import Committing
from hafailover.lock.consul import ConsulWatch
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.servers import whom_to_stop
from hafailover.lock.snapshot import Snapshot
from hafailover.observe.warnings import Still

STILL_S = 3.0
"""A holder beats each second, and tries again within 2.2 s: a beat that is older is worth a closer look."""
QUIET_S = 5.0
"""A beat that is older though Consul commits is worth a word: a host that is well is never so late."""
WRITE_S = 1.0
SHORT_S = 0.4

FirstSeen = Callable[[], tuple[int, float] | None]
"""The ModifyIndex of the newest beat that the agent here has seen, and when first, on CLOCK_BOOTTIME."""


class Moving:
    """Looks at the beats of one pool. For one thread.

    :param first_seen: of this host's agent; ``None`` where there is none, and the beat has to be waited for.
    """

    def __init__(self, address: Address, account_id: str, first_seen: FirstSeen | None = None) -> None:
        self._first_seen = first_seen
        self._watch = ConsulWatch(address, account_id, STILL_S)
        self._commits = Committing(address, account_id, "look", WRITE_S)
        self._consul = connect(address, SHORT_S)
        self._last: tuple[int, float] | None = None

    def still(self, found: Snapshot) -> Still | None:
        """``None``: the beat moves, as far as can be told, or there is nobody to beat and Consul commits."""
        beat = found.heartbeat
        if found.lock.session is None or beat is None or beat.beat.phase is Phase.RELEASED:
            # Nobody signs, and it matters whether anybody could take the lock.
            stuck = self._stuck(found) if found.entries else ""
            return Still(0.0, stuck) if stuck else None
        age = self._age(beat.index)
        if age < STILL_S:
            return None
        stuck = self._stuck(found)
        return Still(age, stuck) if stuck or age >= QUIET_S else None

    def _age(self, index: int) -> float:
        """For how long at least the beat of that ModifyIndex has been the newest."""
        now = boottime()
        known, self._last = self._last, (index, now)
        if self._first_seen is not None:
            # Read after the snapshot: an agent that has seen another beat since has seen a newer one.
            known = self._first_seen()
        if known is not None and known[0] == index:
            self._last = known
            return boottime() - known[1]
        if known is not None or self._first_seen is not None:
            return 0.0
        try:
            _, newest = self._watch.heartbeat(index, STILL_S)
        except CallError:
            # What is wrong with it shows in the next look; a beat that was not seen to stand still moves.
            return 0.0
        return boottime() - now if newest is not None and newest.index == index else 0.0

    def _stuck(self, found: Snapshot) -> str:
        try:
            self._commits.prove()
        except CallError as error:
            if error.kind in (Kind.UNREACHABLE, Kind.SERVER):
                return whom_to_stop(self._consul, {e.node: e.session for e in found.entries if e.session})
        return ""
