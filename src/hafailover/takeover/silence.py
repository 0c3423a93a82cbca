"""Whether Consul is dead: it carries nothing out, and has no leader or one that does not commit."""

from __future__ import annotations

from enum import Enum

from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.commits import Committing
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.keys import PoolKeys

WRITE_S = 1.0
READ_S = 0.5
"""Of each of the questions why a write was not carried out."""
_NOBODY = (Kind.UNREACHABLE, Kind.SERVER)


class Consul(Enum):
    """What came of asking. The values are for people."""

    ANSWERS = "Consul answers"
    NO_LEADER = "Consul has no leader that answers"
    NO_COMMIT = "Consul answers, but its leader carries no write out"
    """As good as no leader: nobody's lease can be proved, and nobody can take the lock."""
    DOWN = "this host's Consul does not answer"
    """Which says nothing of the others."""


class Probe:
    """One connection for asking again and again. A Consul that is well is asked for one write and no more.

    :param node: this host's name in the pool.
    :param write_s: how long that may take, in seconds; with what follows a second longer at most.
    """

    def __init__(self, address: Address, account_id: str, node: str, write_s: float = WRITE_S) -> None:
        self._commits = Committing(address, account_id, node, write_s)
        self._consul = connect(address, READ_S)
        self._keys = PoolKeys(account_id)

    def ask(self) -> Consul:
        try:
            self._commits.prove()
        except CallError as error:
            return self._why_not() if error.kind in _NOBODY else Consul.ANSWERS
        return Consul.ANSWERS

    def _why_not(self) -> Consul:
        try:
            leader = call("asking for Consul's leader", "", self._consul.status.leader)
        except CallError as error:
            if error.kind is Kind.UNREACHABLE:
                return Consul.DOWN
            return Consul.NO_LEADER if error.kind is Kind.SERVER else Consul.ANSWERS
        if not leader:
            return Consul.NO_LEADER
        try:
            call("reading the lock", self._keys.rule, lambda: self._consul.kv.get(self._keys.lock))
        except CallError as error:
            return Consul.NO_LEADER if error.kind in _NOBODY else Consul.ANSWERS
        return Consul.NO_COMMIT
