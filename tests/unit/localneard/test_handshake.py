"""Two nodes meeting: who they are, and on which chain."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from localneard.addresses import Address
from localneard.handshake import TIER1, TIER2, Identity, PeerHello, shake_hands
from localneard.keys import Key
from localneard.wire import MAX_MESSAGE_BYTES, WireError, pack, read

HEAD = [5, "hash", 0.5]
DIALERS, LISTENERS = (Key.from_name(name, name) for name in ("node0", "node1"))
"""The validator keys that the two hold."""


def identity(name: str, **change: Any) -> Identity:
    values = {
        "chain_id": "chain",
        "genesis_hash": "genesis",
        "listen": Address("127.0.0.1", 5),
        "run_id": name,
    }
    return Identity(key=Key.from_name("node", name), **{**values, **change})


async def meet(
    dialer: Identity, listener: Identity, expected: str | None = None, tier: int = TIER2, forge: Any = None
) -> list[PeerHello | BaseException]:
    """Both outcomes of a handshake over a real connection."""
    outcome: asyncio.Future[PeerHello | BaseException] = asyncio.get_running_loop().create_future()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            outcome.set_result(
                await shake_hands(reader, writer, listener, HEAD, dialing=False, account=LISTENERS)
            )
        except (WireError, OSError, asyncio.IncompleteReadError) as error:
            outcome.set_result(error)
        finally:
            writer.close()

    async with asyncio.timeout(5), await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        own: PeerHello | BaseException
        try:
            own = await shake_hands(
                reader,
                writer,
                dialer,
                HEAD,
                dialing=True,
                expected=expected,
                tier=tier,
                account=forge or DIALERS,
            )
        except (WireError, OSError, asyncio.IncompleteReadError) as error:
            own = error
        writer.close()
        return [own, await outcome]


def test_two_nodes_of_one_chain_learn_who_the_other_is() -> None:
    a, b = identity("a"), identity("b", listen=Address("0.0.0.0", 7))
    own, theirs = asyncio.run(meet(a, b, expected=b.key.public_key))
    # One that listens everywhere is reached where it came from.
    assert own == PeerHello(b.key.public_key, "b", Address("127.0.0.1", 7), HEAD)
    assert theirs == PeerHello(a.key.public_key, "a", Address("127.0.0.1", 5), HEAD)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (identity("b", chain_id="mainnet"), "a node of another chain"),
        (identity("b", genesis_hash="other"), "a node of another chain"),
        (identity("a"), "our own node key"),
    ],
)
def test_a_node_that_does_not_belong_is_refused(other: Identity, message: str) -> None:
    for outcome in asyncio.run(meet(identity("a"), other)):
        assert isinstance(outcome, WireError | OSError | asyncio.IncompleteReadError)
    assert message in str(asyncio.run(meet(identity("a"), other))[0])


def test_another_node_than_the_one_dialled_is_refused() -> None:
    expected = Key.from_name("node", "c").public_key
    own, _ = asyncio.run(meet(identity("a"), identity("b"), expected=expected))
    assert isinstance(own, WireError)
    assert f"where {expected} was expected" in str(own)


def test_who_has_not_the_key_of_its_name_is_refused() -> None:
    liar = identity("b")
    forged = Key("node", Key.from_name("node", "c").public_key, liar.key._secret)
    own, _ = asyncio.run(meet(identity("a"), Identity(forged, "chain", "genesis", liar.listen, "b")))
    assert isinstance(own, WireError)
    assert "bad signature" in str(own)


def test_validators_prove_their_keys_over_tier1_alone() -> None:
    a, b = identity("a"), identity("b")
    own, theirs = asyncio.run(meet(a, b, tier=TIER1))
    assert isinstance(own, PeerHello)
    assert isinstance(theirs, PeerHello)
    assert (own.tier, own.account_key) == (TIER1, LISTENERS.public_key)
    assert (theirs.tier, theirs.account_key) == (TIER1, DIALERS.public_key)
    own, theirs = asyncio.run(meet(a, b))
    assert isinstance(theirs, PeerHello)
    assert (theirs.tier, theirs.account_key) == (TIER2, None)


def test_who_has_not_the_validator_key_that_it_names_is_refused() -> None:
    forged = Key("node3", Key.from_name("node3", "node3").public_key, DIALERS._secret)
    _, theirs = asyncio.run(meet(identity("a"), identity("b"), tier=TIER1, forge=forged))
    assert isinstance(theirs, WireError)
    assert "does not hold" in str(theirs)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((MAX_MESSAGE_BYTES + 1).to_bytes(4), "a message of"),
        (b"\0\0\0\2{]", "not JSON"),
        (b"\0\0\0\2[]", "without a kind"),
        (pack({"t": 5}), "without a kind"),
    ],
)
def test_rubbish_on_the_wire_is_refused(data: bytes, message: str) -> None:
    async def feed(into: Callable[[asyncio.StreamReader], None]) -> None:
        reader = asyncio.StreamReader()
        into(reader)
        await asyncio.wait_for(read(reader), 5)

    with pytest.raises(WireError, match=message):
        asyncio.run(feed(lambda reader: reader.feed_data(data)))
