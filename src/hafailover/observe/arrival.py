"""Whether what a new holder signs arrives: looked at until it does, or for so long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from hafailover.clock import boottime
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError
from hafailover.observe.look import Look
from hafailover.observe.overview import Overview
from hafailover.observe.production import advice, is_producing, of_active, words
from hafailover.text import one_line

LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who signs after a change of signer, and what comes of it."""

    node: str | None = None
    """``None``: nobody, as far as Consul shows; or that could not be asked."""
    producing: bool | None = None
    """Whether what it signs gets into the chain; ``None``: not known yet, or nothing was due."""
    production: str = ""
    """The same in words, to be said after the name; where nobody signs, what the pool shows."""
    advice: str = ""
    """The likely cause and what to do, where it does not."""
    failure: str = ""
    """Why Consul could not be asked."""

    def __str__(self) -> str:
        return one_line(self._told())

    def _told(self) -> str:
        if self.failure:
            return f"who signs now is not known: Consul could not be asked: {self.failure}"
        if self.node is None:
            return self.production
        told = f"{self.node} {self.production or 'signs'}"
        # After a long silence the words say it themselves.
        known = self.producing is not None or self.advice
        return told if known else f"{told}; whether it produces is not known yet"

    @property
    def fault(self) -> str:
        """What is wrong, with the likely cause; empty where nothing is, as far as it is known."""
        return "; ".join(filter(None, (str(self), self.advice))) if self.producing is False else ""

    def to_plain(self) -> dict[str, Any]:
        """As ``hafailover status --json`` names it."""
        production = "; ".join(filter(None, (self.production, self.advice)))
        return {"producing": self.producing, "production": production}


def await_arrival(address: Address, account_id: str, within_s: float) -> Arrival:
    """Looks at the pool until its active is seen to produce, and at least once.

    The first duties may be missed while the network learns of a new holder, so what is bad is not final at
    once.
    """
    look, end = Look(address, account_id), boottime() + within_s
    while True:
        try:
            found = _arrival(look.take())
        except CallError as error:
            found = Arrival(failure=str(error))
        if found.producing or boottime() >= end:
            return found
        time.sleep(LOOK_S)


def _arrival(view: Overview) -> Arrival:
    if view.active is None or view.beat_still_s is not None:
        # Where the beat stands still, the record that tells of production is old, too.
        return Arrival(producing=False, production=view.verdict)
    found = of_active(next((host for host in view.hosts if host.node == view.active), None))
    return Arrival(view.active, is_producing(found), words(found), advice(found))
