"""The overview as a terminal shows it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hafailover.observe.overview import Overview

ROLE_STYLES = {
    "active": "bold green",
    "standby": "green",
    "promoting": "bold yellow",
    "demoting": "bold yellow",
    "fenced": "bold red",
    "gone": "red",
    "unknown": "red",
}


def render(view: Overview) -> RenderableType:
    """The overview as a table for a terminal."""
    head = Text.assemble(
        (view.account_id, "bold"), "  ", (view.verdict, "bold green" if view.ok else "bold red")
    )
    if view.active is not None:
        head.append(f"\nactive {view.active}, term {view.term}, since {view.active_since or 'unknown'}")
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
