"""HTTP routes, JSON-RPC and metrics, in neard's forms."""

from typing import Any

import pytest
import requests

from hafailover.agent.budget_watch import BudgetWatch
from hafailover.clock import boottime
from hafailover.near.rpc import NeardRpc
from hafailover.observe.records import Allowance

from .nodes import MakeNet, Net


def error(answer: requests.Response) -> tuple[int, str, str, int]:
    body = answer.json()
    assert body["jsonrpc"] == "2.0"
    found = body["error"]
    return answer.status_code, found["name"], found["cause"]["name"], found["code"]


def test_get_routes_answer_in_neards_forms(whole_net: Net) -> None:
    node = whole_net[0]
    status = node.status()
    assert status == {
        **node.rpc("status"),
        "sync_info": status["sync_info"],
        "uptime_sec": status["uptime_sec"],
    }
    assert sorted(one["account_id"] for one in status["validators"]) == ["node0", "node1", "node2", "node3"]
    assert status["node_public_key"] == node.key
    assert status["node_key"] == status["validator_public_key"]
    assert status["sync_info"]["epoch_start_height"] % 1000 == 0
    assert status["sync_info"]["earliest_block_hash"] == status["genesis_hash"]
    keyless = whole_net[4].status()
    assert (keyless["validator_account_id"], keyless["validator_public_key"], keyless["node_key"]) == (
        None,
    ) * 3
    health = node.call("GET", "/health")
    assert (health.status_code, health.text) == (200, "null")
    for path in ("/status", "/health"):
        assert node.call("HEAD", path).status_code == 200
    assert node.call("GET", "/metrics").headers["Content-Type"].startswith("text/plain")
    assert node.call("GET", "/nowhere").status_code == 404
    assert node.get("/network_info")["num_active_peers"] == 4
    assert node.get("/debug/client_config")["chain_id"] == status["chain_id"]


def test_the_projects_own_client_understands_it(whole_net: Net) -> None:
    host, _, port = whole_net[0].rpc_addr.rpartition(":")
    client = NeardRpc(host, int(port), deadline_s=3)
    status = client.status()
    assert (status.account_id, status.syncing) == ("node0", False)
    assert client.peers() == 4
    assert client.block_author(status.height) in ("node0", "node1", "node2", "node3")
    assert client.block_author(status.height + 1000) is None
    counts = [client.production(f"node{number}") for number in range(4)]
    assert all(one and one.produced_blocks <= one.expected_blocks for one in counts)
    assert sum(one.produced_blocks for one in counts if one) > 0
    assert client.production("nobody") is None
    assert client.tracked_shards() == "AllShards"
    client.close()


@pytest.mark.parametrize("finality", ["final", "near-final", "optimistic"])
def test_blocks_are_found_by_finality_height_and_hash(finality: str, whole_net: Net) -> None:
    node = whole_net[0]
    block = node.rpc("block", {"finality": finality})
    height, digest = block["header"]["height"], block["header"]["hash"]
    for params in ({"block_id": height}, {"block_id": digest}, [height], [digest]):
        assert node.rpc("block", params) == block
    header = block["header"]
    assert int(header["timestamp_nanosec"]) == header["timestamp"]
    assert node.rpc("block", [header["prev_hash"]])["header"]["height"] == header["prev_height"]
    assert header["last_ds_final_block"] == header["prev_hash"]
    assert header["chunks_included"] == len(block["chunks"]) == 1


def test_final_lags_the_head_by_two(whole_net: Net) -> None:
    node = whole_net[0]
    before = node.height
    final = node.rpc("block", {"finality": "final"})["header"]["height"]
    assert before - 2 <= final <= node.height - 2


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", (400, "REQUEST_VALIDATION_ERROR", "PARSE_ERROR", -32700)),
        (b"[]", (400, "REQUEST_VALIDATION_ERROR", "PARSE_ERROR", -32700)),
        (b'{"jsonrpc":"2.0","method":"status"}', (400, "REQUEST_VALIDATION_ERROR", "PARSE_ERROR", -32700)),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"status","more":1}',
            (400, "REQUEST_VALIDATION_ERROR", "PARSE_ERROR", -32700),
        ),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"EXPERIMENTAL_client_config"}',
            (400, "REQUEST_VALIDATION_ERROR", "METHOD_NOT_FOUND", -32601),
        ),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"block","params":{"finality":"soon"}}',
            (400, "REQUEST_VALIDATION_ERROR", "PARSE_ERROR", -32700),
        ),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"block","params":[99999999]}',
            (200, "HANDLER_ERROR", "UNKNOWN_BLOCK", -32000),
        ),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"validators","params":{"epoch_id":"nope"}}',
            (200, "HANDLER_ERROR", "UNKNOWN_EPOCH", -32000),
        ),
    ],
)
def test_errors_have_neards_form(body: bytes, expected: tuple[int, str, str, int], whole_net: Net) -> None:
    assert error(whole_net[0].call("POST", "/", data=body)) == expected


def test_an_answer_carries_the_id_of_its_request(whole_net: Net) -> None:
    for number in ("x", 7):
        answer = (
            whole_net[0].call("POST", "/", json={"jsonrpc": "2.0", "id": number, "method": "nope"}).json()
        )
        assert answer["id"] == number


def test_lists_of_validators_agree(whole_net: Net) -> None:
    node = whole_net[0]
    shown = node.rpc("validators", "latest")
    names = [one["account_id"] for one in shown["current_validators"]]
    assert names == [
        one["account_id"] for one in node.rpc("EXPERIMENTAL_validators_ordered", {"block_id": None})
    ]
    assert all(one["stake"] == "50000000000000000000000000000000" for one in shown["current_validators"])
    assert node.rpc("genesis_config")["epoch_length"] == 1000
    assert "records" not in node.rpc("genesis_config")
    assert node.rpc("gas_price", [None]) == {"gas_price": "100000000"}


def test_client_config_shows_what_the_process_runs_with(whole_net: Net) -> None:
    config = whole_net[0].rpc("client_config")
    assert config["min_block_production_delay"] == [0, 200000000]
    assert (config["expected_shutdown"], config["epoch_length"]) == ("null", 1000)


def test_what_may_still_be_missed_is_told_as_neard_tells_it(make_net: MakeNet) -> None:
    """By the agent's own eye, on a validator that produces nothing: rules, counts by shard, minutes."""
    net = make_net(2)
    net.change_genesis(
        epoch_length=1000,
        protocol_version=87,
        block_producer_kickout_threshold=97,
        chunk_producer_kickout_threshold=0,
        max_kickout_stake_perc=100,
    )
    net[1].settings(freeze_producing=True)
    net.start()
    host, _, port = net[0].rpc_addr.rpartition(":")
    watch = BudgetWatch(lambda: NeardRpc(host, int(port)), "node1", lambda _: None)

    def row(rule: str, duty: str) -> Allowance | None:
        watch.look()
        budget = watch.last()
        return (
            next((one for one in budget.rows if (one.rule, one.duty) == (rule, duty)), None)
            if budget
            else None
        )

    def low() -> bool:
        found = row("seat", "blocks")
        return found is not None and found.low and (found.lost or found.minutes is not None)

    net[0].wait(lambda _: low(), 60)
    early = row("early_kickout", "chunks")
    assert early is not None
    assert (early.in_force, early.shard, early.low, early.lost) == (True, 0, False, False)
    assert early.missed > 0
    assert 0 < early.missable < early.full == 99
    budget = watch.last()
    assert budget is not None
    assert (budget.protocol, budget.source) == (87, "protocol_config")
    assert net[0].status()["protocol_version"] == 87


def test_maintenance_windows_are_when_the_account_has_no_turn(whole_net: Net) -> None:
    node = whole_net[4]
    windows = node.rpc("maintenance_windows", {"account_id": "node1"})
    other: Any = node.rpc("EXPERIMENTAL_maintenance_windows", {"account_id": "nobody.near"})
    # The end of this epoch.
    assert other == [{"start": other[0]["start"], "end": -(-other[0]["start"] // 1000) * 1000}]
    assert all(window["start"] < window["end"] for window in windows)
    assert len(windows) > 1
    start = other[0]["start"] + 1
    node.wait_height(start + 12)
    for block in node.get(f"/localneard/blocks?from={start}&to={start + 11}"):
        free = any(window["start"] <= block["height"] < window["end"] for window in windows)
        assert free is (block["author"] != "node1")


def test_metrics_have_neards_names(whole_net: Net) -> None:
    node, keyless = whole_net[0], whole_net[4]
    node.wait(lambda one: one.metric("near_is_validator") == 1)
    assert keyless.metric("near_is_validator") == 0
    assert (node.metric("near_block_produced_total") or 0) > 0
    assert keyless.metric("near_block_produced_total") == 0
    assert node.metric("near_peer_connections_total") == 4
    assert node.metric("near_sync_status") == 0
    assert node.metric('near_validators_blocks_expected{account_id="node0"}') is not None
    assert node.metric('near_client_tracked_shards{shard_id="0"}') == 1
    assert node.metric("near_config_reloads_total") == 1
    assert node.metric("localneard_double_signed_heights_total") == 0


def test_faults_of_rpc_touch_neither_metrics_nor_the_chain(whole_net: Net) -> None:
    node = whole_net[4]
    try:
        node.settings(rpc="hang")
        started = boottime()
        with pytest.raises(requests.exceptions.ReadTimeout):
            node.call("GET", "/status", timeout=0.5)
        assert boottime() - started < 2
        assert node.metric("near_config_correct") == 1
        head = node.get("/localneard/state")["head"]
        node.settings(rpc="garbage")
        answer = node.call("GET", "/status")
        assert answer.status_code == 200
        with pytest.raises(requests.exceptions.JSONDecodeError):
            answer.json()
        node.settings(rpc="flood")
        assert len(node.call("GET", "/status").content) > 15_000_000
        node.settings(rpc="error503")
        for path in ("/status", "/health"):
            answer = node.call("GET", path)
            assert (answer.status_code, answer.content) == (503, b"")
    finally:
        node.settings()
    node.wait_height(head + 2)


def test_a_producer_can_be_frozen_and_bad_settings_change_nothing(make_net: MakeNet) -> None:
    node = make_net(1, block_s=0.1, step_s=0.05)[0]
    node.start().wait_height(2)
    node.settings(freeze_producing=True)
    node.wait(lambda one: one.call("GET", "/health").status_code == 503)
    head = node.height
    cause = node.post("health", None).json()["error"]["cause"]
    assert cause["name"] == "NO_NEW_BLOCKS"
    assert cause["info"]["elapsed"]["secs"] >= 1
    (node.home / "localneard.json").write_text('{"freeze_producing": "no"}')
    assert node.height == head
    node.settings()
    node.wait_height(head + 2)
    assert "the settings stay as they were" in node.log
