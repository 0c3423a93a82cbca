"""One Consul server process: its configuration, its life and calls to its HTTP API."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import requests

from hafailover.lab.errors import LabError
from hafailover.lab.place import LOOPBACK, Place
from hafailover.lab.process import ManagedProcess, log_tail

_CALL_TIMEOUT_S = 2.0
_VERSION_TIMEOUT_S = 30.0
# From this version on a server also listens for gRPC with TLS unless told otherwise; older ones refuse the
# setting.
_GRPC_TLS_SINCE = (1, 14)

Version = tuple[int, ...]


@cache
def consul_version(binary: Path) -> Version:
    """Return the version of a Consul binary, such as (1, 8, 7). Raises LabError if it does not run."""
    try:
        done = subprocess.run(
            [binary, "version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{binary} cannot be run: {error}") from error
    match = re.match(r"Consul v(\d+)\.(\d+)\.(\d+)", done.stdout)
    if done.returncode != 0 or match is None:
        raise LabError(f"{binary} is not Consul: 'version' printed {(done.stdout or done.stderr)[:200]!r}")
    return tuple(int(part) for part in match.groups())


class ConsulServer:
    """A Consul server in its own process, with its own data folder and ports."""

    def __init__(
        self, binary: Path, folder: Path, name: str, *, version: Version, place: Place | None = None
    ) -> None:
        """Choose the ports; `place` is on loopback unless given. Nothing is written or started yet."""
        self.name = name
        self.folder = folder
        self.place = place or Place()
        self.http_port, self.serf_port, self.rpc_port = self.place.ports(8500, 8301, 8300)
        self.process: ManagedProcess | None = None
        self._binary = binary
        self._version = version
        self._frozen = False
        self._session = requests.Session()
        # Proxies and certificate settings of the environment have no say here.
        self._session.trust_env = False

    @property
    def url(self) -> str:
        """The base URL of the HTTP API."""
        return f"http://{self.place.address}:{self.http_port}"

    @property
    def rpc_address(self) -> str:
        """The address by which the servers know each other in Raft, host:port."""
        return f"{self.place.address}:{self.rpc_port}"

    @property
    def log_path(self) -> Path:
        """The log file."""
        return self.folder / "consul.log"

    def is_alive(self) -> bool:
        """Whether its process runs (frozen counts as running)."""
        return self.process is not None and self.process.is_alive()

    def is_responsive(self) -> bool:
        """Whether its process runs and is not frozen."""
        return self.is_alive() and not self._frozen

    def write_config(
        self, *, peers: Sequence[Self], raft_multiplier: int, acl: bool, extra: Mapping[str, Any]
    ) -> None:
        """Write consul.json: options that Consul 1.8 knows and later versions still take."""
        ports = {
            "http": self.http_port,
            "serf_lan": self.serf_port,
            "server": self.rpc_port,
            "serf_wan": -1,
            "dns": -1,
            "grpc": -1,
        }
        if self._version >= _GRPC_TLS_SINCE:
            ports["grpc_tls"] = -1
        config: dict[str, Any] = {
            "node_name": self.name,
            "server": True,
            "bootstrap_expect": len(peers),
            "data_dir": str(self.folder / "data"),
            "bind_addr": self.place.address,
            # Its own host's agent reaches it on loopback wherever it is.
            "client_addr": " ".join(dict.fromkeys((LOOPBACK, self.place.address))),
            "ports": ports,
            "performance": {"raft_multiplier": raft_multiplier},
            "retry_join": [f"{peer.place.address}:{peer.serf_port}" for peer in peers],
            "retry_interval": "1s",
            # A stopping Consul must not end the sessions of its host at once.
            "leave_on_terminate": False,
            "skip_leave_on_interrupt": True,
            "rejoin_after_leave": True,
            # A server that was away comes back as what it was. Otherwise it is thrown out of Raft within
            # seconds and has no vote for ten more after its return: losing another then loses all.
            "autopilot": {"cleanup_dead_servers": False},
            "disable_update_check": True,
            "disable_host_node_id": True,
            "log_level": "INFO",
        }
        if acl:
            config["acl"] = {"enabled": True, "default_policy": "deny", "enable_token_persistence": True}
        for key, value in extra.items():
            both = isinstance(value, Mapping) and isinstance(config.get(key), dict)
            config[key] = {**config[key], **value} if both else value
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "consul.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def start(self, extra_env: Mapping[str, str] | None = None) -> ManagedProcess:
        """Start the process, with more in its environment if given; returns at once."""
        self._frozen = False
        self.process = ManagedProcess.start(
            self.name,
            self.place.command([self._binary, "agent", f"-config-file={self.folder / 'consul.json'}"]),
            log_path=self.log_path,
            extra_env=extra_env,
        )
        return self.process

    def kill(self) -> None:
        """SIGKILL the process, if it runs."""
        if self.process is not None:
            self.process.kill()

    def terminate(self, timeout_s: float = 10.0) -> None:
        """SIGTERM the process, if it runs, and SIGKILL it after `timeout_s`."""
        if self.process is not None:
            self.process.terminate(timeout_s)

    def freeze(self) -> None:
        """SIGSTOP the process. Raises LabError if it does not run."""
        self._running().freeze()
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT the process. Raises LabError if it does not run."""
        self._running().thaw()
        self._frozen = False

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        token: str | None = None,
        timeout_s: float = _CALL_TIMEOUT_S,
    ) -> Any:
        """Call the HTTP API and return the decoded answer (None if it is empty).

        Raises LabError when there is no answer within `timeout_s`, or not one with status 200.
        """
        headers = {"X-Consul-Token": token} if token else {}
        try:
            answer = self._session.request(
                method, self.url + path, json=json, params=params, headers=headers, timeout=timeout_s
            )
            if answer.status_code != requests.codes.ok:
                text = answer.text.strip()[:300]
                raise LabError(f"{self.name}: {method} {path}: {answer.status_code} {text}")
            return answer.json() if answer.content else None
        except (requests.RequestException, ValueError) as error:
            raise LabError(f"{self.name}: {method} {path}: {error}") from error

    def known_leader(self) -> str | None:
        """Return the leader's address as this server sees it, empty if there is none, None if it is mute."""
        try:
            return str(self.request("GET", "/v1/status/leader"))
        except LabError:
            return None

    def raise_if_ended(self) -> None:
        """Raise LabError with the end of the log if the process has ended or was never started."""
        if not self.is_alive():
            raise LabError(f"Consul server {self.name} does not run; log:\n{self.log_tail()}")

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        return log_tail(self.log_path, lines)

    def _running(self) -> ManagedProcess:
        self.raise_if_ended()
        assert self.process is not None
        return self.process
