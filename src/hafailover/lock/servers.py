"""Consul's servers, as the one that is asked knows them; it needs no leader to answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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


LONGEST_NAME = 64
STUCK = "Consul does not commit: it answers, but its leader carries no write out, as where a disk hangs"
TRANSFER_SINCE = (1, 15)
"""Of Consul: `consul operator raft transfer-leader` exists from then on (its changelog, 1.15.0)."""


def whom_to_stop(consul: Any, hosts: Mapping[str, str]) -> str:
    """What to do about a Consul that does not commit, in words: which server leads, and where it runs.

    Everything that is asked for is answered without a commit. What cannot be had is left out.

    :param consul: a client with a short deadline; three calls are made.
    :param hosts: the session of each host's agent by the host's name in the pool.
    """
    try:
        leader, _ = leader_and_servers(consul)
    except CallError:
        leader = ""
    if not leader:
        return f"{STUCK}; stop Consul on the host of its leader: consul operator raft list-peers"
    name, version = _member(consul, leader)
    host = _host_with(consul, name, hosts) or name
    where = f"{host} ({leader})" if host else leader
    text = f"{STUCK}; stop Consul on {where}: systemctl stop consul"
    if version >= TRANSFER_SINCE:
        text += "; where its disk still answers, this may do: consul operator raft transfer-leader"
    return text


def _member(consul: Any, leader: str) -> tuple[str, tuple[int, ...]]:
    """Name and version of the server at that address; an empty name where the token may not see members."""
    try:
        members = call("reading Consul's members", "", lambda: list(_servers(consul.agent.members())))
    except CallError:
        return "", ()
    return next(((name, version) for address, name, version in members if address == leader), ("", ()))


def _servers(members: Any) -> Iterable[tuple[str, str, tuple[int, ...]]]:
    for one in members:
        tags = one.get("Tags") or {}
        if tags.get("role") != "consul":
            continue
        host, port = str(one["Addr"]), str(tags.get("port", ""))
        version = re.match(r"(\d{1,4})\.(\d{1,4})", str(tags.get("build", "")))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        yield (
            address,
            one_line(str(one["Name"]))[:LONGEST_NAME],
            tuple(map(int, version.groups())) if version else (),
        )


def _host_with(consul: Any, name: str, hosts: Mapping[str, str]) -> str | None:
    """The host of the pool whose agent has its session with that Consul node; ``None`` where nobody tells."""
    try:
        found = call("reading the sessions", "", lambda: _nodes(consul.session.list()[1]))
    except CallError:
        return None
    return next(
        (host for host, session in sorted(hosts.items()) if name and found.get(session) == name), None
    )


def _nodes(sessions: Any) -> dict[str, str]:
    return {str(one["ID"]): str(one["Node"]) for one in sessions}
