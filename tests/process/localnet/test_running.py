"""Starting and stopping a localnet's nodes, as children and in the background."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.lab import ProcessId
from hafailover.lab.waiting import wait_until
from hafailover.localnet import Localnet, LocalnetError, LocalnetProcesses, init_localnet, view_node
from hafailover.localnet.background import start_in_background, stop_in_background
from hafailover.localnet.chain import NodeView, is_moving
from hafailover.localnet.pidfiles import running_nodes, write_pid_file
from hafailover.localnet.running import exclusive

NAMES = ["node0", "node1", "node2"]


@pytest.fixture
def localnet(fake_neard: Path, tmp_path: Path) -> Iterator[Localnet]:
    net = init_localnet(tmp_path / "net", neard=fake_neard, block_time_s=0.1)
    yield net
    stop_in_background(net, 0)


def test_children_run_until_they_are_stopped(localnet: Localnet) -> None:
    with LocalnetProcesses(localnet) as processes:
        processes.start(30)
        ids = [processes.process(name).id for name in NAMES]
        assert list(running_nodes(localnet.home).values()) == ids
        assert is_moving(localnet)
        processes.wait_blocks(3, timeout_s=10)
        view = view_node(localnet.node("node0"))
        assert view == NodeView(view.height, syncing=False, peers=2, validator_key=None, version="fake")
        assert processes.ended() == []
        processes.start(30)
        assert [processes.process(name).id for name in NAMES] == ids
        with pytest.raises(LocalnetError, match="host1 was not started here"):
            processes.process("host1")
    assert not any(one.is_alive() for one in ids)
    assert running_nodes(localnet.home) == {}
    assert not is_moving(localnet)
    assert (localnet.log_folder / "node0.log").exists()


def test_a_child_can_be_killed_and_started_again(localnet: Localnet) -> None:
    with LocalnetProcesses(localnet) as processes:
        processes.start(30)
        processes.kill("node1")
        assert processes.ended() == ["node1"]
        assert view_node(localnet.node("node1")) == NodeView()
        with pytest.raises(LocalnetError, match=r"node node1 ended with code -9"):
            processes.wait_blocks(timeout_s=10)
        processes.restart("node1")
        processes.wait_blocks(timeout_s=10)
        assert sorted(running_nodes(localnet.home)) == NAMES


def test_hosts_can_be_run_by_name(localnet: Localnet) -> None:
    with LocalnetProcesses(localnet, names=["host2"]) as processes:
        processes.start(30)
        assert list(running_nodes(localnet.home)) == ["host2"]


@pytest.mark.parametrize(
    ("misbehaviour", "message"),
    [
        ("run-fails", r"node node\d ended with code 1; log:\nfake neard: no luck today"),
        ("still", r"no 1 new blocks on every node in \S+ s; heights: node0 0, node1 0, node2 0\n--- node0"),
    ],
)
def test_a_start_that_fails_stops_all_and_shows_the_log(
    misbehaviour: str, message: str, localnet: Localnet
) -> None:
    processes = LocalnetProcesses(localnet, extra_env={"FAKE_NEARD": misbehaviour})
    with pytest.raises(LocalnetError, match=message):
        processes.start(3)
    assert running_nodes(localnet.home) == {}


def test_deaf_and_frozen_nodes_are_stopped_within_the_bound(localnet: Localnet) -> None:
    with LocalnetProcesses(localnet, extra_env={"FAKE_NEARD": "deaf"}) as processes:
        processes.start(30)
        ids = [processes.process(name).id for name in NAMES]
        processes.process("node2").freeze()
        timer = threading.Timer(8, lambda: [one.signal(signal.SIGKILL) for one in ids])
        timer.start()
        processes.stop(timeout_s=1)
        timer.cancel()
        assert not any(one.is_alive() for one in ids)


def test_the_background_outlives_its_starter_and_is_started_once(localnet: Localnet) -> None:
    assert start_in_background(localnet, 30) == NAMES
    running = running_nodes(localnet.home)
    assert list(running) == NAMES
    assert start_in_background(localnet, 30) == []
    assert running_nodes(localnet.home) == running
    running["node1"].signal(signal.SIGKILL)
    assert running["node1"].wait_gone(5)
    assert start_in_background(localnet, 30) == ["node1"]
    with pytest.raises(LocalnetError, match=r"node node0 of .* runs already, as process \d+; stop it first"):
        LocalnetProcesses(localnet).start(5)
    with pytest.raises(LocalnetError, match=r"runs \(node0, node1, node2\); stop it first"):
        init_localnet(localnet.home, neard=localnet.neard, force=True)
    assert stop_in_background(localnet, 5) == NAMES
    assert stop_in_background(localnet, 5) == []
    assert running_nodes(localnet.home) == {}


def test_a_background_start_that_fails_shows_the_log(
    localnet: Localnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NEARD", "run-fails")
    with pytest.raises(LocalnetError, match=r"node node\d has ended; log:\nfake neard: no luck today"):
        start_in_background(localnet, 10)


def test_stopping_never_touches_a_stranger(localnet: Localnet) -> None:
    with subprocess.Popen(["sleep", "300"]) as stranger:
        try:
            real = ProcessId.of(stranger.pid)
            write_pid_file(localnet.home, "node0", ProcessId(real.pid, real.start_ticks - 1))
            assert stop_in_background(localnet, 1) == []
            assert real.is_alive()
        finally:
            stranger.kill()


def test_two_commands_do_not_start_and_stop_at_once(localnet: Localnet) -> None:
    with (
        exclusive(localnet.home),
        pytest.raises(LocalnetError, match="another command is starting or stopping"),
    ):
        stop_in_background(localnet, 1)


def test_children_die_with_the_process_that_holds_them(localnet: Localnet) -> None:
    program = (
        "import sys, time; from pathlib import Path; from hafailover.localnet import *; "
        "p = LocalnetProcesses(Localnet.load(Path(sys.argv[1]))); p.start(30); print('up', flush=True); "
        "time.sleep(300)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(localnet.home)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        assert list(running_nodes(localnet.home)) == NAMES
        holder.kill()
    wait_until(lambda: not running_nodes(localnet.home), timeout_s=5, what="end of the nodes")
