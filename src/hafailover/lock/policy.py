"""The least that a token may be allowed, for a host's agent and for an operator's commands.

doctor tries these rules, the manual and the NixOS module show them, and a test takes away one after another.
"""

from __future__ import annotations

from hafailover.lock.keys import PoolKeys, service_name


def session_rule(consul_node: str) -> str:
    """Opening, renewing and ending sessions bound to a Consul node."""
    return f'session "{consul_node}" {{ policy = "write" }}'


def service_rule(account_id: str, node: str) -> str:
    """Registering this host's service and passing its check."""
    return f'service "{service_name(account_id, node)}" {{ policy = "write" }}'


def agent_rule(consul_node: str) -> str:
    """Reading how the local Consul is set up, to warn of one that is tuned too slow."""
    return f'agent "{consul_node}" {{ policy = "read" }}'


def host_policy(account_id: str, node: str, consul_node: str) -> list[str]:
    """What an agent needs: the lease, its record, the history; its session; its service."""
    return [PoolKeys(account_id).rule, session_rule(consul_node), service_rule(account_id, node)]


def operator_policy(account_id: str, consul_node: str) -> list[str]:
    """What the commands need: they see everything, give orders and wishes, and cannot touch the lease."""
    keys = PoolKeys(account_id)
    return [keys.read_rule, keys.orders_rule, keys.request_rule, session_rule(consul_node)]
