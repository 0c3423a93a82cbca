"""TIER1: which connections a node takes in, which of them mail takes, and which are closed."""

import asyncio
from typing import Any, cast

import pytest

from localneard.accounts import Accounts
from localneard.addresses import Address, BootNode
from localneard.config import Tier1Config, parse_config
from localneard.config_defaults import default_config
from localneard.keys import Key
from localneard.network import Network
from localneard.peer import Peer
from localneard.routing import MAX_HOPS, Router
from localneard.tier1 import Tier1
from localneard.wire import WireError

POOL, OTHER = (Key.from_name(name, name) for name in ("node3", "node0"))
OWN, A, B = sorted(Key.from_name("node", name).public_key for name in "abc")
"""Node keys, the smallest first."""


class Link:
    """A connection after its handshake."""

    since = 0.0

    def __init__(self, peer_id: str, account_key: str | None = None, *, dialed: bool = False) -> None:
        self.id = peer_id
        self.account_key = account_key
        self.dialed = dialed
        self.closed = False
        self.sent: list[dict[str, Any]] = []

    def close(self) -> None:
        self.closed = True

    finish = close

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


def tier1(
    accounts: Accounts | None = None,
    *,
    key: Key | None = None,
    inbound: bool = True,
    outbound: bool = True,
    public: tuple[BootNode, ...] = (),
    dialled: list[str] | None = None,
) -> Tier1:
    async def dial(node: BootNode) -> Peer | None:
        if dialled is not None:
            dialled.append(node.peer_id)
        return None

    config = Tier1Config(1.0, 50, 900.0, inbound, outbound)
    known = accounts or Accounts([POOL.public_key, OTHER.public_key])
    return Tier1(config, OWN, public, known, lambda: key, dial, lambda *_: None)


def take(links: Tier1, link: Link) -> bool:
    return links._register(cast(Peer, link))


def at(peer_id: str) -> BootNode:
    return BootNode(peer_id, Address("10.0.0.1", 1))


def told(peer_id: str, *proxies: str) -> Accounts:
    """What a node knows when one that has POOL's key has told of itself."""
    known = Accounts([POOL.public_key, OTHER.public_key])
    record = Accounts([POOL.public_key]).set_local(POOL, peer_id, tuple(map(at, proxies)), 1)
    assert record is not None
    known.insert(record, 1)
    return known


def test_a_second_connection_for_a_key_is_refused_while_the_first_stands() -> None:
    links = tier1()
    first = Link(A, POOL.public_key)
    assert take(links, first)
    assert not take(links, Link(B, POOL.public_key))
    assert links.refused_accounts == 1
    assert not first.closed
    links._forget(cast(Peer, first))
    assert take(links, Link(B, POOL.public_key))


def test_of_two_that_dial_each_other_at_once_both_keep_the_same_connection() -> None:
    links = tier1()
    outbound, inbound = Link(A, POOL.public_key, dialed=True), Link(A, POOL.public_key)
    # The one with the smaller node key is this node, so what it has dialled stays.
    outbound.since = inbound.since = 1e12
    assert take(links, outbound)
    assert not take(links, inbound)
    links = tier1()
    assert take(links, inbound)
    assert take(links, outbound)
    assert inbound.closed
    assert links.by_account[POOL.public_key] is cast(Peer, outbound)


def test_a_connection_that_has_stood_for_long_stays_whoever_calls_again() -> None:
    links = tier1()
    old = Link(A, POOL.public_key)
    assert take(links, old)
    assert not take(links, Link(A, POOL.public_key, dialed=True))
    assert not old.closed


def test_without_enable_inbound_others_are_refused() -> None:
    links = tier1(inbound=False)
    assert not take(links, Link(A))
    assert take(links, Link(A, dialed=True))


def test_mail_takes_the_holders_connection_and_else_a_proxys() -> None:
    links = tier1(told(A, B))
    assert links.link_for(POOL.public_key) is None
    proxy, direct = Link(B), Link(A, POOL.public_key)
    take(links, proxy)
    assert links.link_for(POOL.public_key) is cast(Peer, proxy)
    take(links, direct)
    assert links.link_for(POOL.public_key) is cast(Peer, direct)
    assert links.link_for(OTHER.public_key) is None


def test_a_validator_connects_with_others_proxies_and_one_that_is_none_does_not() -> None:
    for key, outbound, expected in (
        (OTHER, True, [A]),
        (POOL, True, []),
        (OTHER, False, []),
        (None, True, []),
    ):
        dialled: list[str] = []
        asyncio.run(tier1(told(A, A), key=key, outbound=outbound, dialled=dialled).connect())
        assert dialled == expected


def test_who_gave_its_key_up_closes_what_it_has_dialled_and_keeps_what_others_have() -> None:
    links = tier1(told(B, B))
    own, others = Link(A, OTHER.public_key, dialed=True), Link(B, POOL.public_key)
    take(links, own)
    take(links, others)
    asyncio.run(links.connect())
    assert (own.closed, others.closed) == (True, False)
    assert list(links.by_peer) == [B]


@pytest.mark.parametrize(
    ("inbound", "public", "found"), [(True, (OWN,), [OWN]), (False, (OWN,), []), (True, (A,), [])]
)
def test_proxies_are_the_public_addresses_that_can_be_reached(
    inbound: bool, public: tuple[str, ...], found: list[str]
) -> None:
    links = tier1(inbound=inbound, public=tuple(map(at, public)))
    assert [one.peer_id for one in asyncio.run(links.connect_proxies())] == found


class Peers:
    """A network with some TIER2 connections."""

    def __init__(self, *links: Link) -> None:
        self._links = {link.id: link for link in links}

    def next_hop(self, peer_id: str) -> Link | None:
        return self._links.get(peer_id)


def router(links: Tier1, known: Accounts, peers: Peers, own: str | None = None) -> tuple[Router, list[Any]]:
    mail: list[Any] = []
    found = Router(OWN, cast(Network, peers), links, known, lambda: own, lambda *one: mail.append(one))
    return found, mail


def test_mail_goes_by_tier1_first_and_names_the_node_of_the_record() -> None:
    known = told(A, B)
    links, stale, tier2 = tier1(known), Link(B, POOL.public_key), Link(A)
    send, _ = router(links, known, Peers(tier2))
    assert send.send(POOL.public_key, {"k": "x"})
    assert [one["to"] for one in tier2.sent] == [A]
    # A connection with the key is taken, even if the record speaks of another node by now.
    take(links, stale)
    send.send(POOL.public_key, {"k": "y"})
    assert [(one["to"], one["ttl"]) for one in stale.sent] == [(A, MAX_HOPS)]
    assert len(tier2.sent) == 1
    assert not send.send(OTHER.public_key, {"k": "z"})


def test_mail_for_oneself_needs_no_way_and_an_old_holder_swallows_it() -> None:
    known = told(OWN)
    send, mail = router(tier1(known), known, Peers(), own=OTHER.public_key)
    send.send(OTHER.public_key, {"k": "own"})
    send.send(POOL.public_key, {"k": "given up"})
    assert mail == [({"k": "own"}, True), ({"k": "given up"}, True)]


def test_mail_for_others_is_passed_on_as_long_as_it_may_be() -> None:
    known, link, far = Accounts([]), Link(A), Link(B)
    links = tier1(known)
    take(links, link)
    send, mail = router(links, known, Peers(far))
    source = cast(Peer, Link("c"))
    send.receive(source, {"to": OWN, "ttl": 1, "body": {"k": "x"}}, tier1=False)
    assert mail == [({"k": "x"}, False)]
    send.receive(source, {"to": B, "ttl": 3, "body": {}}, tier1=False)
    send.receive(source, {"to": B, "ttl": 1, "body": {}}, tier1=False)
    send.receive(source, {"to": B, "ttl": 3, "body": {}}, tier1=True)
    send.receive(source, {"to": A, "ttl": 99, "body": {}}, tier1=True)
    assert [one["ttl"] for one in far.sent] == [2]
    assert [one["ttl"] for one in link.sent] == [MAX_HOPS - 1]
    for bad in ({"to": 5, "ttl": 1, "body": {}}, {"to": A, "ttl": True, "body": {}}, {"to": A, "ttl": 1}):
        with pytest.raises(WireError):
            send.receive(source, cast(dict[str, Any], bad), tier1=False)


def test_both_forms_of_the_switches_are_read() -> None:
    config = default_config()
    assert parse_config("x", config).network.tier1 == Tier1Config(60.0, 50, 900.0, True, True)
    config["network"]["tier1"] = {"enable_inbound": False}
    config["network"]["experimental"] = {"tier1_enable_inbound": True, "tier1_enable_outbound": False}
    found = parse_config("x", config).network
    assert (found.tier1.enable_inbound, found.tier1.enable_outbound) == (False, False)
    assert not found.only_boot_nodes
