"""Whether Consul is dead: what this host's own Consul says of a leader, and whether that leader answers."""

from __future__ import annotations

from enum import Enum

from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.consul import ConsulWatch
from hafailover.lock.errors import CallError, Kind

DEADLINE_S = 1.0
_NOBODY = (Kind.UNREACHABLE, Kind.SERVER)


class Consul(Enum):
    """What came of asking. The values are for people."""

    ANSWERS = "Consul answers"
    NO_LEADER = "Consul has no leader that answers"
    DOWN = "this host's Consul does not answer"
    """Which says nothing of the others."""


class Probe:
    """One connection for asking again and again; each time takes two seconds at most."""

    def __init__(self, address: Address, account_id: str) -> None:
        self._consul = connect(address, DEADLINE_S)
        self._watch = ConsulWatch(address, account_id, DEADLINE_S)

    def ask(self) -> Consul:
        try:
            leader = call("asking for Consul's leader", "", self._consul.status.leader)
        except CallError as error:
            if error.kind is Kind.UNREACHABLE:
                return Consul.DOWN
            return Consul.NO_LEADER if error.kind is Kind.SERVER else Consul.ANSWERS
        if not leader:
            return Consul.NO_LEADER
        try:
            self._watch.lock(None, 0.0, fast=True)
        except CallError as error:
            return Consul.NO_LEADER if error.kind in _NOBODY else Consul.ANSWERS
        return Consul.ANSWERS
