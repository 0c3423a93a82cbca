"""neard's RPC as the agent reads it: every answer is a usable one or an RpcError, and in time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.clock import boottime
from hafailover.near.epoch import MAINNET, EpochCounts, EpochRules, epoch_counts, epoch_rules
from hafailover.near.rpc import NeardRpc, Production, RpcError, Status
from hafailover.observe.budget import budget_of

from ..unit.near.servers import STATUS
from .answering import Answering
from .http_answers import drips, http_answers
from .running import came_to, fuzz
from .secret import SECRET_KEY, Silence

DEADLINE_S = 1.0
SLACK_S = 1.5
"""For a busy machine; a call that hangs takes far longer."""
MAX_WHOLE = (1 << 63) - 1
ACCOUNT = "pool.poolv1.near"
# A neard that says too much: none of that may go on into a message.
CHATTY = {**STATUS, "detail": {"secret_key": SECRET_KEY}}


def result(value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "hafailover", "result": value, "detailed_debug_status": SECRET_KEY}


def failure(name: str) -> dict[str, Any]:
    cause = {"name": name, "info": {"secret": SECRET_KEY}}
    return {"jsonrpc": "2.0", "id": "hafailover", "error": {"name": "HANDLER_ERROR", "cause": cause}}


VALIDATOR = {
    "account_id": ACCOUNT,
    "num_produced_blocks": 5,
    "num_expected_blocks": 6,
    "num_produced_chunks": 7,
    "num_expected_chunks": 8,
    "num_produced_endorsements": 9,
    "num_expected_endorsements": 10,
}
BY_SHARD = {
    "shards": [2, 5],
    "num_produced_chunks_per_shard": [3, 4],
    "num_expected_chunks_per_shard": [4, 4],
}
CALLS: dict[str, tuple[Callable[[NeardRpc], Any], Any]] = {
    "status": (NeardRpc.status, CHATTY),
    "peers": (NeardRpc.peers, result({"num_active_peers": 8})),
    "shards": (NeardRpc.tracked_shards, result({"tracked_shards_config": {"ShadowValidator": ACCOUNT}})),
    "author": (lambda rpc: rpc.block_author(7), result({"author": ACCOUNT, "header": {"height": 7}})),
    "no block": (lambda rpc: rpc.block_author(7), failure("UNKNOWN_BLOCK")),
    "production": (
        lambda rpc: rpc.production(ACCOUNT),
        result({"current_validators": [VALIDATOR], "epoch_start_height": 3}),
    ),
    "work": (
        lambda rpc: rpc.work(ACCOUNT),
        result({"current_validators": [VALIDATOR], "epoch_start_height": 3}),
    ),
    "counts": (
        lambda rpc: epoch_counts(rpc, ACCOUNT),
        result({"current_validators": [{**VALIDATOR, **BY_SHARD}], "epoch_start_height": 3}),
    ),
    "rules": (epoch_rules, result({"epoch_length": 60, "protocol_version": 87})),
}


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(CALLS)))
    return name, draw(http_answers(CALLS[name][1]))


def plain(answer: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer)


@fuzz(450)
@given(calls())
@example(("status", plain(json.dumps({**STATUS, "version": {"version": "\ud800"}}).encode())))
@example(("no block", plain(json.dumps(failure("\udfff")).encode())))
@example(("status", plain(json.dumps({**STATUS, "uptime_sec": float("inf")}).encode())))
def test_an_answer_is_usable_or_refused(
    answering: Answering, silence: Silence, call: tuple[str, bytes]
) -> None:
    name, data = call
    answering.says(data)
    rpc = NeardRpc(answering.host, answering.port, DEADLINE_S)
    began = boottime()
    error = None
    try:
        check(name, CALLS[name][0](rpc))
        came_to("test_an_answer_is_usable_or_refused", f"{name}: usable")
    except RpcError as refusal:
        error = refusal
        storable(str(refusal))
        came_to("test_an_answer_is_usable_or_refused", f"{name}: refused")
    finally:
        rpc.close()
    assert boottime() - began < DEADLINE_S + SLACK_S
    silence.check(error)


@fuzz(10, slow=50)
@given(drips(), st.sampled_from(sorted(CALLS)))
def test_an_answer_that_does_not_end_is_given_up_in_time(
    answering: Answering, data: bytes, name: str
) -> None:
    answering.says(data, dripping=True)
    rpc = NeardRpc(answering.host, answering.port, 0.15)
    began = boottime()
    try:
        CALLS[name][0](rpc)
        raise AssertionError("an answer that never came was taken")
    except RpcError:
        assert boottime() - began < 0.15 + SLACK_S
    finally:
        rpc.close()


@fuzz(30)
@given(
    st.text(min_size=1, max_size=12) | st.sampled_from(("a" * 300, "\ud800", "x..y", "a b", "\0", "::1%lo"))
)
def test_an_address_from_a_file_that_is_none_is_an_rpc_error(host: str) -> None:
    """config.json may name anything; a name that could be looked up is another matter."""
    host = f"{host}\x01"
    try:
        NeardRpc(host, 1, 0.2).status()
        raise AssertionError("nobody has that name")
    except RpcError as error:
        storable(str(error))


def check(name: str, value: Any) -> None:
    """What the core may rely on."""
    match value:
        case Status():
            assert 0 <= value.height <= MAX_WHOLE
            assert type(value.syncing) is bool
            assert type(value.uptime_s) is int
            assert math.isfinite(value.head_made_at)
            for text in (value.public_key, value.account_id, value.version, value.chain_id):
                assert text is None or type(text) is str
                storable(text or "")
        case (int(), None | Production()):
            check("peers", value[0])
            if value[1] is not None:
                check(name, value[1])
        case Production():
            counts = (
                value.produced_blocks,
                value.expected_blocks,
                value.produced_chunks,
                value.expected_chunks,
                value.produced_endorsements,
                value.expected_endorsements,
            )
            assert all(type(count) is int and 0 <= count <= MAX_WHOLE for count in counts)
        case EpochCounts():
            of_shards = [count for one in value.shards for count in (one.shard, one.producers)]
            kinds = [value.blocks, value.chunks, value.endorsements, *(one.chunks for one in value.shards)]
            for count in (value.epoch_start, *of_shards):
                check("peers", count)
            assert all(0 <= one.produced <= one.expected <= MAX_WHOLE for one in kinds)
            budget_of(value, MAINNET, value.epoch_start + 5000, 1.0)
        case EpochRules():
            assert 0 < value.epoch_length <= MAX_WHOLE
            percents = (value.block_percent, value.chunk_percent, value.endorsement_percent)
            assert all(0 <= percent <= 100 for percent in percents)
            check("peers", value.protocol or 0)
        case int() if name == "peers":
            assert type(value) is int
            assert 0 <= value <= MAX_WHOLE
        case str():
            assert "author" in name or "block" in name or name == "shards"
            storable(value)
        case _:
            assert value is None or name == "shards"


def storable(text: str) -> None:
    """It goes into this host's record, the log and the metrics, all of them UTF-8."""
    text.encode()
