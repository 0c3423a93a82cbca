"""Consul: a quorum that bears the loss of a server, and agents that do not leave by themselves."""

from __future__ import annotations

from hafailover.doctor.facts.consul import NODE_RULE, Commit, ConsulFacts, LocalAgent
from hafailover.doctor.finding import Finding, Severity, error, info, ok, skipped, warning
from hafailover.lock.errors import CallError
from hafailover.observe.warnings import of_servers

SAYS_WHAT_TO_DO = ("limits.http_max_conns_per_client", "so nothing is sent", "does not know the token")
"""Consul may well run where one of these is said."""
LOOK = "on the servers: consul operator raft list-peers, and the Consul log of the one that is missing"


def unreachable(failure: CallError, address: str) -> list[Finding]:
    text = str(failure)
    remedy = (
        f"start Consul on this host, or correct consul.address (now {address}): nobody can sign without it"
    )
    if any(word in text for word in SAYS_WHAT_TO_DO):
        remedy = "do what it says: nobody can sign without Consul"
    return [error("consul.reach", text, remedy)]


def judge(facts: ConsulFacts) -> list[Finding]:
    return [
        *_leader(facts),
        *_servers(facts),
        *_voters(facts),
        *_health(facts),
        *_members(facts),
        *_local(facts),
    ]


WELL = ("consul.leader", "consul.health")
"""What says that Consul is well, by its own word."""


def judge_with_commit(facts: ConsulFacts, commit: Commit) -> list[Finding]:
    """The same, and whether Consul does what it is for: a leader may be there, and carry nothing out."""
    found = judge(facts)
    if commit.stuck:
        found = [one for one in found if one.severity is not Severity.OK or one.id not in WELL]
        remedy = "stop that server, and look at its disk; docs/runbook.md#hafailoverconsuldoesnotcommit"
        return [*found, error("consul.commits", commit.stuck, remedy)]
    return [*found, *_commit(commit)]


def _commit(commit: Commit) -> list[Finding]:
    if commit.failed:
        return [
            skipped("consul.commits", f"whether Consul carries writes out cannot be seen: {commit.failed}")
        ]
    return [ok("consul.commits", "it carries out what is written")]


def _leader(facts: ConsulFacts) -> list[Finding]:
    if facts.leader:
        return [ok("consul.leader", f"{facts.leader} leads")]
    return [
        error(
            "consul.leader",
            "Consul has no leader: nobody can take the lock, and the active gives up its key",
            f"a majority of the servers must be up and reach each other on port 8300; {LOOK}",
        )
    ]


def _servers(facts: ConsulFacts) -> list[Finding]:
    found = [
        warning("consul.servers", one, "see 'Consul' in docs/operating.md") for one in of_servers(facts.peers)
    ]
    return found or [ok("consul.servers", f"{len(facts.peers)} servers: {', '.join(facts.peers)}")]


def _voters(facts: ConsulFacts) -> list[Finding]:
    if facts.raft is None:
        return [_unseen("consul.voters", facts, "who has a vote", "Raft's configuration")]
    mute = [server.node for server in facts.raft if not server.voter]
    if mute:
        return [
            warning(
                "consul.voters",
                f"{', '.join(mute)} has no vote: it does not count when another server is lost",
                "a server that came back gets it after some ten seconds; " + LOOK,
            )
        ]
    return [ok("consul.voters", f"all {len(facts.raft)} servers have a vote")]


def _health(facts: ConsulFacts) -> list[Finding]:
    state = facts.autopilot
    if state is None:
        return [_unseen("consul.health", facts, "the servers' health", "the servers' health")]
    if state.healthy:
        return [ok("consul.health", f"all servers are well; {state.tolerance} may fail")]
    names = ", ".join(state.unhealthy) or "at least one server"
    if state.tolerance < 1 and len(facts.peers) > 1:
        return [error("consul.health", f"not well: {names}; the loss of one more stops Consul", LOOK)]
    return [warning("consul.health", f"not well: {names}; {state.tolerance} more may fail", LOOK)]


def _members(facts: ConsulFacts) -> list[Finding]:
    if not facts.members:
        # Without the right, Consul shows an empty list instead of refusing.
        return [skipped("consul.members", f"Consul's members cannot be seen; the token needs: {NODE_RULE}")]
    found = [
        error(
            "consul.members",
            f"{one.name} ({one.address}) has failed",
            "start Consul there, or look at the network between; for a host that is gone for good: "
            f"consul force-leave -prune {one.name}",
            node=one.name,
        )
        if one.state == "failed"
        else info("consul.members", f"{one.name} ({one.address}) is {one.state}", node=one.name)
        for one in facts.members
        if one.state != "alive"
    ]
    alive = sum(one.state == "alive" for one in facts.members)
    return [*found, ok("consul.members", f"{alive} of {len(facts.members)} members are alive")]


def _local(facts: ConsulFacts) -> list[Finding]:
    if facts.local is None:
        return [
            _unseen("consul.agent", facts, "how this host's agent is set up", "Consul's own configuration")
        ]
    return [*_settings(facts.local), *_acls(facts.local)]


def _settings(local: LocalAgent) -> list[Finding]:
    found = []
    if local.leaves_on_terminate:
        found.append(
            warning(
                "consul.agent",
                f"{local.name} leaves when it is stopped (leave_on_terminate): each restart of Consul there "
                "ends the session, and with it the lease",
                'set "leave_on_terminate": false',
            )
        )
    if local.cleans_up_servers:
        found.append(
            warning(
                "consul.autopilot",
                "a server that dies is removed from Raft, and has no vote for ten seconds after its return",
                'set "autopilot": {"cleanup_dead_servers": false} on all servers',
            )
        )
    return found or [ok("consul.agent", f"{local.name}, Consul {local.version}, is set up as it is to be")]


def _acls(local: LocalAgent) -> list[Finding]:
    if local.acls is False:
        return [
            info(
                "consul.acl",
                "Consul has no ACLs: whoever reaches it can take the lock away",
                "keep its ports among these hosts, or enable ACLs with the policies in docs/tokens.md",
            )
        ]
    return []


def _unseen(id_: str, facts: ConsulFacts, what: str, call: str) -> Finding:
    why = next((one for one in facts.why if call in one), "Consul shows nothing of it")
    return skipped(id_, f"{what} cannot be seen: {why}")
