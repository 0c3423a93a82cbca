"""One look at neard's ``/status``, with a deadline for the whole of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from hafailover.near.answer import Bound, TooMuchError, parse
from hafailover.text import is_text

BOUND = Bound(1 << 20, 10_000)
"""As the agent bounds it (near/rpc.py): the guard's clock stands still while an answer is parsed."""
MAX_KEY_CHARS = 256
"""No key is longer, and the guard repeats in its reports which key neard shows."""


class ProbeError(Exception):
    """No usable answer; the text says what came instead."""


class NobodyListensError(ProbeError):
    """No connection: all that is to be expected of a neard that still boots."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the guard needs of ``/status``."""

    public_key: str | None
    height: int
    address: tuple[str, int] = ("", 0)
    """IP address and port that answered."""


async def probe_status(host: str, port: int, deadline_s: float, node_keys: frozenset[str]) -> Status:
    """Asks ``GET /status``. HTTP/1.0, so that the end of the connection is the end of the answer.

    :param node_keys: the node keys that this host's neard may have. Another neard that got hold of the port
        says nothing about ours, and its "no key" is no proof of anything.
    :raises NobodyListensError: no connection.
    :raises ProbeError: no answer within ``deadline_s`` seconds, or not this neard's status.
    """
    try:
        async with asyncio.timeout(deadline_s):
            raw, address = await _get(host, port)
    except TimeoutError:
        raise ProbeError(f"no answer within {deadline_s:g} s") from None
    except OSError as error:
        raise ProbeError(error.strerror or type(error).__name__) from None
    except ValueError:
        raise ProbeError("rpc.addr in config.json names no address") from None
    return replace(_parse(raw, node_keys), address=address)


async def _get(host: str, port: int) -> tuple[bytes, tuple[str, int]]:
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=BOUND.size)
    except OSError as error:
        raise NobodyListensError(error.strerror or type(error).__name__) from None
    try:
        address = writer.get_extra_info("peername")[:2]
        writer.write(f"GET /status HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        chunks: list[bytes] = []
        size = 0
        while chunk := await reader.read(65536):
            chunks.append(chunk)
            size += len(chunk)
            if size > BOUND.size:
                raise ProbeError(f"an answer of more than {BOUND.size >> 10} KiB")
        return b"".join(chunks), address
    finally:
        writer.close()


def _parse(raw: bytes, node_keys: frozenset[str]) -> Status:
    head, _, body = raw.partition(b"\r\n\r\n")
    line = head.split(b"\r\n", 1)[0].split()
    if len(line) < 2 or not line[0].startswith(b"HTTP/"):
        raise ProbeError("an answer that is not HTTP")
    if line[1] != b"200":
        raise ProbeError(f"HTTP status {line[1][:8].decode('ascii', 'replace')}")
    try:
        data = parse(body, BOUND)
        height = data["sync_info"]["latest_block_height"]
        # The key itself must be there, as null where none is loaded: its absence proves nothing.
        public_key = data["validator_public_key"]
        node_key = data["node_public_key"]
    except TooMuchError as error:
        raise ProbeError(str(error)) from None
    except (ValueError, KeyError, TypeError):
        raise ProbeError("an answer that is not neard's status") from None
    whole = isinstance(height, int) and not isinstance(height, bool) and 0 <= height < 1 << 63
    if not whole or not (public_key is None or _is_key(public_key)) or not isinstance(node_key, str):
        raise ProbeError("an answer that is not neard's status")
    if node_key not in node_keys:
        raise ProbeError("another neard answers on this address; see rpc.addr in config.json")
    return Status(public_key, height)


def _is_key(value: Any) -> bool:
    return is_text(value) and len(value) <= MAX_KEY_CHARS
