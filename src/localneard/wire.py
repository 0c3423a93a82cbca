"""Messages between nodes: a length of four bytes, then a JSON object whose ``t`` names its kind.

===========  ============================================================================================
``hello``    before anything else: who one is, which chain, a nonce, where one listens, one's head
``auth``     signature over both nonces
``ping``     every two seconds: the head and how old it is, the account that one holds a key for, and how many
             connections away other nodes are
``peers``    addresses of other nodes
``block``    a block and how old it is
``have``     height and hash of a block that one has
``get``      ask for a block by hash
``sync``     ask for the blocks after the first known of some hashes
``chain``    the answer
``accounts`` records of validators' nodes
``chunks``   two chunks that one key has made for one height
``routed``   mail for a node, to be passed on: an approval, a chunk or an endorsement
===========  ============================================================================================

Ages are seconds on the sender's own clock: a block's time counts from when it was produced, with no need for
clocks that agree.
"""

import asyncio
import json
from typing import Any

MAX_MESSAGE_BYTES = 4 << 20
_LENGTH_BYTES = 4
_MAX_AGE_S = 1e9

Message = dict[str, Any]


class WireError(Exception):
    """The other side does not keep to the protocol; the text says how."""


def age(value: Any) -> float:
    """Return an age in seconds. Raises WireError if it is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _MAX_AGE_S:
        raise WireError("an age that makes no sense")
    return float(value)


def pack(message: Message) -> bytes:
    """Return the bytes of a message."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return len(body).to_bytes(_LENGTH_BYTES) + body


async def read(reader: asyncio.StreamReader) -> tuple[Message, int]:
    """Read a message; returns it and its size in bytes.

    Raises WireError, and asyncio.IncompleteReadError or OSError at the end of the connection.
    """
    length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
    if length > MAX_MESSAGE_BYTES:
        raise WireError(f"a message of {length} bytes")
    body = await reader.readexactly(length)
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise WireError("a message that is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("t"), str):
        raise WireError("a message without a kind")
    return message, length + _LENGTH_BYTES
