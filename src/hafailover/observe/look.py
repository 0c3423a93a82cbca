"""Reads what :func:`hafailover.observe.overview.overview` needs from Consul."""

from __future__ import annotations

from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.consul import ConsulWatch
from hafailover.lock.errors import CallError
from hafailover.lock.roster import Roster
from hafailover.observe.overview import ConsulView, Overview, overview
from hafailover.observe.records import TermRecord, parse_history
from hafailover.orders.desk import Desk
from hafailover.text import is_text

DEADLINE_S = 2.0


class Look:
    """One connection for repeated looks at a pool."""

    def __init__(self, address: Address, account_id: str) -> None:
        self._account_id = account_id
        self._watch = ConsulWatch(address, account_id, 0.0)
        self._roster = Roster(address, account_id, DEADLINE_S)
        self._desk = Desk(address, account_id, DEADLINE_S)
        self._consul = connect(address, DEADLINE_S)

    def take(self) -> Overview:
        """:raises CallError: Consul could not be asked."""
        return self.take_with_history()[0]

    def take_with_history(self) -> tuple[Overview, list[TermRecord]]:
        """The overview, and the history that it was made with, oldest first.

        :raises CallError: Consul could not be asked.
        """
        _, lock = self._watch.lock(None, 0.0, fast=True)
        _, heartbeat = self._watch.heartbeat(None, 0.0, fast=True)
        entries = self._roster.entries(stale=False)
        history = parse_history(self._roster.history())
        book = self._desk.read()
        view = overview(self._account_id, lock, heartbeat, entries, history, book, self._consul_view())
        return view, history

    def _consul_view(self) -> ConsulView | None:
        """Of the servers; everything else is known without them, so a refusal is no failure."""
        try:
            leader = call("asking for Consul's leader", "", self._consul.status.leader)
            servers = call("asking for Consul's servers", "", self._consul.status.peers)
        except CallError:
            return None
        if not is_text(leader) or not isinstance(servers, list) or not all(map(is_text, servers)):
            return None
        return ConsulView(leader, tuple(sorted(servers)))
