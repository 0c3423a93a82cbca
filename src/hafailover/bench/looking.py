"""How long ``hafailover status`` takes, as somebody at a terminal waits for it: a whole process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from hafailover.bench.rows import Row
from hafailover.clock import boottime
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool

Say = Callable[[str], None]

LOOKS = 20
LONGEST_S = 30.0
SETTLE_S = 90.0


def looks(pool: LabPool, row: Row, say: Say) -> None:
    """With all hosts up, each in turn."""
    pool.wait_settled(SETTLE_S)
    for number in range(LOOKS):
        _look(pool, pool.hosts[number % len(pool.hosts)], row)
    _told(row, say)


def looks_with_a_host_lost(pool: LabPool, row: Row, say: Say, *, frozen: bool) -> None:
    """From another host, beginning as the host of Consul's leader is lost: its election is part of it.

    :param frozen: its Consul stops where it is and its connections stay, instead of all being gone.
    """
    pool.wait_settled(SETTLE_S)
    lost = pool.host(pool.consul.server(pool.consul.wait_leader()).name)
    others = [host for host in pool.hosts if host is not lost]
    if frozen:
        lost.consul.freeze()
    else:
        lost.kill_host()
    try:
        for number in range(LOOKS):
            _look(pool, others[number % len(others)], row)
    finally:
        if frozen:
            lost.consul.thaw()
        else:
            lost.start()
    _told(row, say)


def _look(pool: LabPool, host: FailoverHost, row: Row) -> None:
    command = [sys.executable, "-P", "-m", "hafailover", "status", "--config", str(host.config)]
    since = boottime()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        row.problems.append(f"{host.name}: no end within {LONGEST_S:g} s")
        return
    took = (boottime() - since) * 1000
    # Without a leader, what was known last is an answer, too; an error is none.
    if any(one.name not in done.stdout for one in pool.hosts):
        row.problems.append(f"{host.name}: exit code {done.returncode}: {done.stderr.strip()}")
        return
    row.runs.append(took)


def _told(row: Row, say: Say) -> None:
    if row.runs:
        say(f"{row.name}: median {row.median or 0:.0f} ms, worst {max(row.runs):.0f} ms of {len(row.runs)}")
