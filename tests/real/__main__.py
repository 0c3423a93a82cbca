"""``python -m tests.real (--neard PATH | --stand-in)``: see ``--help``. As root."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import hafailover
from hafailover.bench.rows import Row, table, write
from hafailover.clock import boottime
from hafailover.lab import room
from hafailover.lab.consul_server import consul_version
from hafailover.lab.errors import LabError
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.identity import Binary
from tests.cluster.fitness import Unfit, consul_binary
from tests.cluster.machine import end_marked
from tests.cluster.report import machine

from .settings import Settings, parse
from .stages import Run

ROOT = Path(__file__).resolve().parents[2]
CONSUL = "HAFAILOVER_CONSUL_BINARY"
MARK = "REAL_RUN_FOLDER"
"""In the environment of every process of a run: its folder."""
STOPPED = 130


def outside(arguments: list[str]) -> None:
    """Goes on in a room of the run's own, or fails: nothing is skipped where a neard was named.

    :raises Unfit: there is no Consul.
    :raises LabError: this machine cannot give hosts networks of their own.
    """
    if reason := room.refusal():
        raise LabError(f"no host can have a network of its own here: {reason}")
    os.environ[CONSUL] = str(consul_binary(ROOT))
    os.environ[MARK] = "starting"
    room.enter([sys.executable, "-m", "tests.real", *arguments])


def inside(settings: Settings, binary: Binary) -> int:
    """The run itself; whatever happens, nothing is left of it but its report, and logs if it is not good."""
    room.furnish()
    consul = Path(os.environ.pop(CONSUL))
    folder = Path(tempfile.mkdtemp(prefix="hr-"))
    os.environ[MARK] = str(folder)
    began, started = datetime.datetime.now(datetime.UTC), boottime()

    def say(line: str) -> None:
        print(f"[{boottime() - started:7.1f} s] {line}", flush=True)

    run = Run(settings, binary, consul, folder, say)
    stopped = True
    try:
        for part in settings.parts:
            run.part(part)
        stopped = False
    finally:
        # From here on it takes a few seconds, and is not to be left half done.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(LabError):
            end_marked(MARK, str(folder))
        twice = Row(
            "double-signed", "heights signed twice, in all parts", "heights", 0, [float(len(run.twice))]
        )
        twice.remark = f"{run.looked_at} heights were looked at"
        twice.problems += run.blind
        # Those two have a room and eyes of their own, and say by themselves what they saw.
        if not run.looked_at and set(settings.parts) - {"cluster", "demo"}:
            twice.problems.append("no height was looked at")
        run.rows.append(twice)
        good = not stopped and all(row.ok for row in run.rows)
        write(
            run.rows,
            binary,
            settings.out,
            complete=not stopped,
            began=began.isoformat(timespec="seconds"),
            minutes=round((boottime() - started) / 60, 1),
            block_time_s=settings.block_s,
            arrangement=settings.arrangement,
            double_signed_heights=sorted(run.twice),
            versions={
                "hafailover": hafailover.__version__,
                "consul": ".".join(map(str, consul_version(consul))),
            },
            machine=machine(),
            **run.more,
        )
        print(f"\n{table(run.rows)}\n\nmeasured on {binary}\nwritten to {settings.out}", flush=True)
        if good:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"the logs are in {folder}", flush=True)
    return 0 if good else 1


def main(arguments: list[str]) -> int:
    settings = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        # Before anything starts, so that a neard that does not run is told at once.
        binary = Binary.of(settings.neard)
        if MARK not in os.environ:
            print(f"to be measured: {binary}", flush=True)
            outside(arguments)
        return inside(settings, binary)
    except (LabError, LocalnetError, Unfit) as error:
        print(f"real: FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("real: stopped", file=sys.stderr)
        return STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
