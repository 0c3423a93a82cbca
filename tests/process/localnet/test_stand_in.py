"""A localnet of the stand-in: it makes blocks without the pool, and with it once a host holds the key."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from hafailover.lab.ports import free_ports
from hafailover.lab.waiting import wait_until
from hafailover.localnet import Localnet, LocalnetProcesses, init_localnet, view_node
from hafailover.localnet.chain import is_moving
from hafailover.near.keyfile import read_key


@pytest.fixture
def localnet(tmp_path: Path) -> Iterator[Localnet]:
    net = init_localnet(tmp_path / "net", hosts=2, block_time_s=0.5)
    with LocalnetProcesses(net) as processes:
        processes.start(60)
        yield net


@pytest.mark.slow
def test_blocks_are_made_and_a_host_follows_with_and_without_the_key(localnet: Localnet) -> None:
    assert is_moving(localnet)
    views = [view_node(node) for node in localnet.validators]
    assert all(view.peers == 2 and view.syncing is False for view in views)
    assert len({view.validator_key for view in views}) == 3
    assert localnet.pool.public_key not in {view.validator_key for view in views}

    host = localnet.node("host1")
    with LocalnetProcesses(localnet, names=["host1"]) as running:
        running.start(60)

        def in_sync() -> bool:
            view, validator = view_node(host), view_node(localnet.node("node0"))
            heads = view.height, validator.height
            return None not in heads and view.syncing is False and abs((heads[0] or 0) - (heads[1] or 0)) <= 1

        wait_until(in_sync, timeout_s=30, what="the host in sync")
        assert view_node(host).validator_key is None

        key = host.home / "validator_key.json"
        key.symlink_to(localnet.pool.credential)
        running.process("host1").signal(signal.SIGHUP)
        wait_until(
            lambda: view_node(host).validator_key == localnet.pool.public_key,
            timeout_s=10,
            what="the pool's key in force",
        )
        key.unlink()
        running.process("host1").signal(signal.SIGHUP)
        wait_until(lambda: view_node(host).validator_key is None, timeout_s=10, what="the key dropped")
        running.wait_blocks(2, timeout_s=20)


def test_the_address_that_was_asked_for_is_the_one_that_answers(tmp_path: Path) -> None:
    base = free_ports(1)[0]
    net = init_localnet(
        tmp_path / "net", hosts=1, block_time_s=0.5, address="127.0.0.2", base_port=base, chain_id="mine"
    )
    with LocalnetProcesses(net) as processes:
        processes.start(60)
        status = requests.get(f"http://127.0.0.2:{base + 100}/status", timeout=5).json()
        assert status["chain_id"] == "mine"
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{base + 100}/status", timeout=5)


def test_the_vm_tests_know_the_first_validators_node_key(tmp_path: Path) -> None:
    """nix/tests/nodes.nix needs it before there is a localnet."""
    net = init_localnet(tmp_path / "net", hosts=1)
    key = read_key(net.node("node0").home / "node_key.json").public_key
    assert f'"{key}"' in (Path(__file__).parents[3] / "nix" / "tests" / "nodes.nix").read_text()
