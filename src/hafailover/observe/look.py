"""Reads what :func:`hafailover.observe.overview.overview` needs from Consul."""

from __future__ import annotations

from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulWatch
from hafailover.lock.roster import Roster
from hafailover.observe.overview import Overview, overview
from hafailover.observe.records import parse_history

DEADLINE_S = 2.0


class Look:
    """One connection for repeated looks at a pool."""

    def __init__(self, address: Address, account_id: str) -> None:
        self._account_id = account_id
        self._watch = ConsulWatch(address, account_id, 0.0)
        self._roster = Roster(address, account_id, DEADLINE_S)

    def take(self) -> Overview:
        """:raises CallError: Consul could not be asked."""
        _, lock = self._watch.lock(None, 0.0, fast=True)
        _, heartbeat = self._watch.heartbeat(None, 0.0, fast=True)
        entries = self._roster.entries(stale=False)
        history = parse_history(self._roster.history())
        return overview(self._account_id, lock, heartbeat, entries, history)
