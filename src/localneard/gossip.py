"""Passing on records of validators' nodes, at the rate that neard allows for each connection.

What a node says of itself goes to its own peers at once. What it has heard is passed on with no more than
`gossip_per_s` messages a second over each connection, so a large network learns of a new node hop by hop.
"""

import asyncio
from collections.abc import Callable, Iterable

from localneard.accounts import AccountRecord
from localneard.clock import boottime
from localneard.peer import Peer
from localneard.wire import Message


def accounts_message(records: Iterable[AccountRecord]) -> Message:
    """Return the message that tells of records."""
    return {"t": "accounts", "list": [record.to_wire() for record in records]}


class Gossip:
    """What is still to be told to whom."""

    def __init__(self, per_second: Callable[[], float]) -> None:
        """Prepare; `per_second` gives the rate."""
        self._per_second = per_second
        self._waiting: dict[Peer, dict[str, AccountRecord]] = {}
        self._last: dict[Peer, float] = {}

    def offer(self, peer: Peer, record: AccountRecord) -> None:
        """Tell a peer of a record, now or as soon as the rate allows; only the newest of each key."""
        if (waiting := self._waiting.get(peer)) is not None:
            waiting[record.account_key] = record
            return
        self._waiting[peer] = {record.account_key: record}
        due = self._last.get(peer, 0.0) + 1 / self._per_second()
        delay = due - boottime()
        if delay <= 0:
            self._send(peer)
        else:
            asyncio.get_running_loop().call_later(delay, self._send, peer)

    def forget(self, peer: Peer) -> None:
        """Drop what was for a peer that is gone."""
        self._waiting.pop(peer, None)
        self._last.pop(peer, None)

    def _send(self, peer: Peer) -> None:
        waiting = self._waiting.pop(peer, None)
        if waiting:
            self._last[peer] = boottime()
            peer.send(accounts_message(waiting.values()))
