"""The agent's part in a takeover without a lease, as :mod:`hafailover.agent.takeover` plays it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hafailover.agent.takeover import ASK_S, LOOK_S
from hafailover.core import events as ev
from hafailover.takeover.documents import TAKEN_WITHIN_S

if TYPE_CHECKING:
    from .agent import Agent
    from .host import Host
    from .world import World

ASKED_FOR_S = 2.0
"""The longest that asking Consul takes (:mod:`hafailover.takeover.silence`)."""


@dataclass
class Order:
    """The file with an operator's order. ``at``: on the host's clock."""

    name: str
    at: float
    answered: bool = False


class Desk:
    """Belongs to one agent process: an order dies with it."""

    def __init__(self, world: World, host: Host, agent: Agent) -> None:
        self._world, self._host, self._agent = world, host, agent
        self.standing: str | None = None
        self._taken: Order | None = None
        # What an agent before this one was ordered is over.
        host.order = None

    def look(self) -> None:
        """As the product's, twice a second while there is something to look for."""
        order = self._host.order
        if self.standing is not None:
            if order is None or order.name != self.standing:
                self._agent.take(ev.TakeoverEnded())
        elif order is not None and order is not self._taken:
            self._taken = order
            if self._host.clock() - order.at > TAKEN_WITHIN_S:
                self.answered(signs=False, text="the order is from before; give it again")
            else:
                self._take(order.name)
        if self.standing is not None or order is not None:
            self._host.at(LOOK_S, self._agent.own(self.look))

    def answered(self, signs: bool, text: str) -> None:
        self._world.note(f"agent {self._host.name}: takeover: {text}")
        self._world.did["takeovers begun" if signs else "takeovers refused or over"] += 1
        order = self._host.order
        if order is not None:
            order.answered = True
        if not signs:
            self.standing = self._host.order = None

    def _take(self, name: str) -> None:
        def asked(asked_at: float, answers: bool) -> None:
            if answers:
                self.answered(signs=False, text="Consul answers")
            elif self.standing is None:
                self.standing = name
                self._agent.take(ev.TakeoverOrdered(name, "operator", asked_at))
                self._host.at(ASK_S, self._agent.own(self._ask_again))

        self._ask(asked)

    def _ask_again(self) -> None:
        def asked(asked_at: float, answers: bool) -> None:
            self._agent.take(ev.ConsulAnswered() if answers else ev.ConsulSilent(asked_at))
            # It looks only twice a second whether the next question is due.
            left = asked_at + ASK_S + LOOK_S * self._world.rng.random() - self._host.clock()
            self._host.at(left, self._agent.own(self._ask_again))

        if self.standing is not None:
            self._ask(asked)

    def _ask(self, asked: Callable[[float, bool], None]) -> None:
        asked_at = self._host.clock()
        # A server that is dead refuses at once; one that hangs takes as long as it may.
        deadline = ASKED_FOR_S * self._world.rng.random()
        self._agent.asks_consul(deadline, lambda answers: asked(asked_at, answers))
