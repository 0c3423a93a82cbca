"""The stand-in's own routes, which no fault touches.

``GET /localneard/double_signs``
    A list with an entry for each height and key of which two blocks, or two chunks, were ever seen:
    ``height``, ``account_id``, ``public_key``, ``hashes``, ``boottime`` (when it was noticed).

``GET /localneard/blocks?from=H&to=H``
    The chain's blocks in a range of heights, both ends included, at most `MAX_BLOCKS`: ``height``,
    ``author``, ``public_key``, ``hash``, ``timestamp`` (nanoseconds since 1970) and ``first_seen``
    (CLOCK_BOOTTIME seconds at this node). Skipped heights are left out. `from` defaults to the head, `to` to
    `from` + `MAX_BLOCKS` - 1.

``GET /localneard/state``
    ``head``, ``boottime``, ``pid``, ``public_key`` of the key in use, ``syncing``, ``peers`` and
    ``double_signed_heights`` in one look.

``GET /localneard/accounts``
    ``records``: where each validator is, as this node knows it, by its key: ``peer_id``, ``version``,
    ``proxies``. ``tier1``: this node's TIER1 connections: ``peer_id``, ``account_key`` (null if the peer has
    none), ``outbound``.
"""

import os
from typing import TYPE_CHECKING, Any

from localneard.clock import boottime

if TYPE_CHECKING:
    from localneard.node import Node

MAX_BLOCKS = 1000


def double_signs(node: "Node") -> list[dict[str, Any]]:
    """Return what was recorded."""
    return node.double_signs.records


def blocks(node: "Node", first: str | None, last: str | None) -> list[dict[str, Any]]:
    """Return the blocks in a range. Raises ValueError if an end is no height."""
    start = node.chain.head.height if first is None else int(first)
    end = start + MAX_BLOCKS - 1 if last is None else int(last)
    if not 0 <= start < 1 << 63 or not 0 <= end < 1 << 63:
        raise ValueError("not a height")
    return [
        {
            "height": block.height,
            "author": block.author,
            "public_key": block.public_key,
            "hash": block.hash,
            "timestamp": block.timestamp,
            "first_seen": seen,
        }
        for block, seen in node.chain.store.seen_from(start, end, MAX_BLOCKS)
    ]


def state(node: "Node") -> dict[str, Any]:
    """Return what a test asks most."""
    key = node.signer.key
    return {
        "head": node.chain.head.height,
        "boottime": boottime(),
        "pid": os.getpid(),
        "public_key": None if key is None else key.public_key,
        "syncing": node.sync.syncing,
        "peers": len(node.network.peers),
        "double_signed_heights": node.double_signs.heights,
    }


def accounts(node: "Node") -> dict[str, Any]:
    """Return where validators are, and the connections with them."""
    return {
        "records": {
            key: {
                "peer_id": one.peer_id,
                "version": one.version,
                "proxies": [str(proxy) for proxy in one.proxies],
            }
            for key, one in node.accounts.records.items()
        },
        "tier1": [
            {"peer_id": one.id, "account_key": one.account_key, "outbound": one.dialed}
            for one in node.tier1.by_peer.values()
        ],
    }
