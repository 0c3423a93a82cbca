"""What an agent does that starts into trouble: one clear message, or patience."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from hafailover.lab.consul import ConsulCluster
from hafailover.lab.host import FailoverHost
from hafailover.lab.link import Link
from hafailover.lab.pool import LabPool
from hafailover.lab.ports import free_ports
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until

from .waiting import log_since, logged, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(120)]


def run_agent(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hafailover", "run", "--config", config, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def standby(pool: LabPool) -> FailoverHost:
    return standbys(pool, pool.wait_settled())[0]


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[list[ManagedProcess]]:
    started: list[ManagedProcess] = []
    yield started
    for process in started:
        process.kill()


def start(agents: list[ManagedProcess], config: Path, log: Path, *arguments: str) -> ManagedProcess:
    process = ManagedProcess.start(
        "agent", [sys.executable, "-m", "hafailover", "run", "--config", config, *arguments], log_path=log
    )
    agents.append(process)
    return process


def test_the_same_name_on_another_machine_is_refused(standby: FailoverHost, tmp_path: Path) -> None:
    port = free_ports(1)[0]

    done = run_agent(
        standby.config,
        f"--state-dir={tmp_path}",
        f"--guard-socket={tmp_path}/no.sock",
        f"--listen=127.0.0.1:{port}",
    )

    assert done.returncode == 3
    assert f"node_name: another agent named {standby.name} is alive in this pool" in done.stderr


def test_a_second_agent_on_the_same_machine_is_refused(standby: FailoverHost) -> None:
    done = run_agent(standby.config, f"--listen=127.0.0.1:{free_ports(1)[0]}")

    assert done.returncode == 2
    assert "state_dir:" in done.stderr
    assert "another agent" in done.stderr


def test_a_taken_port_is_named(standby: FailoverHost, tmp_path: Path) -> None:
    done = run_agent(standby.config, f"--state-dir={tmp_path}")

    assert done.returncode == 2
    assert f"listen: 127.0.0.1:{standby.metrics_port}: Address already in use" in done.stderr


def test_without_consul_it_waits_says_so_and_neard_syncs(
    standby: FailoverHost, agents: list[ManagedProcess], tmp_path: Path
) -> None:
    """A new host whose Consul does not answer yet: everything else goes on, and it joins when it can."""
    link = Link(standby.consul.http_port)
    port = free_ports(1)[0]
    link.cut()
    try:
        log = tmp_path / "agent.log"
        start(
            agents,
            standby.config,
            log,
            "--node-name=late",
            f"--state-dir={tmp_path}",
            f"--guard-socket={tmp_path}/no.sock",
            f"--listen=127.0.0.1:{port}",
            f"--consul.address=http://127.0.0.1:{link.port}",
            "--priority=-1",
        )
        logged(log, "no answer from Consul in time", 15)
        wait_until(
            lambda: "hafailover_block_height" in metrics(port) and height(port) > 0,
            timeout_s=10,
            what="neard's height in the agent's metrics",
        )
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 503
        link.heal()
        logged(log, "a session with Consul is open", 20)
    finally:
        link.close()


def test_a_denied_token_names_the_missing_rule(
    consul_binary: Path, standby: FailoverHost, agents: list[ManagedProcess], tmp_path: Path
) -> None:
    with ConsulCluster(consul_binary, tmp_path / "consul", servers=1, acl=True) as cluster:
        cluster.start(60)
        name = cluster.server(0).name
        rules = f'session "{name}" {{ policy = "write" }}'
        token = cluster.create_token(rules)
        token_file = tmp_path / "token"
        token_file.write_text(token)
        log = tmp_path / "agent.log"
        common = (
            f"--state-dir={tmp_path}",
            f"--guard-socket={tmp_path}/no.sock",
            f"--consul.address=http://127.0.0.1:{cluster.server(0).http_port}",
            f"--consul.token-file={token_file}",
        )
        start(agents, standby.config, log, f"--listen=127.0.0.1:{free_ports(1)[0]}", *common)

        logged(log, 'its token needs the rule: key_prefix "hafailover/node3/" { policy = "write" }', 15)
        assert token not in log_since(log, 0)


def test_a_neard_whose_port_is_taken_is_started_again(standby: FailoverHost) -> None:
    host, port = standby.node.rpc_addr.rpartition(":")[::2]
    before = standby.guard_log.stat().st_size
    # neard goes, and something else is quicker to take its port.
    standby.neard().signal(9)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_PORT.format(host=host, port=port)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        told = f"listens on {host}:{port} and was not started by this guard"
        logged(standby.guard_log, told, 20, before)
        assert f"pid {holder.pid} (" in log_since(standby.guard_log, before)
        holder.kill()
    wait_until(
        lambda: "neard's RPC answers" in log_since(standby.guard_log, before),
        timeout_s=30,
        what="neard again",
    )


HOLD_PORT = """
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
for _ in range(200):
    try:
        s.bind(("{host}", {port}))
        break
    except OSError:
        time.sleep(0.01)
s.listen()
print("held", flush=True)
time.sleep(60)
"""


def metrics(port: int) -> str:
    try:
        return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    except requests.RequestException:
        return ""


def height(port: int) -> float:
    lines = [line for line in metrics(port).splitlines() if line.startswith("hafailover_block_height ")]
    return float(lines[0].split()[1]) if lines else 0.0
