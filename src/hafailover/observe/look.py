"""Reads what :func:`hafailover.observe.overview.overview` needs from Consul."""

from __future__ import annotations

from typing import Any

from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.servers import leader_and_servers
from hafailover.lock.snapshot import Snapshot, Snapshots
from hafailover.observe.moving import FirstSeen, Moving
from hafailover.observe.overview import Overview, overview
from hafailover.observe.records import TermRecord, parse_history
from hafailover.observe.warnings import ConsulView
from hafailover.orders.documents import read_book

DEADLINE_S = 2.0
FIRST_S = 1.5
"""How long somebody who looks waits for Consul's leader before what is known without it is shown."""
SHORT_S = 0.4
"""For what is good to know and no more: of the servers, and of a pool without a leader, one after another."""


class Look:
    """One connection for repeated looks at a pool.

    :param first_seen: of this host's agent, which sees each beat; without it the first look waits for one.
    """

    def __init__(self, address: Address, account_id: str, first_seen: FirstSeen | None = None) -> None:
        self._account_id = account_id
        self._moving = Moving(address, account_id, first_seen)
        self._snapshots = Snapshots(address, account_id, DEADLINE_S)
        self._first = Snapshots(address, account_id, FIRST_S)
        self._old = Snapshots(address, account_id, SHORT_S)
        self._consul = connect(address, SHORT_S)

    def take(self) -> Overview:
        """:raises CallError: Consul could not be asked, or has no leader."""
        return self.take_with_history()[0]

    def take_with_history(self) -> tuple[Overview, list[TermRecord]]:
        """The overview, and the history that it was made with, oldest first.

        :raises CallError: Consul could not be asked, or has no leader.
        """
        found = self._snapshots.take()
        return self._view(found), parse_history(found.history)

    def take_anyhow(self) -> Overview:
        """The same; where Consul has no leader, what the server that answers knew last, marked as stale.

        :raises CallError: Consul could not be asked.
        """
        try:
            return self._view(self._first.take())
        except CallError as error:
            if error.kind not in (Kind.SERVER, Kind.UNREACHABLE):
                raise
            try:
                return self._view(self._old.take(stale=True), stale=True)
            except CallError:
                raise error from None

    def _view(self, found: Snapshot, *, stale: bool = False) -> Overview:
        return overview(
            self._account_id,
            found.lock,
            found.heartbeat,
            found.entries,
            parse_history(found.history),
            read_book(found.orders),
            self._consul_view(stale),
            stale=stale,
            junk=found.junk,
            still=None if stale else self._moving.still(found),
        )

    def _consul_view(self, stale: bool) -> ConsulView | None:
        """Of the servers; everything else is known without them, so a refusal is no failure."""
        try:
            leader, servers = leader_and_servers(self._consul)
        except CallError:
            return None
        # The leader would have to answer the rest.
        failing = () if stale or not leader else self._failing(servers)
        return ConsulView(leader, servers, failing)

    def _failing(self, servers: tuple[str, ...]) -> tuple[str, ...]:
        """Servers that the others cannot reach; none where the token may not read services."""
        try:
            found = call(
                "asking for the servers' health",
                "",
                lambda: _failing(self._consul.health.service("consul")[1]),
            )
        except CallError:
            return ()
        return tuple(sorted(found.intersection(servers)))


def _failing(services: Any) -> set[str]:
    """Raft addresses of the servers whose gossip says that they are gone (check ``serfHealth``)."""
    return {
        _host_port(entry["Service"].get("Address") or entry["Node"]["Address"], entry["Service"]["Port"])
        for entry in services
        if any(check["CheckID"] == "serfHealth" and check["Status"] != "passing" for check in entry["Checks"])
    }


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
