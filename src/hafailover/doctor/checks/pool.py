"""The pool as its hosts tell it: one active, ready standbys, and the same everywhere."""

from __future__ import annotations

from hafailover.doctor.finding import Finding, error, info, ok, skipped, warning
from hafailover.observe.overview import Overview, duties_of
from hafailover.observe.production import advice, is_bad, is_seatless, is_unknown, of_active, words
from hafailover.observe.records import NodeRecord
from hafailover.observe.warnings import differ

ALIKE = "finish the upgrade or correct the setting; hafailover upgrade-plan says in which order"


def judge(view: Overview) -> list[Finding]:
    if not view.hosts:
        return [*_junk(view), info("pool.hosts", "no host has ever joined this pool", "start the agents")]
    return [
        *_signer(view),
        *_standbys(view),
        *_orders(view),
        *_hosts(view),
        *_alike(view),
        *_junk(view),
    ]


def _junk(view: Overview) -> list[Finding]:
    if view.junk is None:
        return []
    remedy = "see who may write below the pool's prefix, and delete it: consul kv delete KEY"
    return [warning("pool.records", view.junk, remedy)]


def judge_own(view: Overview, node: str, version: str) -> list[Finding]:
    """What the pool knows of this host. :param version: of this command, and so of what is installed."""
    own = next((host for host in view.hosts if host.node == node), None)
    if own is None:
        known = ", ".join(host.node for host in view.hosts) or "no host"
        return [
            warning(
                "pool.self",
                f"no agent named {node} has ever joined; the pool knows {known}",
                "start the agent, or correct node_name",
            )
        ]
    if own.agent_version and own.agent_version != version and own.role != "gone":
        return [
            warning(
                "pool.self",
                f"the agent that runs is {own.agent_version}, and {version} is installed",
                "restart it: systemctl restart hafailover (nothing is lost by it)",
            )
        ]
    return []


def _signer(view: Overview) -> list[Finding]:
    claims = [host.node for host in view.hosts if host.role == "active"]
    if len(claims) > 1:
        return [error("pool.active", view.verdict, "hafailover audit; see docs/runbook.md")]
    if view.stuck is not None:
        return [error("pool.active", view.verdict, "docs/runbook.md#hafailoverconsuldoesnotcommit")]
    if view.beat_still_s is not None:
        return [error("pool.active", view.verdict, "see the agent's log on the host that signs")]
    foreign = next((host.foreign for host in view.hosts if host.foreign), "")
    if foreign:
        return [error("pool.active", foreign, "docs/runbook.md#hafailoverforeignsigner")]
    if view.active is None:
        return [error("pool.active", view.verdict, "hafailover explain says what each host lacks")]
    signer = next((host for host in view.hosts if host.node == view.active), None)
    if is_bad(of_active(signer)):
        text = f"{view.active} {words(of_active(signer))}"
        return [error("pool.active", text, advice(of_active(signer)))]
    if is_unknown(of_active(signer)) or is_seatless(of_active(signer)):
        return [
            warning("pool.active", f"{view.active} {words(of_active(signer))}", advice(of_active(signer)))
        ]
    duties, idle = duties_of(signer)
    if idle:
        remedy = "look at its neard's peers and ports, then hafailover switchover --now"
        return [error("pool.active", f"{view.active} has the key, but {duties}", remedy)]
    return [ok("pool.active", f"{view.active} signs, term {view.term}")]


def _standbys(view: Overview) -> list[Finding]:
    ready = [host.node for host in view.hosts if host.ready and host.node != view.active]
    if len(view.hosts) == 1:
        return [
            error(
                "pool.standby", f"{view.hosts[0].node} is the only host: nothing can take over", "add another"
            )
        ]
    if not ready:
        return [error("pool.standby", "no standby is ready: nothing would take over", "hafailover explain")]
    return [ok("pool.standby", f"ready to take over: {', '.join(ready)}")]


def _orders(view: Overview) -> list[Finding]:
    found = []
    if view.paused:
        found.append(
            warning(
                "pool.paused", f"automatic failover is paused {view.paused}", "to end it: hafailover resume"
            )
        )
    if view.plan:
        found.append(info("pool.plan", f"a switchover is planned {view.plan}"))
    found += [
        warning("pool.drained", f"drained: {one}", "to take it back: hafailover undrain")
        for one in view.drained
    ]
    return found


def _hosts(view: Overview) -> list[Finding]:
    return [_host(host) for host in view.hosts] + _guards(view) + _node_keys(view)


def _guards(view: Overview) -> list[Finding]:
    """What the guards have seen: no host whose neard is not its guard's own may sign."""
    alive = [host for host in view.hosts if host.role not in ("gone", "unknown")]
    found = [
        error("pool.alarm", host.alarm, "docs/runbook.md#hafailoverkeynotgiven", host.node)
        for host in alive
        if host.alarm
    ]
    return found + [
        error(
            "pool.guard", host.guard_problem, "do what the text says; until then it takes nothing over", node
        )
        for host in alive
        if host.guard_problem
        for node in (host.node,)
    ]


def _node_keys(view: Overview) -> list[Finding]:
    """One node key on two hosts: a copied home. Peers take the two neards for one and drop either."""
    hosts: dict[str, list[str]] = {}
    for host in view.hosts:
        if host.node_key and host.role not in ("gone", "unknown"):
            hosts.setdefault(host.node_key, []).append(host.node)
    return [
        error(
            "pool.node_key",
            f"{' and '.join(nodes)} have the same node key ({key[:20]}...), as after a home was copied: "
            "peers take their neards for one, and neither keeps its connections",
            "on all but one of them: systemctl stop neard, move node_key.json away, "
            "let `neard init` make another, start neard",
        )
        for key, nodes in hosts.items()
        if len(nodes) > 1
    ]


def _host(host: NodeRecord) -> Finding:
    node = host.node
    if host.role == "gone":
        return error("pool.host", host.reason, "start the agent there, or look at Consul on it", node)
    if host.role == "unknown":
        return error(
            "pool.host", host.reason, "its agent is of another version, or somebody else wrote it", node
        )
    if host.role == "fenced":
        return error("pool.host", f"fenced: {host.reason}", "see docs/runbook.md", node)
    text = f"{host.role}, neard {host.neard_version or '?'}, agent {host.agent_version or '?'}"
    if host.ready or host.role == "active":
        return ok("pool.host", text, node)
    if host.role == "drained":
        return info("pool.host", f"drained: {host.reason}", node=node)
    return warning("pool.host", f"{host.role}: {host.reason}", f"hafailover explain {node}", node)


def _alike(view: Overview) -> list[Finding]:
    alive = [host for host in view.hosts if host.role not in ("gone", "unknown")]
    if len(alive) < 2:
        return [skipped("pool.alike", "fewer than two hosts tell their key and versions")]
    keys = differ("the key", alive, lambda host: host.public_key[:20])
    found = [
        error("pool.key", one, "one key on all hosts; the others would sign nothing, or not be let in")
        for one in keys
    ]
    others = [
        *differ("hafailover's version", alive, lambda host: host.agent_version),
        *differ("neard's version", alive, lambda host: host.neard_version),
        *differ("the timing profile", alive, lambda host: host.profile),
    ]
    found += [warning("pool.alike", one, ALIKE) for one in others]
    return found or [ok("pool.alike", f"key, versions and timing are the same on {len(alive)} hosts")]
