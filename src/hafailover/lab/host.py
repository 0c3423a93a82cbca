"""A failover host: agent and guard as real processes, on loopback or in a place of its own."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from hafailover.clock import boottime
from hafailover.lab.consul_server import ConsulServer
from hafailover.lab.errors import LabError
from hafailover.lab.link import Link
from hafailover.lab.netns import NetworkHost
from hafailover.lab.process import ManagedProcess
from hafailover.lab.procfs import ProcessId, children_of, freeze_tree, kill_tree, signal_all
from hafailover.localnet.model import Localnet, LocalnetNode
from hafailover.lock.client import Address

METRICS_PORT = 9550
STOP_S = 10.0
GUARD_LIVES_AT_MOST_S = 86400.0


class FailoverHost:
    """One host of the pool: its neard home, its Consul server, and in that one's place agent and guard.

    :param folder: for configuration, sockets and logs; short, since a socket's path may be.
    :param link: whether a relay stands between the agent and its Consul server, to be cut.
    :param state: the agent's ``state_dir``, by default the same folder.
    :param network: the host's own network, whose cable can be pulled; ``None`` on loopback.
    :param token_file: with what agent and commands show to Consul; it must be there when they start.
    """

    def __init__(
        self,
        folder: Path,
        localnet: Localnet,
        node: LocalnetNode,
        consul: ConsulServer,
        *,
        profile: str = "default",
        priority: int = 0,
        promotion: str = "hot",
        link: bool = True,
        extra_toml: str = "",
        state: Path | None = None,
        token_file: Path | None = None,
        network: NetworkHost | None = None,
    ) -> None:
        self.name = node.name
        self.node = node
        self.consul = consul
        self.folder = folder
        self.network = network
        enter = network.enter if network is not None else None
        self.link = Link(consul.http_port, enter=enter) if link else None
        self.agent: ManagedProcess | None = None
        self.guard: ManagedProcess | None = None
        self.token_file = token_file
        self.killed_at: list[float] = []
        """When guards had ended, and their neards with them, in seconds on CLOCK_BOOTTIME."""
        self.metrics_port = consul.place.ports(METRICS_PORT)[0]
        self.state = state or folder
        for path in (folder, self.state):
            path.mkdir(parents=True, exist_ok=True)
        self.config = folder / "config.toml"
        self.config.write_text(self._toml(localnet, profile, priority, promotion) + extra_toml)

    @property
    def consul_url(self) -> str:
        port = self.link.port if self.link is not None else self.consul.http_port
        return f"http://127.0.0.1:{port}"

    @property
    def agent_log(self) -> Path:
        return self.folder / "agent.log"

    @property
    def guard_log(self) -> Path:
        """The guard's log, and its neard's."""
        return self.folder / "guard.log"

    def start(self) -> None:
        """Starts what is not running: Consul server, guard and agent. Plugs in the cable before."""
        if self.network is not None:
            self.network.link(True)
        if not self.consul.is_alive():
            self.consul.start()
        self.start_guard()
        self.start_agent()

    def start_agent(self) -> None:
        if self.agent is None or not self.agent.is_alive():
            self.agent = self.launch("run", self.agent_log)

    def start_guard(self) -> None:
        if self.guard is None or not self.guard.is_alive():
            self.guard = self.launch("guard", self.guard_log)
            # A guard that is killed cannot log that its neard went with it.
            threading.Thread(target=self._note_end, args=(self.guard,), daemon=True).start()

    def stop(self) -> None:
        """Ends agent and guard in order, so that neard gets its SIGTERM."""
        for process in (self.agent, self.guard):
            if process is not None:
                process.terminate(STOP_S)
        if self.link is not None:
            self.link.close()

    def neard(self) -> ProcessId:
        """The neard that the guard runs.

        :raises LabError: there is none.
        """
        children = children_of(self.running_guard().pid)
        if not children:
            raise LabError(f"{self.name}: the guard runs no neard")
        return children[0]

    def running_agent(self) -> ManagedProcess:
        """:raises LabError: it does not run."""
        return _running(self.agent, f"{self.name}: the agent")

    def running_guard(self) -> ManagedProcess:
        """:raises LabError: it does not run."""
        return _running(self.guard, f"{self.name}: the guard")

    @property
    def consul_address(self) -> Address:
        """Its Consul server, as it is reached from outside of the host."""
        return Address(host=self.consul.place.address, port=self.consul.http_port)

    def vanish(self) -> None:
        """The power fails: the cable first, so that no dying socket says good-bye, then all at once.

        On loopback there is no cable: there the kernel, which lives on, closes all connections.
        """
        if self.network is not None:
            self.network.link(False)
        self.kill_host()

    def kill_host(self) -> None:
        """Everything on the host is gone at once: agent, guard, neard and Consul server."""
        assert self.guard is not None and self.agent is not None
        processes = [self.guard.id, self.agent.id]
        if self.consul.process is not None:
            processes.append(self.consul.process.id)
        frozen = [one for process in processes for one in freeze_tree(process)]
        signal_all(frozen, 9)
        for process in processes:
            kill_tree(process)
        self.guard.kill()
        self.agent.kill()
        self.consul.kill()

    def _note_end(self, guard: ManagedProcess) -> None:
        guard.wait(GUARD_LIVES_AT_MOST_S)
        self.killed_at.append(boottime())

    def launch(self, command: str, log: Path, extra_env: Mapping[str, str] | None = None) -> ManagedProcess:
        """Starts ``hafailover run`` or ``hafailover guard`` of this host."""
        return ManagedProcess.start(
            f"{self.name}-{command}",
            self.consul.place.command(
                [sys.executable, "-P", "-m", "hafailover", command, "--config", self.config]
            ),
            log_path=log,
            extra_env=extra_env,
        )

    def _toml(self, localnet: Localnet, profile: str, priority: int, promotion: str) -> str:
        def text(value: object) -> str:
            # A JSON string is a TOML string.
            return json.dumps(str(value))

        return "\n".join(
            [
                f"account_id = {text(localnet.pool.account_id)}",
                f"node_name = {text(self.name)}",
                f"priority = {priority}",
                f"promotion = {text(promotion)}",
                f"validator_key_file = {text(localnet.pool.credential)}",
                f"guard_socket = {text(self.folder / 'guard.sock')}",
                f"state_dir = {text(self.state)}",
                f"listen = {text(f'127.0.0.1:{self.metrics_port}')}",
                "[consul]",
                f"address = {text(self.consul_url)}",
                *([f"token_file = {text(self.token_file)}"] if self.token_file is not None else []),
                "[neard]",
                f"home = {text(self.node.home)}",
                f"binary = {text(localnet.neard)}",
                "stop_s = 10.0",
                "[timing]",
                f"profile = {text(profile)}",
                "",
            ]
        )


def _running(process: ManagedProcess | None, what: str) -> ManagedProcess:
    if process is None or not process.is_alive():
        raise LabError(f"{what} does not run")
    return process
