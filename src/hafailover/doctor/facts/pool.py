"""The pool as Consul holds it: the hosts' records, the key on record, each host's Consul agent."""

from __future__ import annotations

import contextlib

from hafailover.lock.classify import RAISED
from hafailover.lock.client import Address, connect
from hafailover.lock.roster import Roster
from hafailover.observe.look import Look
from hafailover.observe.overview import Overview

DEADLINE_S = 2.0


def look_at_pool(address: Address, account_id: str) -> Overview:
    """:raises CallError: Consul could not be asked."""
    return Look(address, account_id).take()


def pool_public_key(address: Address, account_id: str) -> str | None:
    """The key that the pool has on record.

    :raises CallError: Consul could not be asked.
    """
    return Roster(address, account_id, DEADLINE_S).pool_public_key()


def consul_nodes(address: Address, account_id: str) -> dict[str, str]:
    """Each host's Consul node, by its agent's session; a host whose session may not be read is left out.

    :raises CallError: Consul could not be asked.
    """
    consul = connect(address, DEADLINE_S)
    nodes = {}
    for entry in Roster(address, account_id, DEADLINE_S).entries(stale=False):
        if entry.session is None:
            continue
        with contextlib.suppress(*RAISED):
            _, found = consul.session.info(entry.session)
            nodes[entry.node] = str(found["Node"])
    return nodes
