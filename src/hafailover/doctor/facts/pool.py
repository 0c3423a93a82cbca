"""The pool as Consul holds it: the hosts' records, the key on record, and where each host's Consul agent is."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from hafailover.lock.client import Address, connect
from hafailover.lock.errors import CallError
from hafailover.lock.roster import Roster
from hafailover.observe.look import Look
from hafailover.observe.overview import Overview

DEADLINE_S = 2.0


@dataclass(frozen=True, slots=True)
class PoolFacts:
    view: Overview
    public_key: str | None
    """The key that the pool has on record."""


def look_at_pool(address: Address, account_id: str) -> PoolFacts:
    """:raises CallError: Consul could not be asked."""
    view = Look(address, account_id).take()
    return PoolFacts(view, Roster(address, account_id, DEADLINE_S).pool_public_key())


def consul_nodes(address: Address, account_id: str) -> dict[str, str]:
    """Each host's Consul node, by its agent's session; a host whose session may not be read is left out.

    :raises CallError: Consul could not be asked.
    """
    consul = connect(address, DEADLINE_S)
    nodes = {}
    for entry in Roster(address, account_id, DEADLINE_S).entries(stale=False):
        if entry.session is None:
            continue
        with contextlib.suppress(CallError, Exception):
            _, found = consul.session.info(entry.session)
            nodes[entry.node] = str(found["Node"])
    return nodes
