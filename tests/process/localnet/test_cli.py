"""`hafailover localnet` as its user sees it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hafailover.cli.localnet import app
from hafailover.lab.waiting import wait_until
from hafailover.localnet import Localnet
from hafailover.localnet.background import stop_in_background
from hafailover.localnet.pidfiles import running_nodes


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def home(fake_neard: Path, tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "net"
    result = call("init", "--home", home, "--neard", fake_neard, "--block-time", "0.1")
    assert result.exit_code == 0, result.output
    yield home
    stop_in_background(Localnet.load(home), 0)


def test_init_says_what_it_made_and_keeps_the_secret(fake_neard: Path, tmp_path: Path) -> None:
    home = tmp_path / "net"
    result = call("init", "--home", home, "--neard", fake_neard)
    localnet = Localnet.load(home)
    assert result.exit_code == 0
    assert f"pool node3, key {localnet.pool.public_key}" in result.output
    assert f"hafailover localnet up --home {home}" in result.output
    assert all(node.rpc_addr in result.output for node in localnet.nodes)
    assert json.loads(localnet.pool.credential.read_text())["secret_key"] not in result.output
    again = call("init", "--home", home, "--neard", fake_neard)
    assert again.exit_code == 1
    assert (
        again.stderr
        == f"error: {home} already holds a localnet; --force replaces it, keys and chain included\n"
    )


def test_up_status_down(home: Path) -> None:
    before = call("status", "--home", home)
    assert before.exit_code == 1
    assert "The chain stands still." in before.output

    up = call("up", "--home", home, "--timeout", 30)
    assert up.exit_code == 0, up.output
    assert "Started node0, node1, node2; blocks are being produced" in up.output
    assert "Runs already" in call("up", "--home", home).output

    status = call("status", "--home", home)
    assert status.exit_code == 0, status.output
    assert "The chain moves." in status.output

    shown = json.loads(call("status", "--home", home, "--json").output)
    assert (shown["ok"], shown["moving"], shown["chain_id"]) == (True, True, "test-chain-FAKE1")
    assert shown["pool"]["account_id"] == "node3"
    nodes = {node["name"]: node for node in shown["nodes"]}
    assert list(nodes) == ["node0", "node1", "node2", "host1", "host2", "host3"]
    running = running_nodes(home)
    for name, node in nodes.items():
        is_validator = name.startswith("node")
        assert node["role"] == ("validator" if is_validator else "host")
        assert node["answers"] is is_validator
        assert node["pid"] == (running[name].pid if is_validator else None)
        assert (node["peers"], node["syncing"]) == ((2, False) if is_validator else (None, None))

    running["node1"].signal(signal.SIGKILL)
    assert running["node1"].wait_gone(5)
    degraded = call("status", "--home", home, "--json")
    assert degraded.exit_code == 1
    assert json.loads(degraded.output)["moving"] is True

    assert call("down", "--home", home).output == "Stopped node0, node2\n"
    assert call("down", "--home", home).output == "Nothing ran\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_runs_until_interrupted(number: signal.Signals, home: Path) -> None:
    command = [sys.executable, "-c", "from hafailover.cli.localnet import app; app()"]
    with subprocess.Popen(
        [*command, "up", "--home", str(home), "--foreground"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "node0, node1, node2 produce blocks" in process.stdout.readline()
        assert len(running_nodes(home)) == 3
        process.send_signal(number)
        assert process.stdout.read() == "Stopped\n"
        assert process.wait(10) == 0
    assert running_nodes(home) == {}


def test_in_the_foreground_it_stops_when_a_node_ends(home: Path) -> None:
    command = [sys.executable, "-c", "from hafailover.cli.localnet import app; app()"]
    with subprocess.Popen(
        [*command, "up", "--home", str(home), "--foreground"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "produce blocks" in process.stdout.readline()
        running_nodes(home)["node1"].signal(signal.SIGKILL)
        assert "error: node node1 has ended, so the others are stopped" in process.stdout.read()
        assert process.wait(10) == 1
    wait_until(lambda: not running_nodes(home), timeout_s=5, what="end of the nodes")


@pytest.mark.parametrize("command", ["up", "down", "status"])
def test_without_a_localnet_each_command_says_how_to_make_one(command: str, tmp_path: Path) -> None:
    result = call(command, "--home", tmp_path)
    assert result.exit_code == 1
    expected = f"error: no localnet in {tmp_path}; make one: hafailover localnet init --home {tmp_path}\n"
    assert result.stderr == expected
