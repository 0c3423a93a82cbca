"""JSON that may come from anybody who got hold of neard's port: bounded before it is parsed."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from hafailover.clock import boottime
from hafailover.guard.probe import BOUND as PROBE_BOUND
from hafailover.near.answer import Bound, TooMuchError, parse
from hafailover.near.rpc import BLOCK_BOUND, BOUND, STATUS_BOUND, NeardRpc, RpcError

from .servers import STATUS, Server, raw

LONG_S = 1.5
"""No parse within the bounds takes a tenth of it; 15 MB take several times as long."""
BOUNDS = {"status": STATUS_BOUND, "block": BLOCK_BOUND, "others": BOUND, "guard": PROBE_BOUND}


def head(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


def hostile(bound: Bound) -> dict[str, bytes]:
    """What takes longest of what is within the bound, or just beyond it."""
    values, size = bound.values, bound.size
    return {
        "empty lists": b"[" + b"[]," * (values // 2 - 2) + b"[]]",
        "objects": b"[" + b'{"":0},' * (values // 2 - 2) + b"{}]",
        "many keys": b"{" + b",".join(b'"%x":{}' % one for one in range(values // 2 - 2)) + b"}",
        "numbers": b"[" + b"9," * (values - 2) + b"1]",
        "long numbers": b"[" + (b"9" * 4000 + b",") * (size // 4100) + b"1]",
        "a long number": b"[" + b"9" * (size - 10) + b"]",
        "a long fraction": b"[0." + b"1" * (size - 10) + b"]",
        "deep lists": b"[" * (values - 1),
        "deep objects": b'{"":' * (values - 1),
        "escapes": b'["' + b"\\u0141" * (size // 6 - 2) + b'"]',
        "blanks": b" " * (size - 5) + b"[]",
        "too many lists": b"[" + b"[]," * 5_000_000 + b"[]]",
    }


@pytest.mark.parametrize("which", BOUNDS)
@pytest.mark.parametrize("kind", hostile(BOUND))
def test_no_parse_takes_long(which: str, kind: str) -> None:
    text = hostile(BOUNDS[which])[kind]
    began = time.thread_time()
    try:
        parse(text, BOUNDS[which])
    except (TooMuchError, ValueError) as error:
        assert len(str(error)) < 200
    assert time.thread_time() - began < LONG_S


@pytest.mark.parametrize(
    "text", [b"NaN", b'{"a": Infinity}', b"[-Infinity]", b"\xff", b"", b"[1,", b"1" * 41]
)
def test_what_is_not_json(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse(text, BOUND)


def test_bounds_hold_to_the_byte_and_to_the_value() -> None:
    bound = Bound(20, 5)
    assert parse(b"[1, 2, 3, 4, 5]", bound) == [1, 2, 3, 4, 5]
    assert parse(b'"' + b"a" * 18 + b'"', bound) == "a" * 18
    with pytest.raises(TooMuchError, match="5 values"):
        parse(b"[1,2,3,4,5,6]", bound)
    with pytest.raises(TooMuchError, match="KiB"):
        parse(b'"' + b"a" * 19 + b'"', bound)


def validators(seats: int, shards: int) -> dict[str, Any]:
    """As neard answers it (nearcore core/primitives/src/views.rs), with every field and long names."""
    names = [f"{number:030d}.poolv1.near" for number in range(seats)]
    stake: dict[str, Any] = {"public_key": "ed25519:" + "A" * 44, "stake": "9" * 32}
    counts: dict[str, Any] = {"num_produced_blocks": 43200, "num_expected_blocks": 43200}
    for what in ("chunks", "endorsements"):
        for way in ("produced", "expected"):
            counts[f"num_{way}_{what}"] = 388800
            counts[f"num_{way}_{what}_per_shard"] = [43200] * shards
    lists = {"shards": list(range(shards)), "shards_endorsed": list(range(shards)), "is_slashed": False}
    return {
        "current_validators": [{"account_id": name, **stake, **counts, **lists} for name in names],
        "next_validators": [{"account_id": name, **stake, "shards": list(range(shards))} for name in names],
        "current_proposals": [{"account_id": name, **stake} for name in names],
        "prev_epoch_kickout": [{"account_id": name, "reason": "Unstaked"} for name in names],
        "epoch_start_height": 5,
    }


@pytest.mark.parametrize(("seats", "shards"), [(500, 9), (600, 30)])
def test_what_mainnet_answers_is_within_the_bound(seats: int, shards: int) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": "hafailover", "result": validators(seats, shards)}).encode()
    with Server(raw(head(body))) as server:
        found = NeardRpc(server.host, server.port, 20.0).production("0" * 28 + "77.poolv1.near")
    assert found is not None
    assert found.expected_blocks == 43200


def test_while_an_answer_is_read_the_other_threads_run() -> None:
    """What broke: 15 MB of empty lists, and the agent did not beat for five seconds."""
    body = b"[" + b"[]," * 5_000_000 + b"[]]"
    longest, over = [0.0], threading.Event()

    def beat() -> None:
        last = boottime()
        while not over.wait(0.01):
            longest[0], last = max(longest[0], boottime() - last), boottime()

    with Server(raw(head(body))) as server:
        beating = threading.Thread(target=beat)
        beating.start()
        try:
            with pytest.raises(RpcError, match="more than 1024 KiB"):
                NeardRpc(server.host, server.port, 20.0).status()
            with pytest.raises(RpcError, match="more than 4096 KiB"):
                NeardRpc(server.host, server.port, 20.0).peers()
        finally:
            over.set()
            beating.join()
    assert longest[0] < LONG_S


def test_a_text_that_is_too_long_is_none() -> None:
    for changes in ({"chain_id": "x" * 257}, {"validator_public_key": "k" * 257}, {"uptime_sec": "7" * 30}):
        body = json.dumps({**STATUS, **changes}).encode()
        with Server(raw(head(body))) as server, pytest.raises(RpcError, match="not neard's status"):
            NeardRpc(server.host, server.port, 5.0).status()


@pytest.mark.parametrize("text", [b'["%s", 7]' % (b"1" * 64), b'{"%s": 7, "a": [1.5, -2]}' % (b"9" * 41)])
def test_a_text_may_have_more_digits_than_a_number(text: bytes) -> None:
    assert parse(text, BOUND) == json.loads(text)


@pytest.mark.parametrize("sign", [b"", b"-"])
def test_as_many_digits_as_a_number_may_have(sign: bytes) -> None:
    assert parse(sign + b"1" * (40 - len(sign)), BOUND) == int(sign + b"1" * (40 - len(sign)))
    with pytest.raises(ValueError):
        parse(b"[5, " + sign + b"1" * 41 + b"]", BOUND)
