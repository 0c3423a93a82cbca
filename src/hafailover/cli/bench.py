"""``hafailover bench``: the figures of ``make bench``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import fail
from hafailover.cli.demo import consul_binary
from hafailover.cli.exit_codes import NOT_GOOD, OK, WRONG_SETTINGS

if TYPE_CHECKING:
    from rich.console import Console

    from hafailover.bench.measure import Bench
    from hafailover.bench.rows import Row

FAST_LIMIT_S = 9.0
DEFAULT_LIMIT_S = 11.0
STATUS_LIMIT_MS = 300.0
STATUS_LOST_LIMIT_MS = 3000.0
HTTP_RUNS = 3
"""Each takes 40 s."""


def add_to(app: typer.Typer) -> None:
    app.command("bench")(bench)


def bench(
    runs: Annotated[int, typer.Option("--runs", min=1, max=100, help="Runs of each figure.")] = 5,
    output: Annotated[Path, typer.Option("--output", help="Where the figures go, as JSON.")] = Path(
        "build/bench.json"
    ),
    only: Annotated[str, typer.Option("--only", help="Run only the parts whose name contains this.")] = "",
    neard: Annotated[str | None, typer.Option("--neard", help="A real neard; default: the stand-in.")] = None,
) -> None:
    """Measure what a failover takes on this machine; medians, against their limits. Takes about 13 minutes.

    Exit code 0 only if every figure keeps its limit and no height was signed twice.

    Examples: hafailover bench; hafailover bench --runs 1 --only switchover
    """
    from rich.console import Console

    from hafailover.bench.rows import Row, write
    from hafailover.lab.errors import LabError
    from hafailover.localnet.errors import LocalnetError
    from hafailover.lock.errors import CallError
    from hafailover.observe.handover import HandoverRefusedError

    console = Console()
    parts = sorted({name for name, _ in _default_parts() + _fast_parts()})
    if not any(only in name for name in parts):
        fail(f"--only: {only} is in none of {', '.join(parts)}", WRONG_SETTINGS)
    rows: list[Row] = []
    twice = Row("double-signed", "heights signed twice, over everything measured here", "heights", 0)
    try:
        for profile in ("default", "fast"):
            measured, signed = _on_pool(profile, runs, only, neard, console)
            rows += measured
            twice.runs += [float(signed)] if measured else []
    except (LabError, LocalnetError, CallError, HandoverRefusedError) as error:
        fail(f"bench: {error}", NOT_GOOD)
    rows.append(twice)
    write(rows, output)
    print(_table(rows))
    console.print(f"written to {output}")
    raise typer.Exit(OK if all(row.ok for row in rows) else NOT_GOOD)


def _on_pool(
    profile: str, runs: int, only: str, neard: str | None, console: Console
) -> tuple[list[Row], int]:
    from hafailover.bench.measure import Bench
    from hafailover.clock import boottime
    from hafailover.demo.observer import ChainObserver
    from hafailover.lab.pool import LabPool

    rows: list[Row] = []
    parts = [
        part for part in (_default_parts() if profile == "default" else _fast_parts()) if only in part[0]
    ]
    if not parts:
        return rows, 0
    folder = Path(tempfile.mkdtemp(prefix="hafailover-"))
    started = boottime()

    def say(line: str) -> None:
        console.print(f"[{boottime() - started:6.1f} s] {profile}: {line}", markup=False, highlight=False)

    # No relay between agents and Consul: it would be measured, too.
    pool = LabPool(folder, consul_binary(), neard=neard, profile=profile, links=False)
    try:
        pool.start_network(say)
        observer = ChainObserver(pool.localnet.validators, pool.account_id)
        observer.start()
        for host in pool.hosts:
            host.start()
        measure = Bench(pool, observer, say)
        for _, part in parts:
            rows += part(measure, runs)
        signed = len(observer.signed_twice())
        observer.stop()
    except BaseException:
        console.print(f"the logs are in {folder}", markup=False)
        raise
    finally:
        pool.stop()
    if all(row.ok and not row.above for row in rows):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        # A single run above its limit is worth a look, too, where the median is below.
        console.print(f"the logs are in {folder}", markup=False)
    return rows, signed


Part = tuple[str, "Callable[[Bench, int], list[Row]]"]


def _default_parts() -> list[Part]:
    return [
        ("switchover", _switchover),
        ("window", _window),
        ("neard-killed", _neard_killed),
        ("agent-restarted", _agent_restarted),
        ("leader-gone", _leader_gone),
        ("host-gone", lambda measure, runs: _host_gone(measure, runs, "default", DEFAULT_LIMIT_S)),
        ("http-load", _http_load),
        ("idle", _idle),
        ("status", _status),
    ]


def _fast_parts() -> list[Part]:
    return [("host-gone", lambda measure, runs: _host_gone(measure, runs, "fast", FAST_LIMIT_S))]


def _switchover(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.raw_consul import raw_handover_ms
    from hafailover.bench.rows import Row

    raw = Row("raw-consul", "Consul alone: lock released to lock acquired, for comparison", "ms", None)
    gap = Row("switchover", "planned: old key confirmed gone to new key confirmed loaded", "ms", 150)
    missed = Row("switchover-missed", "planned: blocks missed", "blocks", 0)
    measure.pool.wait_settled()
    raw.runs = raw_handover_ms(measure.pool, max(runs, 5))
    measure.say(f"raw Consul handover: {raw.median or 0:.0f} ms")
    measure.switchovers(gap, missed, runs)
    return [gap, raw, missed]


def _window(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.rows import Row

    missed = Row("window-missed", "blocks missed, planned switchover in a window", "blocks", 0, every=True)
    measure.in_windows(missed, runs)
    return [missed]


def _neard_killed(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.rows import Row

    row = Row("neard-killed", "active's neard killed: to the standby's key confirmed loaded", "ms", 400)
    measure.neard_killed(row, runs)
    return [row]


def _agent_restarted(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.rows import Row

    missed = Row("agent-restarted-missed", "active's agent killed and restarted: blocks missed", "blocks", 0)
    failovers = Row("agent-restarted-failovers", "the same: failovers", "failovers", 0)
    measure.agent_restarted(missed, failovers, runs)
    return [missed, failovers]


def _leader_gone(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.rows import Row

    failovers = Row(
        "leader-gone-failovers", "host of Consul's leader gone, active elsewhere: failovers", "failovers", 0
    )
    fences = Row("leader-gone-fences", "the same: fences", "fences", 0)
    missed = Row("leader-gone-missed", "the same: blocks missed", "blocks", 0)
    measure.leader_gone(failovers, fences, missed, runs)
    return [failovers, fences, missed]


def _host_gone(measure: Bench, runs: int, profile: str, limit: float) -> list[Row]:
    from hafailover.bench.rows import Row

    rows = []
    for with_leader in (False, True):
        which = "with" if with_leader else "without"
        row = Row(
            f"host-gone-{profile}-{which}-leader",
            f"active's host gone, {which} Consul's leader, profile {profile}: to the standby's key loaded",
            "s",
            limit,
        )
        measure.host_gone(row, runs, with_leader=with_leader)
        rows.append(row)
    return rows


def _http_load(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.rows import Row

    what = "200 requests a second to the active's agent"
    extra = Row("http-load", f"{what}: what the longest renewal takes longer than without", "ms", 50)
    quiet = Row("http-beat-quiet", "slowest beat without them, for comparison", "ms", None)
    loaded = Row("http-beat-loaded", "slowest beat with them, for comparison", "ms", None)
    answered = Row("http-answered", f"{what}: answered", "1/s", None)
    refused = Row("http-refused", f"{what}: refused or failed", "requests", 0)
    for _ in range(min(runs, HTTP_RUNS)):
        measure.http_load(extra, quiet, loaded, answered, refused)
    return [extra, quiet, loaded, answered, refused]


def _idle(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.rows import Row

    cpu = Row("idle-cpu", "agent plus guard on an idle standby: CPU", "% of a core", 1)
    memory = Row("idle-memory", "agent plus guard on an idle standby: resident memory", "MiB", 120)
    measure.idle_standby(cpu, memory, runs)
    return [cpu, memory]


def _status(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.looking import looks, looks_with_a_host_lost
    from hafailover.bench.rows import Row

    well = Row("status", "hafailover status as a process, three hosts up", "ms", STATUS_LIMIT_MS)
    dead = Row(
        "status-host-gone",
        "the same from the moment that the host of Consul's leader is gone; each run",
        "ms",
        STATUS_LOST_LIMIT_MS,
        every=True,
    )
    frozen = Row("status-consul-frozen", "the same, that host's Consul frozen", "ms", STATUS_LOST_LIMIT_MS)
    frozen.every = True
    looks(measure.pool, well, measure.say)
    looks_with_a_host_lost(measure.pool, dead, measure.say, frozen=False)
    looks_with_a_host_lost(measure.pool, frozen, measure.say, frozen=True)
    return [well, dead, frozen]


def _table(rows: list[Row]) -> str:
    """Plain text: nothing in it is ever cut off or wrapped."""
    name = max(len(row.name) for row in rows)
    lines = [f"{'':6} {'figure':{name}} {'median':>7} {'lowest':>7} {'highest':>7} {'at most':>7}"]
    for row in rows:
        values = (row.median, min(row.runs, default=None), max(row.runs, default=None), row.limit)
        cells = " ".join(f"{'-' if value is None else f'{value:.3g}':>7}" for value in values)
        lines.append(f"{'ok' if row.ok else 'FAILED':6} {row.name:{name}} {cells} {row.unit}")
        lines += [f"       {problem}" for problem in row.problems]
    return "\n".join(lines)
