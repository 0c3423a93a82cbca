"""Start a command that dies with its parent, or one that outlives it; run as a script by `process`.

Usage: _launch.py die-with PARENT_PID COMMAND...
       _launch.py detach LOG COMMAND...     prints the pid of the command

A script of its own, because code between fork and exec is not safe in a process with threads
(`subprocess` on preexec_fn), and needs nothing but the standard library: it runs under `python -I -S`.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_EXIT_CANNOT_EXECUTE = 127


def _execute(command: list[str]) -> None:
    # Python ignores these two for itself, and what is ignored stays so across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - replacing this process is the point
    except OSError as error:
        sys.stderr.write(f"cannot execute {command[0]}: {error.strerror}\n")
        sys.exit(_EXIT_CANNOT_EXECUTE)


def _die_with(parent: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    # The parent may have died before the kernel was told to watch it.
    if os.getppid() == parent:
        _execute(command)


def _detach(log: str, command: list[str]) -> None:
    # Flushed output goes to both, so it has to go before the fork.
    sys.stdout.flush()
    child = os.fork()
    if child:
        sys.stdout.write(f"{child}\n")
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, 256)
    _execute(command)


if __name__ == "__main__":
    if sys.argv[1] == "die-with":
        _die_with(int(sys.argv[2]), sys.argv[3:])
    else:
        _detach(sys.argv[2], sys.argv[3:])
