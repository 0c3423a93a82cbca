"""From the pool as it is, the steps to a new neard or a new hafailover on every host. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hafailover.observe.overview import Overview
from hafailover.observe.production import advice, is_bad, is_seatless, is_unknown, of_active, words
from hafailover.observe.records import NodeRecord, ProductionRecord
from hafailover.observe.warnings import differ
from hafailover.upgrade.recipes import Recipes
from hafailover.upgrade.versions import key, newest, reaches

MOST_VERSIONS = 2


@dataclass(frozen=True, slots=True)
class Step:
    """``commands`` are for the host ``on``; empty where there is nothing left to do."""

    on: str
    text: str
    commands: tuple[str, ...] = ()
    done: bool = False


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """``refused``: why nothing should be upgraded now; the steps are empty then."""

    refused: tuple[str, ...]
    notes: tuple[str, ...]
    agent_target: str
    neard_target: str
    """Empty: no host has it yet, and nobody has named it."""
    agent: tuple[Step, ...]
    neard: tuple[Step, ...]

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)


def plan(view: Overview, recipes: Recipes, *, agent: str, neard: str = "") -> UpgradePlan:
    """What to do next, and what is done already.

    :param agent: the version of hafailover to reach.
    :param neard: that of neard; empty for the newest that a host has, or one that none has yet.
    """
    alive = [host for host in view.hosts if host.role not in ("gone", "unknown")]
    versions = {host.neard_version for host in alive if host.neard_version}
    # Without a name, one version everywhere is the old one: the new one is still to come.
    target = neard or (newest(versions) if len(versions) > 1 else "")
    refused = (*_unfit(view, alive), *_mixed(view, alive, versions, neard, target))
    notes = tuple(_notes(view, alive, target))
    if refused:
        return UpgradePlan(refused, notes, agent, target, (), ())
    return UpgradePlan(
        (),
        notes,
        agent,
        target,
        _agents(view, alive, agent, recipes),
        _neards(view, alive, target, recipes),
    )


def _unfit(view: Overview, alive: Sequence[NodeRecord]) -> list[str]:
    """Why the pool is in no state to be worked on."""
    if view.active is None:
        return [view.verdict]
    found = []
    if sum(host.role == "active" for host in view.hosts) > 1:
        found.append(view.verdict)
    if view.paused:
        found.append(f"automatic failover is paused {view.paused}: hafailover resume")
    if view.plan:
        found.append(f"a switchover is planned {view.plan}: wait, or hafailover switchover --cancel")
    if not any(host.ready for host in _standbys(view, alive)):
        others = [host for host in view.hosts if host.node != view.active]
        reasons = "; ".join(f"{host.node} {host.role}: {host.reason}" for host in others)
        found.append(f"no standby is ready, so nothing could take over: {reasons or 'there is none'}")
    found += differ("the key", alive, lambda host: host.public_key[:20])
    does = _production(view)
    if is_bad(does) or is_unknown(does):
        # Another step would hide what was wrong before it; after a handover the old holder is the way back.
        found.append(_told(view))
    return found


def _production(view: Overview) -> ProductionRecord | None:
    return of_active(next((host for host in view.hosts if host.node == view.active), None))


def _told(view: Overview) -> str:
    """What the active does of its duties, the likely cause and what to do."""
    does = _production(view)
    return f"{view.active} {words(does)}; {advice(does)}"


def _mixed(
    view: Overview, alive: Sequence[NodeRecord], versions: set[str], named: str, target: str
) -> list[str]:
    """Mixtures of versions that another step would make worse."""
    found = []
    if len(versions) > MOST_VERSIONS and not named:
        found.append(
            f"{len(versions)} versions of neard at once ({', '.join(sorted(versions, key=key))}): an upgrade "
            "was not finished; name the one to reach with --neard VERSION"
        )
    if any(not reaches(host.neard_version, target) for host in alive):
        found += [
            f"{host.node} has neard {host.neard_version} already, and is not ready ({host.reason}): wait "
            "until it is, or take it back to the old one, before another host is touched"
            for host in _standbys(view, alive)
            if reaches(host.neard_version, target) and not host.ready and host.role != "drained"
        ]
    return found


def _notes(view: Overview, alive: Sequence[NodeRecord], target: str) -> list[str]:
    found = [
        f"{host.node} is {host.role}: upgrade it before it comes back"
        for host in view.hosts
        if host.role in ("gone", "unknown")
    ]
    standbys = _standbys(view, alive)
    for active in alive:
        older = any(host.ready and not reaches(host.neard_version, target) for host in standbys)
        if active.node == view.active and reaches(active.neard_version, target) and older:
            found.append(
                f"{active.node} signs with neard {active.neard_version}, and a standby that would take over "
                "is older: upgrade the standbys soon"
            )
    if sum(host.ready for host in standbys) == 1:
        found.append("only one standby is ready: while its neard restarts, nothing could take over")
    if is_seatless(_production(view)):
        found.append(_told(view))
    return found


def _agents(view: Overview, alive: Sequence[NodeRecord], target: str, recipes: Recipes) -> tuple[Step, ...]:
    steps = []
    for host in _in_order(view, alive):
        version = host.agent_version or "unknown"
        if reaches(host.agent_version, target):
            steps.append(Step(host.node, f"has hafailover {version}", done=True))
            continue
        role = "; the active, which goes on signing in its term" if host.node == view.active else ""
        steps.append(Step(host.node, f"hafailover {version}{role}", recipes.agent_steps(host.node)))
    return tuple(steps)


def _neards(view: Overview, alive: Sequence[NodeRecord], target: str, recipes: Recipes) -> tuple[Step, ...]:
    *standbys, active = _in_order(view, alive)
    steps = [_neard(host, target, recipes) for host in standbys]
    last = _neard(active, target, recipes)
    if not last.done:
        to = _successor(standbys)
        text = f"takes over from {active.node}, where nothing is lost by it"
        steps.append(Step(to, text, recipes.switchover(to)))
        after = f"only once status says that it is a standby and that {to} produces"
        last = replace(last, text=f"{last.text}; {after}")
    return (*steps, last)


def _neard(host: NodeRecord, target: str, recipes: Recipes) -> Step:
    version = host.neard_version or "unknown"
    if reaches(host.neard_version, target):
        return Step(host.node, f"has neard {version}", done=True)
    return Step(host.node, f"neard {version}", recipes.neard_steps(host.node))


def _successor(standbys: Sequence[NodeRecord]) -> str:
    """Who takes over once all standbys are upgraded: of those that can now, the one that would by itself."""
    return min(
        (host for host in standbys if host.ready), key=lambda host: (-host.priority, host.lag, host.node)
    ).node


def _in_order(view: Overview, alive: Sequence[NodeRecord]) -> list[NodeRecord]:
    """Those that could not take over anyway first, the best standby late, the active last."""
    standbys = sorted(_standbys(view, alive), key=lambda host: (host.ready, host.priority, host.node))
    return [*standbys, *(host for host in alive if host.node == view.active)]


def _standbys(view: Overview, alive: Sequence[NodeRecord]) -> list[NodeRecord]:
    return [host for host in alive if host.node != view.active]
