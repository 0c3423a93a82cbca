"""How mail finds the node of a validator (send_message_to_account in neard's network_state).

First over a TIER1 connection with that key's holder, or with one of its proxies; else over TIER2 to the node
that the record names, from node to node; else not at all. Nothing is sent twice, and nobody tells the sender
what became of it. A node that the mail reaches and that does not hold the key swallows it.

neard's last resort, the AnnounceAccount of an epoch, is left out: here every validator's record is known.
"""

from collections.abc import Callable
from typing import Any

from localneard.accounts import Accounts
from localneard.network import Network
from localneard.peer import Peer
from localneard.tier1 import Tier1
from localneard.wire import Message, WireError

MAX_HOPS = 8

Body = dict[str, Any]


class Router:
    """The routes of one node."""

    def __init__(
        self,
        own_id: str,
        network: Network,
        tier1: Tier1,
        accounts: Accounts,
        own_public_key: Callable[[], str | None],
        deliver: Callable[[Body, bool], None],
    ) -> None:
        """Prepare; `deliver` is given the mail that is for this node, and whether it has sent that itself."""
        self._own_id = own_id
        self._network = network
        self._tier1 = tier1
        self._accounts = accounts
        self._own_public_key = own_public_key
        self._deliver = deliver
        self.lookups = 0

    def send(self, account_key: str, body: Body) -> bool:
        """Send mail to a validator. False means that no node is known for it yet, not that it went astray."""
        if account_key == self._own_public_key():
            self._deliver(body, True)
            return True
        self.lookups += 1
        record = self._accounts.records.get(account_key)
        if record is None:
            return False
        message: Message = {"t": "routed", "to": record.peer_id, "ttl": MAX_HOPS, "body": body}
        if (link := self._tier1.link_for(account_key)) is not None:
            link.send(message)
        elif record.peer_id == self._own_id:
            # Given up here, and nobody else has said yet that the key is there.
            self._deliver(body, True)
        elif (hop := self._network.next_hop(record.peer_id)) is not None:
            hop.send(message)
        return True

    def receive(self, peer: Peer, message: Message, *, tier1: bool) -> None:
        """Take in mail, for this node or to be passed on. Raises WireError if it makes no sense."""
        to, ttl, body = message.get("to"), message.get("ttl"), message.get("body")
        if not isinstance(to, str) or type(ttl) is not int or not isinstance(body, dict):
            raise WireError("mail that makes no sense")
        if to == self._own_id:
            self._deliver(body, False)
        elif ttl > 1:
            hop = self._tier1.by_peer.get(to) if tier1 else self._network.next_hop(to)
            if hop is not None and hop is not peer:
                hop.send({**message, "ttl": min(ttl, MAX_HOPS) - 1})
