"""neard's RPC over a real socket: good answers, garbage, and deadlines that hold whatever the server does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hafailover.clock import boottime
from hafailover.near.rpc import NeardRpc, Production, RpcError, Status

from .servers import DRIPS, GARBAGE, STATUS, Handler, Peer, Server, answer, endless, hang, raw, status

DEADLINE_S = 0.4
CALLS: dict[str, Callable[[NeardRpc], Any]] = {
    "status": NeardRpc.status,
    "peers": NeardRpc.peers,
    "tracked_shards": NeardRpc.tracked_shards,
    "block_author": lambda rpc: rpc.block_author(7),
    "production": lambda rpc: rpc.production("pool.near"),
    "work": lambda rpc: rpc.work("pool.near"),
    "production_before": lambda rpc: rpc.production_before("pool.near", 7),
}
SYNC = STATUS["sync_info"]
ENTRY = {
    "account_id": "pool.near",
    "num_produced_blocks": 9,
    "num_expected_blocks": 10,
    "num_produced_chunks": 19,
    "num_expected_chunks": 20,
}


def ask(handler: Handler, call: Callable[[NeardRpc], Any], deadline_s: float = 5.0) -> Any:
    with Server(handler) as server:
        rpc = NeardRpc(server.host, server.port, deadline_s)
        try:
            return call(rpc)
        finally:
            rpc.close()


def result(value: Any) -> Handler:
    return answer({"jsonrpc": "2.0", "id": "hafailover", "result": value})


def failure(**error: Any) -> Handler:
    return answer({"jsonrpc": "2.0", "id": "hafailover", "error": error})


# --- good answers


def test_status() -> None:
    assert ask(status(), NeardRpc.status) == Status(
        120,
        False,
        "ed25519:PoolKey",
        "pool.poolv1.near",
        "2.10.0",
        42,
        "localnet",
        1765368722.5,
        "ed25519:NodeKey",
    )
    assert ask(status(node_public_key="ed25519:Host"), NeardRpc.status).node_key == "ed25519:Host"
    for odd in (None, 7, ["ed25519:Host"], "x" * 257):
        assert ask(status(node_public_key=odd), NeardRpc.status).node_key == ""
    without = ask(status(validator_public_key=None, validator_account_id=None), NeardRpc.status)
    assert (without.public_key, without.account_id) == (None, None)


@pytest.mark.parametrize("syncing", [True, None, 0, 1, "no", []])
def test_only_false_is_not_syncing(syncing: Any) -> None:
    assert ask(status(sync_info={**SYNC, "syncing": syncing}), NeardRpc.status).syncing


def test_methods() -> None:
    assert ask(result({"num_active_peers": 3}), NeardRpc.peers) == 3
    shadow = {"ShadowValidator": "pool.near"}
    assert ask(result({"tracked_shards_config": shadow}), NeardRpc.tracked_shards) == shadow
    assert ask(result({"author": "pool.near"}), CALLS["block_author"]) == "pool.near"
    validators = {"current_validators": [{"account_id": "a"}, ENTRY], "epoch_start_height": 5}
    assert ask(result(validators), CALLS["production"]) == Production(9, 10, 19, 20, 5)
    assert ask(result({"current_validators": [], "epoch_start_height": 5}), CALLS["production"]) is None


def test_the_accounts_work() -> None:
    work = CALLS["work"]
    entry = {**ENTRY, "num_produced_endorsements": 29, "num_expected_endorsements": 30}
    answer = {"current_validators": [{"account_id": "a"}, entry], "epoch_start_height": 5}
    assert ask(result(answer), work) == (5, Production(9, 10, 19, 20, 5, 29, 30))
    staked = {**answer, "current_validators": [{**entry, "public_key": "ed25519:x"}]}
    assert ask(result(staked), work) == (5, Production(9, 10, 19, 20, 5, 29, 30, "ed25519:x"))
    others = {"current_validators": [{"account_id": "a"}], "epoch_start_height": 5}
    assert ask(result(others), work) == (5, None)
    for odd in (
        {"current_validators": [], "epoch_start_height": 5},
        {"current_validators": [{"account_id": "a"}]},
        {"current_validators": [{**entry, "num_produced_endorsements": -1}], "epoch_start_height": 5},
        {"current_validators": [{**entry, "num_expected_endorsements": "30"}], "epoch_start_height": 5},
        {"current_validators": [{**entry, "public_key": 7}], "epoch_start_height": 5},
    ):
        with pytest.raises(RpcError):
            ask(result(odd), work)


def test_an_ended_epoch_is_asked_for_by_its_last_block() -> None:
    sent: list[Any] = []

    def handler(peer: Any) -> None:
        sent.append(json.loads(peer.request.partition(b"\r\n\r\n")[2]))
        if sent[-1]["method"] == "block":
            result({"header": {"prev_hash": "LastOfTheEpoch"}})(peer)
        else:
            result({"current_validators": [ENTRY], "epoch_start_height": 5})(peer)

    assert ask(handler, CALLS["production_before"]) == Production(9, 10, 19, 20, 5)
    assert [(one["method"], one["params"]) for one in sent] == [
        ("block", {"block_id": 7}),
        ("validators", ["LastOfTheEpoch"]),
    ]


@pytest.mark.parametrize("block", [{}, {"header": None}, {"header": {}}, {"header": {"prev_hash": 7}}])
def test_a_block_without_a_predecessor(block: Any) -> None:
    with pytest.raises(RpcError):
        ask(result(block), CALLS["production_before"])


def test_what_is_sent() -> None:
    seen: list[bytes] = []

    def handler(peer: Any) -> None:
        seen.append(peer.request)
        result({"author": "a"})(peer)

    ask(handler, CALLS["block_author"])
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1")
    assert b"application/json" in head
    assert b'"method": "block"' in body
    assert b'{"block_id": 7}' in body


def test_a_height_without_a_block() -> None:
    assert ask(failure(name="HANDLER_ERROR", cause={"name": "UNKNOWN_BLOCK"}), CALLS["block_author"]) is None
    with pytest.raises(RpcError, match="NOT_SYNCED_YET"):
        ask(failure(name="HANDLER_ERROR", cause={"name": "NOT_SYNCED_YET"}), CALLS["block_author"])


@pytest.mark.parametrize(
    "error", [{"message": "Server error"}, {"cause": None}, {"cause": {"name": 7}}, {"name": ["x"] * 999}]
)
def test_an_error_is_told_by_its_name_and_shortly(error: dict[str, Any]) -> None:
    with pytest.raises(RpcError) as caught:
        ask(failure(**error), NeardRpc.peers)
    assert str(caught.value).startswith("network_info: ")
    assert len(str(caught.value)) < 130


def test_a_connection_is_used_again_and_made_anew() -> None:
    with Server(status()) as server:
        rpc = NeardRpc(server.host, server.port, 5.0)
        for _ in range(3):
            assert rpc.status().height == 120
        rpc.close()


# --- bad answers


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage(kind: str, call: str) -> None:
    with pytest.raises(RpcError):
        ask(GARBAGE[kind], CALLS[call])


@pytest.mark.parametrize(
    "changes",
    [
        {"sync_info": None},
        {"sync_info": []},
        {"sync_info": {"syncing": False}},
        {"sync_info": {**SYNC, "latest_block_height": "1"}},
        {"sync_info": {**SYNC, "latest_block_time": "yesterday"}},
        {"sync_info": {**SYNC, "latest_block_time": "2025-12-10T12:12:02"}},
        {"sync_info": {**SYNC, "latest_block_time": 7}},
        {"sync_info": {"latest_block_height": 1, "syncing": False}},
        {"sync_info": {**SYNC, "latest_block_height": True}},
        {"sync_info": {**SYNC, "latest_block_height": -1}},
        {"sync_info": {**SYNC, "latest_block_height": 1 << 63}},
        {"sync_info": {**SYNC, "latest_block_height": 1.0}},
        {"sync_info": {"latest_block_height": 1, "latest_block_time": SYNC["latest_block_time"]}},
        {"validator_public_key": 7},
        {"validator_public_key": []},
        {"validator_account_id": {}},
        {"version": None},
        {"version": "2.10"},
        {"version": []},
        {"uptime_sec": None},
        {"uptime_sec": []},
        {"uptime_sec": "x"},
    ],
    ids=repr,
)
def test_a_status_of_the_wrong_kinds(changes: dict[str, Any]) -> None:
    with pytest.raises(RpcError, match="not neard's status"):
        ask(status(**changes), NeardRpc.status)


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999"])
def test_numbers_that_json_does_not_have(number: str) -> None:
    import json

    for name in ("uptime_sec", "validator_public_key"):
        body = json.dumps({**STATUS, name: "@"}).replace('"@"', number).encode()
        with pytest.raises(RpcError):
            ask(answer(body), NeardRpc.status)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        7,
        "x",
        {},
        {"num_active_peers": None, "current_validators": None},
        {"num_active_peers": -1, "current_validators": 7},
        {"num_active_peers": "3", "current_validators": [7]},
        {"num_active_peers": True, "current_validators": [{}]},
        {"num_active_peers": 1.5, "current_validators": [{**ENTRY, "num_produced_blocks": None}]},
        {"current_validators": [ENTRY]},
    ],
    ids=lambda value: repr(value)[:50],
)
@pytest.mark.parametrize("call", ["peers", "production"])
def test_results_of_the_wrong_kinds(value: Any, call: str) -> None:
    with pytest.raises(RpcError):
        ask(result(value), CALLS[call])


@pytest.mark.parametrize("author", [None, 7, []])
def test_an_author_is_a_text(author: Any) -> None:
    """A block whose author cannot be told is no block of another's."""
    with pytest.raises(RpcError):
        ask(result({"author": author}), CALLS["block_author"])


def test_neards_refusal_is_told_by_its_number() -> None:
    with pytest.raises(RpcError, match="HTTP status 503"):
        ask(GARBAGE["503"], NeardRpc.status)


def test_an_answer_that_is_an_error_page() -> None:
    with pytest.raises(RpcError, match="HTTP status 404 with a body that is not JSON"):
        ask(GARBAGE["404"], NeardRpc.status)


def test_too_much_is_not_read() -> None:
    with pytest.raises(RpcError, match=r"1024 KiB|in time"):
        ask(endless, NeardRpc.status, 5.0)


# --- deadlines


@pytest.mark.parametrize("kind", DRIPS)
@pytest.mark.parametrize("call", ["status", "peers"])
def test_a_call_ends_in_time_whatever_the_server_does(kind: str, call: str) -> None:
    with Server(DRIPS[kind]) as server:
        rpc = NeardRpc(server.host, server.port, DEADLINE_S)
        started = boottime()
        with pytest.raises(RpcError, match=r"in time|no answer within"):
            CALLS[call](rpc)
        # Twice the deadline: the last byte may come just before the first one has run out.
        assert boottime() - started < 2 * DEADLINE_S + 0.3
        rpc.close()


def test_windows_may_take_longer_than_other_calls() -> None:
    def late(peer: Peer) -> None:
        peer.wait(1.5 * DEADLINE_S)
        result([{"start": 3, "end": 5}])(peer)

    assert ask(late, lambda rpc: rpc.maintenance_windows("pool.near", 10.0), DEADLINE_S) == [(3, 5)]
    with pytest.raises(RpcError, match=r"no answer within 0\.4 s"):
        ask(late, lambda rpc: rpc.maintenance_windows("pool.near"), DEADLINE_S)


def test_a_server_that_hangs_up_is_no_surprise_to_the_next_call() -> None:
    with Server(raw(b"")) as server:
        rpc = NeardRpc(server.host, server.port, 2.0)
        for _ in range(3):
            with pytest.raises(RpcError):
                rpc.status()


def test_nobody_listens() -> None:
    with Server(hang) as server:
        pass
    started = boottime()
    with pytest.raises(RpcError, match="connection refused"):
        NeardRpc(server.host, server.port, 2.0).status()
    assert boottime() - started < 1.0


def test_an_address_that_leads_nowhere() -> None:
    for host in ("a..b", "x" * 300, "no-such-host.invalid"):
        with pytest.raises(RpcError):
            NeardRpc(host, 3030, 2.0).status()
