"""A localnet's nodes as children of this process."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from hafailover.clock import boottime
from hafailover.lab.process import ManagedProcess
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.model import Localnet, LocalnetNode
from hafailover.localnet.pidfiles import remove_pid_file, running_process, write_pid_file
from hafailover.localnet.running import (
    START_DEADLINE_S,
    STOP_TIMEOUT_S,
    exclusive,
    log_path,
    run_command,
    stop_processes,
    wait_for_blocks,
)


class LocalnetProcesses:
    """A localnet's nodes as children of this process, which die with it.

    By default these are the plain validators. A failover host's neard belongs to a guard; name hosts here
    only to run them without one.
    """

    def __init__(
        self,
        localnet: Localnet,
        *,
        names: Sequence[str] | None = None,
        extra_env: Mapping[str, str] | None = None,
    ) -> None:
        """Choose the nodes; `extra_env` is added to their environment. Nothing is started yet."""
        self.localnet = localnet
        self.nodes = [localnet.node(name) for name in names] if names else list(localnet.validators)
        self._env = dict(extra_env or {})
        self._processes: dict[str, ManagedProcess] = {}

    def __enter__(self) -> Self:
        """Return itself; the end of the block stops the nodes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the nodes."""
        self.stop()

    def start(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Start all nodes that do not run and wait until each has seen a new block.

        Raises LocalnetError when a node runs elsewhere, ends, or has seen no block by the deadline; what was
        started is then stopped.
        """
        end = boottime() + deadline_s
        try:
            with exclusive(self.localnet.home):
                for node in self.nodes:
                    self._launch(node)
            self.wait_blocks(timeout_s=max(0.0, end - boottime()))
        except BaseException:
            self.stop(timeout_s=1.0)
            raise

    def process(self, name: str) -> ManagedProcess:
        """Return a node's process. Raises LocalnetError if it was never started here."""
        if name not in self._processes:
            raise LocalnetError(f"node {name} was not started here")
        return self._processes[name]

    def kill(self, name: str) -> None:
        """SIGKILL a node."""
        self.process(name).kill()

    def restart(self, name: str) -> None:
        """Start a node again, after killing it if it runs. Does not wait for it."""
        self.process(name).kill()
        self._launch(self.localnet.node(name))

    def ended(self) -> list[str]:
        """Return the names of the nodes that were started here and have ended."""
        return [name for name, process in self._processes.items() if not process.is_alive()]

    def wait_blocks(self, count: int = 1, timeout_s: float = START_DEADLINE_S) -> None:
        """Wait until every node has seen `count` new blocks.

        Raises LocalnetError if one ends or the time is up.
        """
        wait_for_blocks(
            self.localnet, self.nodes, timeout_s=timeout_s, count=count, check=self._raise_if_ended
        )

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """SIGTERM all nodes at once, and SIGKILL what is left after `timeout_s`."""
        stop_processes([process.id for process in self._processes.values() if process.is_alive()], timeout_s)
        for name, process in self._processes.items():
            process.kill()
            remove_pid_file(self.localnet.home, name)
        self._processes.clear()

    def _launch(self, node: LocalnetNode) -> None:
        own = self._processes.get(node.name)
        if own is not None and own.is_alive():
            return
        if (other := running_process(self.localnet.home, node.name)) is not None:
            raise LocalnetError(
                f"node {node.name} of {self.localnet.home} runs already, as process {other.pid}; "
                f"stop it first: hafailover localnet down --home {self.localnet.home}"
            )
        if own is not None:
            own.kill()
        process = ManagedProcess.start(
            node.name,
            run_command(self.localnet, node),
            log_path=log_path(self.localnet, node),
            extra_env=self._env,
        )
        self._processes[node.name] = process
        write_pid_file(self.localnet.home, node.name, process.id)

    def _raise_if_ended(self) -> None:
        for name in self.ended():
            process = self._processes[name]
            code, tail = process.returncode, process.log_tail()
            raise LocalnetError(f"node {name} ended with code {code}; log:\n{tail}")
