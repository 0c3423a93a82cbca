"""The overview as a terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from hafailover.observe.overview import Overview

ROLE_STYLES = {
    "active": "bold green",
    "standby": "green",
    "drained": "yellow",
    "promoting": "bold yellow",
    "demoting": "bold yellow",
    "fenced": "bold red",
    "forced": "bold white on red",
    "gone": "red",
    "unknown": "red",
}


def _notes(view: Overview) -> list[tuple[str, str]]:
    """What else there is to know, each with its style."""
    notes = []
    if view.production:
        notes.append((f"{view.active} {view.production}", "bold red" if view.producing is False else ""))
    elif view.duties and view.ok:
        notes.append((view.duties, "yellow"))
    if view.this_epoch:
        notes.append((view.this_epoch, ""))
    if view.early_kickout:
        notes.append((view.early_kickout, ""))
    if view.last_change is not None and view.last_change.from_node is not None:
        last = view.last_change
        missed = f", {last.blocks_missed} blocks missed" if last.blocks_missed is not None else ""
        if missed and last.endorsements_missed is not None:
            missed = missed.replace(" missed", f" and {last.endorsements_missed} endorsements missed")
        notes.append((f"last change {last.at}: {last.from_node} -> {last.to_node}, {last.cause}{missed}", ""))
    if view.consul is not None:
        leader = f"leader {view.consul.leader}" if view.consul.leader else "no leader"
        does, style = (", which carries nothing out", "bold red") if view.stuck else ("", "")
        notes.append((f"Consul: {len(view.consul.servers)} servers, {leader}{does}", style))
    if view.last_drill is not None:
        drill = view.last_drill
        came = "passed" if drill.ok else "FAILED"
        style = "" if drill.ok else "bold yellow"
        notes.append(
            (f"last drill {drill.at}: {drill.cause}, {came} after {drill.seconds or 0:.1f} s", style)
        )
    if view.window is not None:
        start, end = view.window
        until = f" to {end - 1}" if end - 1 > start else ""
        notes.append((f"next heights without a duty: {start}{until}", ""))
    if view.plan is not None:
        notes.append((f"switchover planned {view.plan}", "bold yellow"))
    notes += [(f"drained: {one}", "bold yellow") for one in view.drained]
    notes += [(f"warning: {one}", "yellow") for one in view.warnings]
    return notes


def render(view: Overview) -> RenderableType:
    """The overview as a table for a terminal."""
    head = Text.assemble(
        (view.account_id, "bold"), "  ", (view.verdict, "bold green" if view.ok else "bold red")
    )
    if view.active is not None:
        head.append(f"\nactive {view.active}, term {view.term}, since {view.active_since or 'unknown'}")
    for line, style in _notes(view):
        head.append(f"\n{line}", style)
    table = Table(box=None, pad_edge=False, header_style="dim")
    right = ("height", "lag", "peers", "lease")
    for name in ("host", "role", "height", "lag", "syncing", "peers", "lease", "neard", "reason"):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "reason")
    for host in view.hosts:
        # As Text, since plain strings are read as markup, and other hosts wrote these.
        table.add_row(
            Text(host.node),
            Text(host.role, style=ROLE_STYLES.get(host.role, "yellow")),
            str(host.height),
            str(host.lag),
            {None: "?", True: "yes", False: "no"}[host.syncing],
            "?" if host.peers is None else str(host.peers),
            "" if host.lease_left_s is None else f"{host.lease_left_s:.1f} s",
            Text(host.neard_version),
            Text(host.reason),
        )
    return Group(head, table)
