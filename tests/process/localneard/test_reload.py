"""SIGHUP in a running node: the key, and what keeps it as it is."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.lab.waiting import wait_until
from localneard.keys import Key

from .nodes import MakeNet, Node, build_net, read

FILES = ("validator_key.json", "config.json", "log_config.json")
RELOADS = "near_config_reloads_total"
RELOAD_METRICS = (RELOADS, "near_config_reload_timestamp_seconds")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    net = build_net(tmp_path_factory.mktemp("reload"), 1).start()
    net[0].wait_height(1)
    yield net[0]
    net.stop()


@pytest.fixture
def running(shared: Node) -> Iterator[Node]:
    """A running validator, which gets back the files that it was given, and its key."""
    contents = {name: (shared.home / name).read_bytes() for name in FILES}
    yield shared
    shared.settings()
    for name, content in contents.items():
        (shared.home / name).unlink(missing_ok=True)
        (shared.home / name).write_bytes(content)
    hup(shared)
    assert shared.public_key() == shared.key


def hup(node: Node) -> None:
    """Send SIGHUP; returns once the reload has been counted."""
    before = node.metric(RELOADS) or 0
    node.running.signal(signal.SIGHUP)
    node.wait(lambda one: one.metric(RELOADS) == before + 1 and one.metric("near_config_correct") == 1)


def refused_hup(node: Node) -> None:
    node.running.signal(signal.SIGHUP)
    node.wait(lambda one: one.metric("near_config_correct") == 0)


def missing(path: Path) -> None:
    path.unlink()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize("spoil", [missing, dangling])
def test_a_key_file_that_is_not_there_drops_the_key(spoil: Callable[[Path], None], running: Node) -> None:
    path, key, events = running.home / "validator_key.json", running.key, len(running.events())
    content = path.read_bytes()
    spoil(path)
    assert running.public_key() == key
    hup(running)
    status = running.status()
    assert (status["validator_public_key"], status["validator_account_id"], status["node_key"]) == (None,) * 3
    assert "INFO neard: no validator key" in running.log
    assert "INFO config: updated config field" in running.log
    head = running.height
    running.wait(lambda one: one.metric("near_is_validator") == 0)
    assert "Validator | " not in running.log.splitlines()[-1]
    assert running.height == head
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    hup(running)
    assert running.public_key() == key
    assert "INFO neard: hot loading validator key" in running.log
    running.wait_height(head + 1)
    assert running.events()[events:] == [("drop", "reload"), ("load", "reload")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("validator_key.json", '{"account_id": "node0"'),
        ("validator_key.json", ""),
        ("config.json", "not json"),
        ("config.json", '{"consensus": {}}'),
        ("log_config.json", "["),
        ("log_config.json", '{"rust_log": "so=loud"}'),
    ],
)
def test_a_bad_file_refuses_the_whole_reload(name: str, content: str, running: Node) -> None:
    before = (running.public_key(), running.events(), *map(running.metric, RELOAD_METRICS))
    warned = running.log.count("WARN stats:")
    if name != "validator_key.json":
        (running.home / "validator_key.json").unlink()
    (running.home / name).write_text(content)
    refused_hup(running)
    assert (running.public_key(), running.events(), *map(running.metric, RELOAD_METRICS)) == before
    assert str(running.home / name) in running.log
    wait_until(lambda: running.log.count("WARN stats:") > warned, timeout_s=3, what="the repeated warning")
    running.wait_height(running.height + 1)


def test_the_path_of_the_key_can_change_and_the_fields_metric_follows(running: Node, tmp_path: Path) -> None:
    other = Key.from_name("other.near", "other")
    other.write(tmp_path / "elsewhere.json")
    running.change(validator_key_file=str(tmp_path / "elsewhere.json"))
    hup(running)
    assert running.public_key() == other.public_key
    metrics = running.call("GET", "/metrics").text
    start = 'near_config_mutable_field{field_name="validator_signer"'
    signers = [line for line in metrics.splitlines() if line.startswith(start)]
    keys = (running.key, other.public_key)
    values = {key: line.split()[-1] for line in signers for key in keys if key in line}
    assert values == {running.key: "0.0", other.public_key: "1.0"}
    seen = running.log + metrics + (running.home / "data" / "key_events.jsonl").read_text()
    for path in (tmp_path / "elsewhere.json", running.home / "node_key.json"):
        assert read(path)["secret_key"] not in seen


def test_nothing_new_counts_as_a_reload_too(running: Node) -> None:
    events = running.events()
    hup(running)
    assert "mutable config field remains the same" in running.log
    assert "updated validator key" in running.log
    assert running.events() == events


def test_a_drop_can_take_its_time(running: Node) -> None:
    running.settings(drop_delay_s=0.5)
    (running.home / "validator_key.json").unlink()
    started = boottime()
    hup(running)
    assert running.public_key() == running.key
    running.wait(lambda one: one.public_key() is None)
    assert boottime() - started >= 0.5


def test_reloads_can_be_lost_and_refused(running: Node) -> None:
    (running.home / "validator_key.json").unlink()
    running.settings(refuse_reload=True)
    refused_hup(running)
    running.settings(lose_sighup=2)
    for _ in range(2):
        running.running.signal(signal.SIGHUP)
        assert running.public_key() == running.key
    hup(running)
    assert running.public_key() is None


def public_network(node: Node) -> None:
    genesis = read(node.home / "genesis.json")
    (node.home / "genesis.json").write_text(json.dumps({**genesis, "chain_id": "testnet"}))


def test_a_validator_of_testnet_that_tracks_all_shards_aborts(node: Node) -> None:
    public_network(node)
    node.start()
    assert node.running.wait(10) == -signal.SIGABRT
    assert "tracks all shards" in node.log


def test_loading_the_key_on_testnet_aborts_only_where_all_shards_are_tracked(make_net: MakeNet) -> None:
    for setting, code in (({"ShadowValidator": "node0"}, None), ("AllShards", -signal.SIGABRT)):
        node = make_net(1)[0]
        public_network(node)
        node.change(tracked_shards_config=setting)
        key = (node.home / "validator_key.json").read_bytes()
        (node.home / "validator_key.json").unlink()
        node.start().wait_ready()
        assert node.metric('near_client_tracked_shards{shard_id="0"}') == 1
        (node.home / "validator_key.json").write_bytes(key)
        node.running.signal(signal.SIGHUP)
        if code is None:
            node.wait(lambda one: one.public_key() is not None)
        else:
            assert node.running.wait(5) == code
