"""Completes the names of hosts in a shell, from Consul's records; silent where they cannot be had soon."""

from __future__ import annotations

import typer

DEADLINE_S = 0.5
"""Somebody has pressed a key and waits."""


def host_names(context: typer.Context, incomplete: str) -> list[str]:
    """Hosts of the pool whose names begin so; none whatever goes wrong."""
    from hafailover.config.load import ConfigError, consul_address, load_settings
    from hafailover.lock.errors import CallError
    from hafailover.lock.snapshot import Snapshots

    try:
        settings = load_settings(context.params.get("config"))
        snapshot = Snapshots(consul_address(settings), settings.account_id, DEADLINE_S).take(stale=True)
    except (ConfigError, CallError, OSError):
        return []
    return [entry.node for entry in snapshot.entries if entry.node.startswith(incomplete)]
