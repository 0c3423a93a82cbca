"""How two nodes make sure that they are who they say and on the same chain."""

import asyncio
import hashlib
import os
from dataclasses import dataclass
from typing import Any

from localneard.addresses import Address
from localneard.keys import Key, is_public_key, verify
from localneard.wire import Message, WireError, pack, read

VERSION = 2
TIER1, TIER2 = 1, 2
"""A connection of validators that carries their mail alone, and one over which nodes follow the chain."""
_NONCE_BYTES = 32


@dataclass(frozen=True)
class Identity:
    """What a node says of itself. `run_id` is new with each process, so that a restart shows."""

    key: Key
    chain_id: str
    genesis_hash: str
    listen: Address
    run_id: str


@dataclass(frozen=True)
class PeerHello:
    """What a peer has proved or said of itself."""

    peer_id: str
    run_id: str
    listen: Address | None
    head: Any
    tier: int = TIER2
    account_key: str | None = None
    """The validator key that the peer has proved to hold; over TIER1 alone."""


async def shake_hands(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    identity: Identity,
    head: Any,
    *,
    dialing: bool,
    expected: str | None = None,
    tier: int = TIER2,
    account: Key | None = None,
) -> PeerHello:
    """Exchange and check who both are; `expected` is the node key that must answer.

    The dialer says of which `tier` the connection is to be. `account` is the validator key that is held here;
    over TIER1 it is proved to the other side.

    Raises WireError when the peer is not what it should be, and OSError or asyncio.IncompleteReadError when
    it goes away. Has no deadline of its own.
    """
    nonce = os.urandom(_NONCE_BYTES).hex()
    theirs: Message = {}
    if not dialing:
        theirs, _ = await read(reader)
        tier = TIER1 if theirs.get("tier") == TIER1 else TIER2
    owned = account if tier == TIER1 else None
    hello: Message = {
        "t": "hello",
        "version": VERSION,
        "tier": tier,
        "chain_id": identity.chain_id,
        "genesis": identity.genesis_hash,
        "id": identity.key.public_key,
        "run": identity.run_id,
        "nonce": nonce,
        "listen": [identity.listen.host, identity.listen.port],
        "account": None if owned is None else owned.public_key,
        "head": head,
    }
    writer.write(pack(hello))
    if dialing:
        theirs, _ = await read(reader)
    _check_hello(theirs, identity, expected)
    roles = ("dialer", "listener") if dialing else ("listener", "dialer")
    own_id, peer_id, genesis = identity.key.public_key, theirs["id"], identity.genesis_hash
    own_proof = _transcript(roles[0], genesis, own_id, peer_id, nonce, theirs["nonce"])
    reply: Message = {"t": "auth", "signature": identity.key.sign(own_proof)}
    if owned is not None:
        reply["account_signature"] = owned.sign(own_proof)
    writer.write(pack(reply))
    auth, _ = await read(reader)
    proof = _transcript(roles[1], genesis, peer_id, own_id, theirs["nonce"], nonce)
    if auth["t"] != "auth" or not verify(peer_id, str(auth.get("signature")), proof):
        raise WireError("a bad signature in the handshake")
    account_key = theirs.get("account") if tier == TIER1 else None
    if account_key is not None and not verify(account_key, str(auth.get("account_signature")), proof):
        raise WireError("a validator key in the handshake that the peer does not hold")
    listen = _listen(theirs.get("listen"), writer)
    return PeerHello(peer_id, theirs["run"], listen, theirs.get("head"), tier, account_key)


def _check_hello(hello: Message, identity: Identity, expected: str | None) -> None:
    if hello["t"] != "hello" or hello.get("version") != VERSION:
        raise WireError("no hello of this version")
    if not all(isinstance(hello.get(name), str) and len(hello[name]) <= 128 for name in ("run", "nonce")):
        raise WireError("a hello without run or nonce")
    if (hello.get("chain_id"), hello.get("genesis")) != (identity.chain_id, identity.genesis_hash):
        raise WireError(f"a node of another chain ({str(hello.get('chain_id'))[:64]}, or another genesis)")
    if not is_public_key(hello.get("id")):
        raise WireError("a hello without a node key")
    if hello.get("account") is not None and not is_public_key(hello["account"]):
        raise WireError("a hello with an account that is no key")
    if hello["id"] == identity.key.public_key:
        raise WireError("a node with our own node key; give each node its own node_key.json")
    if expected is not None and hello["id"] != expected:
        raise WireError(f"node {hello['id']} where {expected} was expected")


def _transcript(
    role: str, genesis: str, signer: str, other: str, signer_nonce: str, other_nonce: str
) -> bytes:
    """Return what a side signs: its role keeps a proof from being played back to its maker."""
    text = "\n".join(("localneard handshake", role, genesis, signer, other, signer_nonce, other_nonce))
    return hashlib.sha256(text.encode()).digest()


def _listen(value: Any, writer: asyncio.StreamWriter) -> Address | None:
    """Return where the peer can be dialled: one that listens everywhere is reached where it came from."""
    try:
        host, port = value
        address = Address(str(host), int(port))
    except (TypeError, ValueError):
        return None
    if not 0 < address.port < 65536 or not 0 < len(address.host) <= 255:
        return None
    return (
        Address(str(writer.get_extra_info("peername")[0]), address.port) if address.is_wildcard() else address
    )
