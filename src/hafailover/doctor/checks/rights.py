"""Rights of the token that are missing, with the rule to add."""

from __future__ import annotations

from collections.abc import Sequence

from hafailover.doctor.facts.rights import Right
from hafailover.doctor.finding import Finding, error, info, ok, warning

WHAT = {
    "keys-read": "reading the pool's keys",
    "keys-write": "writing and deleting below the pool's keys",
    "key-lock": "writing the lock",
    "key-heartbeat": "writing the heartbeat",
    "key-record": "writing this host's record",
    "key-dropped": "noting a dropped key",
    "key-history": "writing the history",
    "key-request": "asking for a switchover",
    "service": "registering the agent's service and check",
    "session": "creating a session",
    "agent": "reading the local agent's configuration, to warn of a Consul that is tuned too slow",
    "nodes": "reading the other hosts' addresses",
    "operator": "reading Raft's configuration and the servers' health",
}


def judge(rights: Sequence[Right]) -> list[Finding]:
    """One finding for each rule: a rule that is missing shows in several trials."""
    found: list[Finding] = []
    seen: set[tuple[str, bool]] = set()
    for right in rights:
        id_ = f"rights.{right.name}"
        if right.failed is None or (right.rule, right.denied) in seen:
            continue
        seen.add((right.rule, right.denied))
        what = WHAT[right.name]
        if not right.denied:
            found.append(warning(id_, f"{what} failed: {right.failed}", "try again; see the check consul"))
        elif right.needed:
            found.append(error(id_, f"the token has no right for {what}", f"add to its policy: {right.rule}"))
        else:
            found.append(
                info(id_, f"the token has no right for {what}", f"if wanted, add to its policy: {right.rule}")
            )
    missing = any(right.needed and right.failed is not None for right in rights)
    if not missing:
        found.append(
            ok("rights.agent-needs", "the token has every right that the agent needs; each was tried")
        )
    return found
