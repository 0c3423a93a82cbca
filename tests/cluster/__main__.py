"""``python -m tests.cluster [run|soak]``: see ``--help``. As root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

from hafailover.lab.errors import LabError
from hafailover.lab.room import furnish
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.identity import Binary

from . import fitness
from .cluster import Cluster
from .machine import end_marked
from .session import Session
from .settings import NEARD, Settings, parse

ROOT = Path(__file__).resolve().parents[2]
CONSUL = "HAFAILOVER_CONSUL_BINARY"
SKIPPED = 75
"""EX_TEMPFAIL: nothing was run, and nothing is known."""
STOPPED = 130
"""As a shell says of a command that was interrupted."""


def outside(settings: Settings, arguments: list[str]) -> None:
    """Prepares, and goes on in a room of the run's own."""
    # Before anything starts: a run that is to have a real neard must not come to nothing later.
    binary = Binary.of(settings.neard)
    print(f"the cluster runs {binary}", flush=True)
    fitness.check()
    for found in fitness.remove_leftovers():
        print(f"removed what an earlier run had left: {found}", flush=True)
    os.environ[CONSUL] = str(fitness.consul_binary(ROOT))
    os.environ[fitness.MARK] = "starting"
    # By its option, not by the environment: agents inherit that, and refuse a setting that they do not know.
    os.environ.pop(NEARD, None)
    fitness.room([*arguments, *(["--neard", binary.path] if settings.neard is not None else [])])


def inside(settings: Settings) -> int:
    """The run itself; whatever happens, nothing is left of it but its report and logs."""
    furnish()
    folder = fitness.take_folder()
    marker = {fitness.MARK: str(folder)}
    binary = Path(os.environ[CONSUL])
    # Not meant for the agents, which refuse what they do not know.
    os.environ.pop(CONSUL, None)
    good = False
    try:
        cluster = Cluster(folder, binary, settings.neard, marker, keep_one=settings.command == "soak")
        session = Session(cluster, settings, binary)
        try:
            good = session.run()
        finally:
            # From here on it takes a few seconds, and is not to be left half done.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            cluster.close()
            session.keep_logs(settings.out.with_suffix(".logs"))
    finally:
        with contextlib.suppress(LabError):
            end_marked(fitness.MARK, str(folder))
        fitness.unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


def main(arguments: list[str]) -> int:
    settings = parse(arguments)
    # A kill is an end like any other: what was made is removed.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if fitness.MARK not in os.environ:
            outside(settings, arguments)
        return inside(settings)
    except fitness.Unfit as reason:
        print(f"cluster: SKIPPED, nothing was tested: {reason}", file=sys.stderr)
        # Whoever names a neard wants to know what becomes of it: no answer is not a good one.
        return SKIPPED if settings.neard is None else 1
    except (LabError, LocalnetError, ValueError) as error:
        print(f"cluster: FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cluster: stopped", file=sys.stderr)
        return STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
