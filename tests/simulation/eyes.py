"""What an agent of the simulator watches: the lease's keys in Consul, its neard, the other hosts' records."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hafailover.agent.watchers import GAP_S, WAIT_S
from hafailover.core import events as ev
from hafailover.core.views import NeardView

from .neard import POOL_KEY

if TYPE_CHECKING:
    from .agent import Agent
    from .host import Host
    from .world import World

WATCHED = ("lock", "heartbeat", "dropped", "request")
MEMBERS_S = 4.0
WORK_S = 3.0


class Eyes:
    """Belongs to one agent process and dies with it."""

    def __init__(self, world: World, host: Host, agent: Agent) -> None:
        self._world, self._host, self._agent = world, host, agent
        self._looking: set[str] = set()
        self._blind_since: float | None = None
        self._arrive_at = 0.0
        self._closely = False
        self._seen_height: int | None = None
        for first, chore in (
            (0.01, self._watch),
            (0.1, self._look_at_neard),
            (0.3, self._look_at_members),
            (0.4, self._look_at_work),
        ):
            host.at(first, agent.own(chore))

    # --- Consul

    def _watch(self) -> None:
        """A blocking query without news comes back all the same, and says what is there."""
        self.look_at_all()
        self._host.at(WAIT_S, self._agent.own(self._watch))

    def look_at_all(self) -> None:
        for what in WATCHED:
            self.look(what)

    def look(self, what: str) -> None:
        """Something changed: the watch answers a while later, with what was there a while before."""
        if what in self._looking or not self._agent.alive:
            return
        self._looking.add(what)
        rng = self._world.rng
        slow = 0.0
        if self._host.slow_watch:
            slow = 2.0 * rng.random()
            self._world.struck("watch late")
        self._world.at(0.005 + 0.09 * rng.random(), lambda: self._capture(what, slow))

    def _capture(self, what: str, slow: float) -> None:
        world, host = self._world, self._host
        if not self._agent.alive:
            return
        past = world.servers.believed_past(host.server)
        if past is None and not host.server.well:
            # The own server has no news; if it does not even answer, the watch is broken.
            if not host.server.answers and self._blind_since is None:
                self._blind_since = host.clock()
            host.at(0.2, lambda: self._capture(what, slow))
            return
        gap = self._blind_since is not None and host.clock() - self._blind_since > GAP_S
        self._blind_since = None
        self._looking.discard(what)
        if past is not None:
            # There will be news as soon as the server knows better.
            host.at(1.0, lambda: self.look(what))
        event = self._event(what, past is not None)

        def arrive() -> None:
            if gap:
                self._agent.emit(ev.WatchGap())
            self._agent.emit(event)

        # In order: what was captured earlier also arrives earlier.
        self._arrive_at = max(self._arrive_at, world.now + 0.002 + slow)
        world.at(self._arrive_at - world.now, arrive)

    def _event(self, what: str, by_past: bool) -> ev.Event:
        consul = self._world.consul
        past = self._host.server.past
        if what == "lock":
            return ev.LockSeen(past.lock if by_past and past is not None else consul.lock)
        if what == "heartbeat":
            return ev.BeatSeen(past.heartbeat if by_past and past is not None else consul.heartbeat)
        if what == "dropped":
            return ev.DroppedSeen(consul.dropped)
        return ev.RequestSeen(self._world.request)

    # --- neard and the others

    def closely(self, on: bool) -> None:
        self._closely = on
        if on:
            self._host.at(0.0, self._agent.own(self._look_closely))

    def _look_at_neard(self) -> None:
        self._ask_neard()
        self._host.at(1.0, self._agent.own(self._look_at_neard))

    def _look_closely(self) -> None:
        if self._closely:
            self._ask_neard()
            self._host.at(0.1, self._agent.own(self._look_closely))

    def _ask_neard(self) -> None:
        world, host, agent = self._world, self._host, self._agent
        neard = host.neard
        if neard is None or not neard.up or neard.silent or not neard.alive:
            self._seen_height = None
            failed = ev.NeardFailed("no answer")
            host.at(0.002, agent.own(lambda: agent.take(failed)))
            return
        height = host.view.head
        syncing = world.now < max(neard.synced_at, host.syncing_until)
        seen = ev.NeardSeen(
            NeardView(
                height,
                syncing,
                neard.key,
                "2.10.0",
                peers=5,
                shadow=True,
                head_age_s=host.view.age_s,
                steady=host.view.steady,
                live=host.view.live,
                looked_at=host.clock(),
            )
        )
        if self._closely and not syncing:
            first = self._seen_height if self._seen_height is not None else height
            self._seen_height = height
            for number in range(first + 1, height + 1):
                if number in world.chain.own or number in world.chain.foreign:
                    host.at(0.003, agent.own(partial(agent.take, ev.OwnBlockSeen(number))))
        host.at(0.002, agent.own(lambda: agent.take(seen)))

    def _look_at_work(self) -> None:
        self._host.at(1.0 if self._closely else WORK_S, self._agent.own(self._look_at_work))
        neard, agent = self._host.neard, self._agent
        silent = self._world.now < self._host.silent_of_work_until
        if silent or neard is None or not neard.up or neard.silent or not neard.alive:
            agent.take(ev.WorkFailed("no answer"))
        else:
            agent.take(ev.WorkSeen(self._world.chain.work(self._host)))

    def _look_at_members(self) -> None:
        self.tell_members()
        self._host.at(MEMBERS_S, self._agent.own(self._look_at_members))

    def tell_members(self) -> None:
        if self._host.server.well:
            self._agent.take(ev.MembersSeen(self._world.members(), POOL_KEY))
