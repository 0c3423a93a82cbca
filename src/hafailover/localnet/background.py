"""A localnet's nodes in the background, to stay when the command that started them ends."""

from hafailover.clock import boottime
from hafailover.lab.errors import LabError
from hafailover.lab.process import log_tail, start_detached
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.model import Localnet
from hafailover.localnet.pidfiles import FOLDER, running_nodes, running_process, write_pid_file
from hafailover.localnet.running import (
    START_DEADLINE_S,
    STOP_TIMEOUT_S,
    exclusive,
    log_path,
    run_command,
    stop_processes,
    wait_for_blocks,
)


def start_in_background(localnet: Localnet, deadline_s: float = START_DEADLINE_S) -> list[str]:
    """Start the plain validators that do not run, to stay when this process ends; returns their names.

    Waits until every validator has seen a new block. Raises LocalnetError when one ends or has seen no block
    by the deadline; what runs is left running then, to be looked at.
    """
    end = boottime() + deadline_s
    started = []
    with exclusive(localnet.home):
        for node in localnet.validators:
            if running_process(localnet.home, node.name) is None:
                try:
                    process = start_detached(run_command(localnet, node), log_path=log_path(localnet, node))
                except LabError as error:
                    raise LocalnetError(str(error)) from error
                write_pid_file(localnet.home, node.name, process)
                started.append(node.name)

    def check() -> None:
        for node in localnet.validators:
            if running_process(localnet.home, node.name) is None:
                raise LocalnetError(f"node {node.name} has ended; log:\n{log_tail(log_path(localnet, node))}")

    wait_for_blocks(localnet, localnet.validators, timeout_s=max(0.0, end - boottime()), check=check)
    return started


def stop_in_background(localnet: Localnet, timeout_s: float = STOP_TIMEOUT_S) -> list[str]:
    """Stop every node that runs by the localnet's pid files; returns their names.

    A process is only touched when it is provably the one that was started. Raises LocalnetError if one is
    left.
    """
    with exclusive(localnet.home):
        running = running_nodes(localnet.home)
        stop_processes(list(running.values()), timeout_s)
        left = running_nodes(localnet.home)
        if left:
            raise LocalnetError(f"could not stop {', '.join(left)}")
        for path in (localnet.home / FOLDER).glob("*.json"):
            path.unlink(missing_ok=True)
    return list(running)
