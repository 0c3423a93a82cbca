"""What running a localnet's nodes takes, whether as children or in the background."""

import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hafailover.clock import boottime
from hafailover.lab.errors import LabTimeoutError
from hafailover.lab.process import log_tail
from hafailover.lab.procfs import ProcessId, signal_all
from hafailover.lab.waiting import wait_until
from hafailover.localnet.chain import heights, view_nodes
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.model import Localnet, LocalnetNode
from hafailover.localnet.pidfiles import FOLDER

START_DEADLINE_S = 60.0
STOP_TIMEOUT_S = 10.0
# neard can lose a signal that comes while it reloads its configuration, so a stop is said more than once.
_SAY_AGAIN_S = 1.0


def run_command(localnet: Localnet, node: LocalnetNode) -> list[str | Path]:
    """Return the command that runs a node."""
    return [localnet.neard, "--home", node.home, "run"]


def log_path(localnet: Localnet, node: LocalnetNode) -> Path:
    """Return the log of a node that is run here."""
    return localnet.log_folder / f"{node.name}.log"


def wait_for_blocks(
    localnet: Localnet,
    nodes: Sequence[LocalnetNode],
    *,
    timeout_s: float,
    count: int = 1,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Wait until every node has seen `count` new blocks since this was called.

    `check` is called between looks and may raise. Raises LocalnetError with the logs' ends after `timeout_s`.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}

    def all_moved() -> bool:
        check()
        last.update(heights(view_nodes(nodes)))
        for name, height in last.items():
            first.setdefault(name, height)
        return all(node.name in last and last[node.name] - first[node.name] >= count for node in nodes)

    try:
        wait_until(all_moved, timeout_s=timeout_s, what="blocks", interval_s=0.1)
    except LabTimeoutError:
        shown = ", ".join(f"{node.name} {last.get(node.name, 'does not answer')}" for node in nodes)
        logs = "\n".join(f"--- {node.name}\n{log_tail(log_path(localnet, node), 10)}" for node in nodes)
        raise LocalnetError(
            f"no {count} new blocks on every node in {timeout_s:g} s; heights: {shown}\n{logs}"
        ) from None


def stop_processes(processes: Sequence[ProcessId], timeout_s: float) -> None:
    """SIGTERM processes, frozen ones too, and SIGKILL those that still run after `timeout_s`."""
    end = boottime() + timeout_s
    signal_all(processes, signal.SIGTERM)
    signal_all(processes, signal.SIGCONT)
    said = boottime()
    for process in processes:
        while not process.wait_gone(max(0.0, min(_SAY_AGAIN_S, end - boottime()))) and boottime() < end:
            if boottime() - said >= _SAY_AGAIN_S:
                signal_all(processes, signal.SIGTERM)
                said = boottime()
    signal_all(processes, signal.SIGKILL)
    for process in processes:
        process.wait_gone(5.0)


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Keep two commands from starting or stopping the same localnet at once."""
    (home / FOLDER).mkdir(exist_ok=True)
    descriptor = os.open(home / FOLDER / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LocalnetError(
            f"another command is starting or stopping the localnet in {home}; try again"
        ) from None
    finally:
        os.close(descriptor)
