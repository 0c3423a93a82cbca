"""Consul as its own API shows it: servers, Raft, autopilot, members, and how the local agent is set up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from consul import base

from hafailover.agent.advice import Tuning, tuning_of
from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.commits import Committing
from hafailover.lock.errors import CallError
from hafailover.lock.policy import agent_rule
from hafailover.lock.roster import whom_to_stop_in
from hafailover.lock.servers import leader_and_servers
from hafailover.takeover.silence import Consul, Probe

T = TypeVar("T")

DEADLINE_S = 2.0
COMMIT_S = 1.0
NODE_RULE = 'node_prefix "" { policy = "read" }'
OPERATOR_RULE = 'operator = "read"'
STATES = {1: "alive", 2: "leaving", 3: "left", 4: "failed"}
"""Serf's, as /v1/agent/members numbers them."""


@dataclass(frozen=True, slots=True)
class RaftServer:
    node: str
    address: str
    voter: bool


@dataclass(frozen=True, slots=True)
class Autopilot:
    """``unhealthy``: servers by name. ``tolerance``: how many more may fail."""

    healthy: bool
    tolerance: int
    unhealthy: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A Consul agent; ``rpc_port`` of servers, ``None`` of clients."""

    name: str
    address: str
    serf_port: int
    state: str
    rpc_port: int | None = None


@dataclass(frozen=True, slots=True)
class LocalAgent:
    """The agent that answers; ``None`` where it does not say."""

    name: str
    version: str
    tuning: Tuning | None
    acls: bool | None
    leaves_on_terminate: bool | None
    cleans_up_servers: bool | None


@dataclass(frozen=True, slots=True)
class ConsulFacts:
    """``None``: the token may not look; ``why`` says what it would need."""

    leader: str
    peers: tuple[str, ...]
    raft: tuple[RaftServer, ...] | None
    autopilot: Autopilot | None
    members: tuple[Member, ...]
    """Empty where the token may not see them."""
    local: LocalAgent | None
    why: tuple[str, ...] = ()


def look_at_consul(address: Address) -> ConsulFacts:
    """:raises CallError: Consul does not even tell its leader."""
    consul = connect(address, DEADLINE_S)
    leader, peers = leader_and_servers(consul)
    why: list[str] = []

    def tried(what: str, rule: str, read: Callable[[], T]) -> T | None:
        try:
            return call(what, rule, read)
        except CallError as failure:
            why.append(str(failure))
            return None

    return ConsulFacts(
        leader=leader,
        peers=peers,
        raft=tried("reading Raft's configuration", OPERATOR_RULE, lambda: _raft(consul)),
        autopilot=tried("reading the servers' health", OPERATOR_RULE, lambda: _autopilot(consul)),
        members=tried("reading Consul's members", NODE_RULE, lambda: _members(consul)) or (),
        local=tried("looking at Consul's own configuration", agent_rule("NODE"), lambda: _local(consul)),
        why=tuple(why),
    )


@dataclass(frozen=True, slots=True)
class Commit:
    """A write that changes nothing was tried. ``failed``: why it was not carried out; empty where it was.

    ``stuck``: Consul answers and carries nothing out; whom to stop.
    """

    failed: str = ""
    stuck: str = ""


def try_a_commit(address: Address, account_id: str, node: str) -> Commit:
    """Takes three seconds at most where Consul hangs."""
    try:
        Committing(address, account_id, node, COMMIT_S).prove()
    except CallError as error:
        if Probe(address, account_id, node, COMMIT_S).ask() is not Consul.NO_COMMIT:
            return Commit(failed=str(error))
        try:
            return Commit(str(error), whom_to_stop_in(address, account_id))
        except CallError:
            return Commit(str(error), Consul.NO_COMMIT.value)
    return Commit()


def _raft(consul: Any) -> tuple[RaftServer, ...]:
    servers = consul.operator.raft_config()["Servers"]
    return tuple(RaftServer(str(s["Node"]), str(s["Address"]), s["Voter"] is True) for s in servers)


def _autopilot(consul: Any) -> Autopilot:
    try:
        data = consul.operator.autopilot.health()
    except base.ClientError as answer:
        # It answers with 429 as long as one server is not healthy.
        code, _, body = str(answer).partition(" ")
        if code != "429":
            raise
        data = json.loads(body)
    servers = data.get("Servers") or []
    return Autopilot(
        healthy=data["Healthy"] is True,
        tolerance=int(data["FailureTolerance"]),
        unhealthy=tuple(sorted(str(s["Name"]) for s in servers if s["Healthy"] is not True)),
    )


def _members(consul: Any) -> tuple[Member, ...]:
    found = []
    for one in consul.agent.members():
        tags = one.get("Tags") or {}
        port = tags.get("port", "") if tags.get("role") == "consul" else ""
        found.append(
            Member(
                name=str(one["Name"]),
                address=str(one["Addr"]),
                serf_port=int(one["Port"]),
                state=STATES.get(one["Status"], "unknown"),
                rpc_port=int(port) if port.isdecimal() else None,
            )
        )
    return tuple(sorted(found, key=lambda member: member.name))


def _local(consul: Any) -> LocalAgent:
    answer = consul.agent.self()
    config, debug = answer["Config"], answer["DebugConfig"]
    return LocalAgent(
        name=str(config["NodeName"]),
        version=str(config["Version"]),
        tuning=tuning_of(answer),
        acls=_flag(debug.get("ACLsEnabled")),
        leaves_on_terminate=_flag(debug.get("LeaveOnTerm")),
        cleans_up_servers=_flag(debug.get("AutopilotCleanupDeadServers")),
    )


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
