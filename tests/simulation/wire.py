"""Calls of one agent to Consul: slow, lost, answered too late, or carried out long after."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from hafailover.core.events import Outcome

from .consul import LostError, NoSessionError, NotHeldError

if TYPE_CHECKING:
    from .agent import Agent
    from .host import Host
    from .servers import Past
    from .world import World

T = TypeVar("T")

HOLD_S = 8.0
"""How long a Consul server holds a call that it cannot serve yet; it may carry it out that late."""
SENT_S = 0.0005
"""From an adapter's call to the request's leaving the process."""


class Wire:
    """The way from one agent to Consul, through the server on its own host."""

    def __init__(self, world: World, host: Host, agent: Agent) -> None:
        self._world = world
        self._host = host
        self._agent = agent

    def call(
        self,
        deadline_s: float,
        apply: Callable[[], T],
        done: Callable[[Outcome, T | None, bool], None],
        by_past: Callable[[Past], T] | None = None,
    ) -> None:
        """Has ``apply`` done at some moment, or never; ``done`` hears (outcome, result, no such session).

        :param by_past: for what a server answers by itself: a leader from the past answers it wrongly.
        """
        world, rng, host, began = self._world, self._world.rng, self._host, self._world.now
        ended = False

        def finish(outcome: Outcome, result: T | None = None, gone: bool = False) -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._agent.run(lambda: done(outcome, result, gone))

        def land() -> None:
            past = world.servers.believed_past(host.server)
            serving = past is not None and by_past is not None
            leads = world.servers.has_leader if by_past is not None else world.servers.commits
            if not serving and not (host.reaches_leader and leads):
                # What the leader has taken it carries out when it can store it, however late that is.
                stored_late = world.servers.has_leader and host.reaches_leader
                if stored_late or (held and world.now - began < HOLD_S):
                    world.at(0.02 + 0.2 * rng.random(), land)
                return
            outcome, result, gone = Outcome.OK, None, False
            try:
                if past is not None and by_past is not None:
                    result = by_past(past)
                else:
                    result = apply()
                    if world.now - began > deadline_s:
                        world.struck("call carried out after its deadline")
            except NotHeldError:
                outcome = Outcome.REFUSED
            except NoSessionError:
                outcome, gone = Outcome.REFUSED, True
            except LostError:
                return
            if reply_arrives and host.hears_consul:
                world.at(_delay(rng.random()), lambda: finish(outcome, result, gone))

        # A server that has no leader, or whose host is cut off, holds some calls and carries them out late.
        held = rng.random() < 0.5
        reply_arrives, arrives, way = True, True, _delay(rng.random())
        if host.flaky:
            fate = rng.random()
            if fate < 0.15:
                arrives = False
                world.struck("request lost")
            elif fate < 0.3:
                reply_arrives = False
                world.struck("reply lost")
            elif fate < 0.45:
                way = 1.0 + 6.0 * rng.random()
                world.struck("request late")
        if arrives:
            # A frozen agent sends when it thaws; what has left a killed one arrives all the same.
            world.at(SENT_S, lambda: self._agent.run(lambda: world.at(way, land)))
        host.at(deadline_s, lambda: finish(Outcome.NO_PROOF))


def _delay(chance: float) -> float:
    """Mostly a few milliseconds, now and then some hundred."""
    return 0.001 + 0.004 * chance if chance < 0.97 else 10 * (chance - 0.97)
