"""Clusters of real Consul servers, on loopback or on hosts of their own."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hafailover.clock import boottime
from hafailover.lab.consul_server import ConsulServer, consul_version
from hafailover.lab.errors import LabError
from hafailover.lab.place import Place
from hafailover.lab.waiting import wait_until


class ConsulCluster:
    """Consul servers, one process each, set up as the servers on validator hosts are to be.

    Nothing is started by the constructor. Servers are counted from 0.
    """

    def __init__(
        self,
        binary: Path,
        folder: Path,
        *,
        servers: int = 3,
        names: Sequence[str] | None = None,
        raft_multiplier: int = 1,
        acl: bool = False,
        extra_config: Mapping[str, Any] | None = None,
        places: Sequence[Place] | None = None,
    ) -> None:
        """Choose ports and names; data, configuration and logs go to one folder per server below `folder`.

        `names` are the Consul node names (default consul1, consul2 ...). `acl` denies everything without a
        token. `extra_config` is merged into each server's configuration. `places` are those of the servers,
        by default all on loopback. Raises LabError if `binary` is not a Consul that runs.
        """
        names = names or [f"consul{number + 1}" for number in range(servers)]
        if len(set(names)) != servers:
            raise LabError(f"{servers} different Consul node names are needed, not {list(names)}")
        self.folder = folder
        self.acl = acl
        self.management_token: str | None = None
        self.servers = [
            ConsulServer(binary, folder / name, name, version=consul_version(binary), place=place)
            for name, place in zip(names, places or [Place()] * servers, strict=True)
        ]
        for server in self.servers:
            server.write_config(
                peers=self.servers, raft_multiplier=raft_multiplier, acl=acl, extra=extra_config or {}
            )

    def __enter__(self) -> Self:
        """Return itself; the end of the block stops it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the cluster."""
        self.stop()

    def server(self, index: int) -> ConsulServer:
        """Return a server by number, from 0."""
        return self.servers[index]

    def start(self, deadline_s: float = 30.0) -> None:
        """Start all servers and wait until the cluster is whole (see `wait_whole`).

        With ACLs, a management token is made first and becomes the servers' own. Raises LabTimeoutError after
        `deadline_s`, and LabError if a server ends; either way what was started is stopped.
        """
        end = boottime() + deadline_s
        try:
            for server in self.servers:
                server.start()
            if self.acl and self.management_token is None:
                self._bootstrap_acl(end)
            self.wait_whole(max(0.0, end - boottime()))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill all servers; what they stored stays."""
        for server in self.servers:
            server.kill()

    def kill(self, index: int) -> None:
        """SIGKILL a server."""
        self.servers[index].kill()

    def restart(self, index: int) -> None:
        """Start a server again with what it has stored, after killing it if it runs. Does not wait for it."""
        self.servers[index].kill()
        self.servers[index].start()

    def freeze(self, index: int) -> None:
        """SIGSTOP a server."""
        self.servers[index].freeze()

    def thaw(self, index: int) -> None:
        """SIGCONT a server."""
        self.servers[index].thaw()

    def leader(self) -> int | None:
        """Return the number of the server that a majority takes for the leader, or None if there is none.

        Servers that run are asked at once, so this takes no longer than one call. A leader that was killed or
        frozen here does not count, though the others may still name it.
        """
        votes = Counter(server.known_leader() for server in self.servers if server.is_responsive())
        for index, server in enumerate(self.servers):
            if server.is_responsive() and votes[server.rpc_address] > len(self.servers) // 2:
                return index
        return None

    def wait_leader(self, timeout_s: float = 15.0) -> int:
        """Wait for a leader; returns its number. Raises LabTimeoutError."""
        found: list[int] = []

        def has_leader() -> bool:
            leader = self.leader()
            found.extend([] if leader is None else [leader])
            return bool(found)

        self._wait(has_leader, timeout_s, "a Consul leader")
        return found[0]

    def wait_whole(self, timeout_s: float = 30.0) -> None:
        """Wait until all servers are up, voters, agreed on a leader, and healthy in the catalogue.

        From then on a session can be made on every server. Raises LabTimeoutError with the servers' logs, or
        LabError if a server has ended.
        """
        self._wait(self._is_whole, timeout_s, "a whole Consul cluster")

    def create_token(self, rules: str, description: str = "lab") -> str:
        """Make an ACL token with a policy of its own; returns its secret.

        `rules` is Consul's rule language, for example `key_prefix "near/" { policy = "write" }`. Raises
        LabError without ACLs or when Consul refuses the rules.
        """
        if self.management_token is None:
            raise LabError("tokens need a cluster with acl=True that has been started")
        server = self._any_server()
        token = self.management_token
        count = len(server.request("GET", "/v1/acl/policies", token=token))
        body = {"Name": f"{description}-{count}", "Rules": rules}
        policy = server.request("PUT", "/v1/acl/policy", json=body, token=token)
        body_token = {"Description": description, "Policies": [{"ID": policy["ID"]}]}
        made = server.request("PUT", "/v1/acl/token", json=body_token, token=token)
        return str(made["SecretID"])

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of every server's log."""
        return "\n".join(f"--- {server.name}\n{server.log_tail(lines)}" for server in self.servers)

    def _any_server(self) -> ConsulServer:
        for server in self.servers:
            if server.is_responsive():
                return server
        raise LabError("no Consul server of the cluster runs")

    def _is_whole(self) -> bool:
        for server in self.servers:
            server.raise_if_ended()
        if any(server.known_leader() in (None, "") for server in self.servers):
            return False
        with contextlib.suppress(LabError):
            server = self._any_server()
            token = self.management_token
            raft = server.request("GET", "/v1/operator/raft/configuration", token=token)
            voters = {one["Address"] for one in raft["Servers"] if one["Voter"]}
            checks = server.request("GET", "/v1/health/state/passing", token=token)
            healthy = {check["Node"] for check in checks if check["CheckID"] == "serfHealth"}
            addresses = {server.rpc_address for server in self.servers}
            return voters == addresses and healthy >= {server.name for server in self.servers}
        return False

    def _bootstrap_acl(self, end: float) -> None:
        def bootstrap() -> bool:
            try:
                made = self._any_server().request("PUT", "/v1/acl/bootstrap")
            except LabError:
                return False  # no leader yet, or the ACL system is still starting
            self.management_token = str(made["SecretID"])
            return True

        def install() -> bool:
            with contextlib.suppress(LabError):
                for server in self.servers:
                    server.request(
                        "PUT",
                        "/v1/agent/token/agent",
                        json={"Token": self.management_token},
                        token=self.management_token,
                    )
                return True
            return False

        self._wait(bootstrap, end - boottime(), "Consul's ACL system")
        self._wait(install, end - boottime(), "the servers' own ACL tokens")

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        wait_until(condition, timeout_s=max(0.0, timeout_s), what=lambda: f"{what}\n{self.log_tail()}")
