"""Consul's servers, as the one that is asked knows them; it needs no leader to answer."""

from __future__ import annotations

from typing import Any

from hafailover.lock.classify import call
from hafailover.lock.errors import CallError, Kind
from hafailover.text import is_text, one_line


def leader_and_servers(consul: Any) -> tuple[str, tuple[str, ...]]:
    """The leader's address, empty where there is none, and those of all servers, as ``host:port`` of Raft.

    :raises CallError: Consul does not answer, or makes no sense.
    """
    leader = call("asking for Consul's leader", "", consul.status.leader)
    servers = call("asking for Consul's servers", "", consul.status.peers)
    if not is_text(leader) or not isinstance(servers, list) or not all(map(is_text, servers)):
        raise CallError(Kind.GARBAGE, "asking for Consul's servers: an answer that makes no sense")
    return one_line(leader), tuple(sorted(map(one_line, servers)))
