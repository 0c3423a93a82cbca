"""How fast news of validators' nodes goes from peer to peer, and by which way mail goes."""

import asyncio
from typing import Any, cast

import pytest

from localneard.accounts import AccountRecord
from localneard.gossip import Gossip
from localneard.keys import Key
from localneard.network import MAX_DISTANCE, Network
from localneard.peer import Peer
from localneard.wire import WireError

POOL = Key.from_name("node3", "node3").public_key


class Listener:
    """A peer that keeps what it was sent."""

    def __init__(self, peer_id: str = "", **reach: int) -> None:
        self.id = peer_id
        self.reach = reach
        self.sent: list[list[int]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append([AccountRecord.from_wire(one).version for one in message["list"]])


def record(version: int) -> AccountRecord:
    return AccountRecord(POOL, POOL, (), version, 0, "s")


def test_the_first_news_goes_out_at_once_and_the_next_waits_and_is_the_newest() -> None:
    async def run() -> tuple[Listener, Listener]:
        gossip = Gossip(lambda: 5.0)
        one, other = Listener(), Listener()
        peer = cast(Peer, one)
        for version in (1, 2, 3):
            gossip.offer(peer, record(version))
        assert one.sent == [[1]]
        gossip.offer(cast(Peer, other), record(3))
        assert other.sent == [[3]]
        async with asyncio.timeout(5):
            while len(one.sent) < 2:
                await asyncio.sleep(0.01)
        gossip.offer(peer, record(4))
        gossip.forget(peer)
        await asyncio.sleep(0.4)
        return one, other

    one, _ = asyncio.run(run())
    assert one.sent == [[1], [3]]


def network(*peers: Listener) -> Network:
    found = Network.__new__(Network)
    found.peers = {peer.id: cast(Peer, peer) for peer in peers}
    return found


def test_mail_goes_to_the_peer_itself_or_through_the_one_that_is_nearest() -> None:
    net = network(Listener("a", x=3, y=1), Listener("b", x=2, far=MAX_DISTANCE))
    for target, through in (("a", "a"), ("x", "b"), ("y", "a")):
        hop = net.next_hop(target)
        assert hop is not None
        assert hop.id == through
    assert net.next_hop("far") is None
    assert net.next_hop("nobody") is None


@pytest.mark.parametrize(
    "reach", [None, [], {"a": 0}, {"a": "1"}, {"a": True}, {str(i): 1 for i in range(201)}]
)
def test_distances_that_make_no_sense_end_the_connection(reach: Any) -> None:
    from localneard.network import _reach

    assert _reach({"a": 2}) == {"a": 2}
    with pytest.raises(WireError):
        _reach(reach)
