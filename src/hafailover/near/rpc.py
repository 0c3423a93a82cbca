"""neard's RPC as the agent and the commands use it: few methods, short deadlines, answers checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

import urllib3

from hafailover.clock import boottime
from hafailover.deadline import deadline, plain_pool
from hafailover.near.answer import Bound, TooMuchError, parse
from hafailover.text import is_text, unix_time

STATUS_BOUND = Bound(1 << 20, 10_000)
"""``/status`` lists the block producers, 100 on mainnet: 10 KiB. It is asked up to 20 times a second."""
BLOCK_BOUND = Bound(1 << 20, 20_000)
"""A block has some 100 approvals and, for each of mainnet's 9 shards, a chunk's header and a list of who
endorsed it: 60 KiB and 3000 values."""
BOUND = Bound(4 << 20, 250_000)
"""``validators`` is the largest: mainnet's 500 seats and 9 shards (nearcore
core/primitives/res/epoch_configs/mainnet/81.json), with six counts for each shard, make 0.5 MiB and 43 000
values; 600 and 30 shards would make 1.1 MiB and 140 000. ``maintenance_windows`` has at most one window for
each second height of an epoch of 43 200: 65 000 values. ``network_info`` has some 5 for each peer."""
BOUNDS = {"block": BLOCK_BOUND}
MOST_CHARS = 256
"""Of a text that is used: the longest, a key of secp256k1, has 98."""


class RpcError(Exception):
    """neard gave no usable answer; the text says what came instead."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is used of ``GET /status``."""

    height: int
    syncing: bool
    public_key: str | None
    account_id: str | None
    version: str
    uptime_s: int
    chain_id: str
    head_made_at: float
    """The timestamp of the head's block: seconds since 1970, by its producer's clock."""
    node_key: str = ""
    """Public key of its node_key.json; empty if it does not tell."""


@dataclass(frozen=True, slots=True)
class Production:
    """A validator's counts in the epoch that began at ``epoch_start``."""

    produced_blocks: int
    expected_blocks: int
    produced_chunks: int
    expected_chunks: int
    epoch_start: int
    produced_endorsements: int = 0
    """0 also where neard is too old to count them."""
    expected_endorsements: int = 0
    public_key: str = ""
    """The key that the stake of this epoch is with; empty if neard does not tell."""

    def since(self, before: Production) -> Production:
        """What has come since an earlier look; less than nothing where the counts are another epoch's."""
        return Production(
            self.produced_blocks - before.produced_blocks,
            self.expected_blocks - before.expected_blocks,
            self.produced_chunks - before.produced_chunks,
            self.expected_chunks - before.expected_chunks,
            self.epoch_start,
            self.produced_endorsements - before.produced_endorsements,
            self.expected_endorsements - before.expected_endorsements,
        )


class NeardRpc:
    """A connection to one neard's RPC, kept open. For one thread.

    :param deadline_s: the longest that one call may take, in seconds.
    :raises RpcError: ``host`` cannot be one.
    """

    def __init__(self, host: str, port: int, deadline_s: float = 1.0) -> None:
        self._deadline_s = deadline_s
        # Its connections end in time even where the head of an answer comes drop by drop.
        try:
            self._pool = plain_pool(host, port)
        except ValueError:
            raise RpcError("the address of neard's RPC is none") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def status(self) -> Status:
        """:raises RpcError: no answer in time, or not neard's status."""
        data = self._json("GET", "/status", None, STATUS_BOUND)
        try:
            sync = data["sync_info"]
            return Status(
                height=_whole(sync["latest_block_height"]),
                syncing=sync["syncing"] is not False,
                public_key=_optional_text(data["validator_public_key"]),
                account_id=_optional_text(data.get("validator_account_id")),
                version=_text(data["version"]["version"]),
                uptime_s=_signed(data.get("uptime_sec", 0)),
                chain_id=_text(data["chain_id"]),
                head_made_at=unix_time(_text(sync["latest_block_time"])),
                node_key=_node_key(data.get("node_public_key")),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise RpcError("an answer that is not neard's status") from None

    def peers(self) -> int:
        """How many peers neard is connected with."""
        try:
            return _whole(self._field(self.call("network_info", []), "num_active_peers"))
        except ValueError:
            raise RpcError("an answer to network_info that makes no sense") from None

    def tracked_shards(self) -> Any:
        """``tracked_shards_config`` that the running process was started with."""
        return self._field(self.call("client_config", []), "tracked_shards_config")

    def block_author(self, height: int) -> str | None:
        """Who produced the block at ``height``; ``None`` where there is none."""
        try:
            block = self.call("block", {"block_id": height})
        except RpcError as error:
            if "UNKNOWN_BLOCK" in str(error):
                return None
            raise
        author = self._field(block, "author")
        if not _is_short(author):
            raise RpcError("a block without an author")
        return author

    def earliest_height(self) -> int | None:
        """The first height whose block neard still keeps; ``None`` if it does not tell."""
        sync = self._field(self.get("/status"), "sync_info")
        earliest = sync.get("earliest_block_height") if isinstance(sync, dict) else None
        try:
            return _whole(earliest) if earliest is not None else None
        except ValueError:
            raise RpcError("an earliest height that makes no sense") from None

    def production(self, account_id: str) -> Production | None:
        """What ``account_id`` was to produce in this epoch and did; ``None`` if it is no validator."""
        return _production(self.call("validators", [None]), account_id)

    def work(self, account_id: str) -> tuple[int, Production | None]:
        """The height that this epoch began at, and the same counts.

        :raises RpcError: no usable answer, or one that names no validator at all.
        """
        answer = self.call("validators", [None])
        found = _production(answer, account_id)
        try:
            if not answer["current_validators"]:
                raise ValueError
            return _whole(answer["epoch_start_height"]), found
        except (KeyError, TypeError, ValueError):
            raise RpcError("an answer to validators that makes no sense") from None

    def production_before(self, account_id: str, epoch_start: int) -> Production | None:
        """The same, at the end of the epoch before the one that began with the block at ``epoch_start``.

        neard knows an ended epoch by its last block (nearcore chain/client/src/view_client_actor.rs).
        """
        header = self._field(self.call("block", {"block_id": epoch_start}), "header")
        last = self._field(header, "prev_hash")
        if not _is_short(last):
            raise RpcError("a block without a predecessor")
        return _production(self.call("validators", [last]), account_id)

    def maintenance_windows(self, account_id: str, deadline_s: float | None = None) -> list[tuple[int, int]]:
        """Heights from the head to the epoch's end at which ``account_id`` has no block or chunk to produce.

        Half-open: the second height of each pair is the first with a duty again. neard's name of the method,
        and the pairs, are of 2.10; before, the method was experimental, and before 2025-05 its answer held
        plain pairs (nearcore commit 800da6e7e).

        :param deadline_s: other than this connection's: neard goes through the whole epoch for its answer.
        """
        params = {"account_id": account_id}
        try:
            answer = self.call("maintenance_windows", params, deadline_s)
        except RpcError as error:
            if "METHOD_NOT_FOUND" not in str(error):
                raise
            answer = self.call("EXPERIMENTAL_maintenance_windows", params, deadline_s)
        try:
            return [_window(entry) for entry in answer]
        except (KeyError, TypeError, ValueError, IndexError):
            raise RpcError("an answer to maintenance_windows that makes no sense") from None

    def get(self, path: str) -> Any:
        """A GET route's JSON. :raises RpcError: no usable answer."""
        return self._json("GET", path, None, STATUS_BOUND if path == "/status" else BOUND)

    def call(self, method: str, params: Any, deadline_s: float | None = None) -> Any:
        """One JSON-RPC call.

        :param deadline_s: other than this connection's.
        :raises RpcError: no answer in time, or an error of neard's, with its name.
        """
        request = {"jsonrpc": "2.0", "id": "hafailover", "method": method, "params": params}
        answer = self._json("POST", "/", request, BOUNDS.get(method, BOUND), deadline_s)
        if not isinstance(answer, dict):
            raise RpcError(f"{method}: an answer that is not an object")
        error = answer.get("error")
        if error is not None:
            raise RpcError(f"{method}: {_error_name(error)}")
        if "result" not in answer:
            raise RpcError(f"{method}: an answer without a result")
        return answer["result"]

    def close(self) -> None:
        self._pool.close()

    def _field(self, data: Any, name: str) -> Any:
        try:
            return data[name]
        except (KeyError, TypeError, IndexError):
            raise RpcError(f"an answer without {name}") from None

    def _json(self, method: str, path: str, body: Any, bound: Bound, deadline_s: float | None = None) -> Any:
        within_s = deadline_s if deadline_s is not None else self._deadline_s
        end = boottime() + within_s
        headers = {"Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            with deadline(within_s):
                response = self._pool.request(
                    method,
                    path,
                    body=json.dumps(body) if body is not None else None,
                    headers=headers,
                    preload_content=False,
                    redirect=False,
                    retries=False,
                    timeout=urllib3.Timeout(total=within_s),
                )
                try:
                    raw = _read(response, end, bound.size)
                finally:
                    response.release_conn()
        except urllib3.exceptions.NewConnectionError as error:
            # Of the library's kinds of timeout, but none: nobody listens.
            raise RpcError(_plain(error)) from None
        except urllib3.exceptions.TimeoutError:
            raise RpcError(f"no answer within {within_s:g} s") from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise RpcError(_plain(error)) from None
        if response.status >= 500 and not raw:
            raise RpcError(f"HTTP status {response.status}")
        try:
            return parse(raw, bound)
        except TooMuchError as error:
            raise RpcError(str(error)) from None
        except ValueError:
            raise RpcError(f"HTTP status {response.status} with a body that is not JSON") from None


def _read(response: Any, end: float, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := response.read1(65536):
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            response.close()
            raise RpcError(f"an answer of more than {most >> 10} KiB")
        if boottime() > end:
            response.close()
            raise RpcError("an answer that did not end in time")
    return b"".join(chunks)


def _production(answer: Any, account_id: str) -> Production | None:
    try:
        for entry in answer["current_validators"]:
            if entry["account_id"] == account_id:
                return Production(
                    _whole(entry["num_produced_blocks"]),
                    _whole(entry["num_expected_blocks"]),
                    _whole(entry["num_produced_chunks"]),
                    _whole(entry["num_expected_chunks"]),
                    _whole(answer["epoch_start_height"]),
                    _whole(entry.get("num_produced_endorsements", 0)),
                    _whole(entry.get("num_expected_endorsements", 0)),
                    _text(entry.get("public_key", "")),
                )
    except (KeyError, TypeError, ValueError):
        raise RpcError("an answer to validators that makes no sense") from None
    return None


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError
    return value


def _window(entry: Any) -> tuple[int, int]:
    start, end = (entry["start"], entry["end"]) if isinstance(entry, dict) else entry
    return _whole(start), _whole(end)


def _signed(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << 63) <= value < 1 << 63:
        raise ValueError
    return value


def _is_short(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= MOST_CHARS and is_text(value)


def _text(value: Any) -> str:
    if not _is_short(value):
        raise ValueError
    return value


def _optional_text(value: Any) -> str | None:
    return _text(value) if value is not None else None


def _error_name(error: Any) -> str:
    if not isinstance(error, dict):
        return "an error"
    cause = error.get("cause")
    found = cause.get("name") if isinstance(cause, dict) else None
    found = found or error.get("name") or error.get("message")
    return found[:100] if is_text(found) else "an error"


def _plain(error: Exception) -> str:
    text = str(error)
    if "refused" in text:
        return "connection refused"
    return type(error).__name__


def _node_key(value: Any) -> str:
    """For a comparison alone: what is no key is left out, and neard is not refused for it."""
    return value if is_text(value) and len(value) <= MOST_CHARS else ""
