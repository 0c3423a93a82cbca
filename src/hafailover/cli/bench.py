"""``hafailover bench``: the figures of ``make bench``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import fail
from hafailover.cli.demo import consul_binary
from hafailover.cli.exit_codes import NOT_GOOD, OK, WRONG_SETTINGS
from hafailover.near.routing import DEFAULT, ValidatorRouting

if TYPE_CHECKING:
    from rich.console import Console

    from hafailover.bench.duties import DutyBench
    from hafailover.bench.measure import Bench
    from hafailover.bench.rows import Row

FAST_LIMIT_S = 9.0
DEFAULT_LIMIT_S = 11.0
SWITCHOVER_LIMIT_MS = 150.0
NEARD_KILLED_LIMIT_MS = 400.0
STATUS_LIMIT_MS = 300.0
STATUS_LOST_LIMIT_MS = 3000.0
HTTP_RUNS = 3
"""Each takes 40 s."""
DUTY_RUNS = 3
VANISHED_S = 40.0
"""How long a link stays cut: long enough to see the pool at work without that host for some 25 s."""
SHORT_BLOCKS_S = (0.6, 0.2)
"""mainnet's, and what is announced for it; everything else is measured at 1 s."""
SHORT_RUNS = 2
"""Handovers of each way there; each takes the better part of a minute."""
SHORT_VANISHED_RUNS = 1
"""It takes a minute, and before it the pool has to be well again."""


def add_to(app: typer.Typer) -> None:
    app.command("bench")(bench)


def bench(
    runs: Annotated[
        int,
        typer.Option(
            "--runs",
            min=1,
            max=100,
            help="Runs of each figure; of those that take a minute each, at most 2 or 3.",
        ),
    ] = 5,
    output: Annotated[Path, typer.Option("--output", help="Where the figures go, as JSON.")] = Path(
        "build/bench.json"
    ),
    only: Annotated[str, typer.Option("--only", help="Run only the parts whose name contains this.")] = "",
    neard: Annotated[str | None, typer.Option("--neard", help="A real neard; default: the stand-in.")] = None,
) -> None:
    """Measure what a failover takes on this machine; medians, against their limits. It takes half an hour.

    Exit code 0 only if every figure keeps its limit and no height was signed twice. As root a host that is
    gone is a link that was cut; otherwise its processes are killed, and what needs a link is left out.

    Examples: hafailover bench; hafailover bench --runs 1 --only switchover
    """
    from rich.console import Console

    from hafailover.bench.rows import Row, table, write
    from hafailover.cli.room import take_room
    from hafailover.lab.errors import LabError
    from hafailover.localnet.errors import LocalnetError
    from hafailover.localnet.identity import Binary
    from hafailover.lock.errors import CallError
    from hafailover.observe.handover import HandoverRefusedError

    console = Console()
    parts = sorted({part for stage in _stages() for part, _ in stage.parts})
    if not any(only in name for name in parts):
        fail(f"--only: {only} is in none of {', '.join(parts)}", WRONG_SETTINGS)
    consul_binary()
    rows: list[Row] = []
    twice = Row("double-signed", "heights signed twice, over everything measured here", "heights", 0)
    binary: Binary | None = None
    try:
        words = ["bench", "--runs", str(runs), "--output", str(output), "--only", only]
        no_cable = take_room([*words, *(["--neard", neard] if neard is not None else [])])
        if no_cable:
            console.print(f"no link can be cut, so processes are killed instead: {no_cable}", markup=False)
        binary = Binary.of(neard)
        console.print(f"measured on {binary}", markup=False, highlight=False, soft_wrap=True)
        for stage in _stages():
            measured, signed = _on_pool(stage, runs, only, neard, no_cable, console)
            rows += measured
            twice.runs += [float(signed)] if measured else []
    except (LabError, LocalnetError, CallError, HandoverRefusedError) as error:
        fail(f"bench: {error}", NOT_GOOD)
    rows.append(twice)
    write(rows, binary, output)
    print(table(rows))
    console.print(f"measured on {binary}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"written to {output}")
    raise typer.Exit(OK if all(row.ok for row in rows) else NOT_GOOD)


def _on_pool(
    stage: Stage, runs: int, only: str, neard: str | None, no_cable: str, console: Console
) -> tuple[list[Row], int]:
    from hafailover.bench.measure import Bench
    from hafailover.clock import boottime
    from hafailover.demo.observer import ChainObserver
    from hafailover.lab.pool import LabPool

    rows: list[Row] = []
    parts = [part for part in stage.parts if only in part[0]]
    if no_cable:
        parts = [part for part in parts if not needs_cable(part[0])]
    if not parts:
        return rows, 0
    folder = Path(tempfile.mkdtemp(prefix="hafailover-"))
    started = boottime()

    def say(line: str) -> None:
        console.print(
            f"[{boottime() - started:6.1f} s] {stage.name}: {line}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    # No relay between agents and Consul: it would be measured, too.
    pool = LabPool(
        folder,
        consul_binary(),
        neard=neard,
        profile=stage.profile,
        links=False,
        block_time_s=stage.block_time_s,
        networks=stage.cables and not no_cable,
        routing=stage.routing,
        epoch_length=EPOCH_BLOCKS,
    )
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


CABLE_ONLY = ("host-vanished", "deaf-status")
"""How the names of parts begin that cut a link."""
EPOCH_BLOCKS = 20_000
"""Longer than any stage, so that duties are counted in one epoch."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One pool, and what is measured on it. ``cables``: each host has a network, where that can be had.

    ``routing``: the hosts' ``neard.validator_routing``.
    """

    name: str
    parts: list[Part]
    profile: str = "default"
    block_time_s: float = 1.0
    cables: bool = False
    routing: ValidatorRouting = DEFAULT


def needs_cable(part: str) -> bool:
    """Whether this part cuts a link, so that it is left out where there is none."""
    return part.startswith(CABLE_ONLY)


def _stages() -> list[Stage]:
    return [
        Stage(
            "default",
            [
                ("switchover", _switchover),
                ("window", _window),
                ("neard-killed", _neard_killed),
                ("agent-restarted", _agent_restarted),
                ("leader-gone", _leader_gone),
                ("http-load", _http_load),
                ("idle", _idle),
                ("status", _status),
            ],
        ),
        Stage(
            "hosts",
            [
                ("handover-window", lambda measure, runs: _duties(measure).handovers("window", runs)),
                ("handover-now", lambda measure, runs: _duties(measure).handovers("now", runs)),
                ("neard-killed-blocks", _killed_duties),
                ("host-vanished", _host_vanished),
                ("host-gone", lambda measure, runs: _host_gone(measure, runs, "default", DEFAULT_LIMIT_S)),
            ],
            cables=True,
        ),
        Stage(
            "fast",
            [("host-gone", lambda measure, runs: _host_gone(measure, runs, "fast", FAST_LIMIT_S))],
            profile="fast",
            cables=True,
        ),
        Stage(
            "deaf",
            [("deaf-status", lambda measure, _: _duties(measure).deaf())],
            cables=True,
            routing="direct",
        ),
        *(_short_blocks(seconds) for seconds in SHORT_BLOCKS_S),
    ]


def _short_blocks(seconds: float) -> Stage:
    """The rows that a block's length could change, with it in their names."""
    label = f"{seconds * 1000:.0f}ms"
    return Stage(
        f"{label} blocks",
        [
            *(
                (f"handover-{way}-{label}", partial(_handovers_at, way=way, label=label))
                for way in ("window", "now")
            ),
            (f"neard-killed-{label}", lambda measure, runs: _neard_killed_at(measure, runs, label)),
            (f"host-vanished-{label}", lambda measure, _: _host_vanished_at(measure, label)),
        ],
        block_time_s=seconds,
        cables=True,
    )


def _handovers_at(measure: Bench, runs: int, *, way: str, label: str) -> list[Row]:
    """As an operator orders them, since the choice of the moment depends on the time that a block takes."""
    rows = _labelled(_duties(measure).handovers(way, min(runs, SHORT_RUNS)), label)
    gap, _, endorsements = rows
    gap.limit = SWITCHOVER_LIMIT_MS
    # What may be missed of them is set for blocks of 1 s; a second has more of them here.
    endorsements.limit, endorsements.what = None, f"{endorsements.what}, for comparison"
    return rows


def _host_vanished_at(measure: Bench, label: str) -> list[Row]:
    """What is missed from 2 s after the key on is nothing at blocks of any length."""
    return _labelled(_duties(measure).vanished(SHORT_VANISHED_RUNS, VANISHED_S), label)


def _labelled(rows: list[Row], label: str) -> list[Row]:
    for row in rows:
        row.name, row.what = f"{row.name}-{label}", f"{row.what}, at blocks of {label}"
    return rows


def _neard_killed_at(measure: Bench, runs: int, label: str) -> list[Row]:
    from hafailover.bench.rows import Row

    what = f"active's neard killed, at blocks of {label}"
    row = Row(f"neard-killed-{label}", f"{what}: to the standby's key loaded", "ms", NEARD_KILLED_LIMIT_MS)
    missed = Row(f"neard-killed-missed-{label}", f"{what}: blocks missed, for comparison", "blocks", None)
    measure.neard_killed(row, runs, missed)
    return [row, missed]


def _duties(measure: Bench) -> DutyBench:
    from hafailover.bench.duties import DutyBench

    return DutyBench(measure.pool, measure.observer, measure.say)


def _killed_duties(measure: Bench, runs: int) -> list[Row]:
    return _duties(measure).neard_killed(min(runs, DUTY_RUNS))


def _host_vanished(measure: Bench, runs: int) -> list[Row]:
    return _duties(measure).vanished(min(runs, DUTY_RUNS), VANISHED_S)


def _switchover(measure: Bench, runs: int) -> list[Row]:
    from hafailover.bench.raw_consul import raw_handover_ms
    from hafailover.bench.rows import Row

    raw = Row("raw-consul", "Consul alone: lock released to lock acquired, for comparison", "ms", None)
    what = "planned: old key confirmed gone to new key confirmed loaded"
    gap = Row("switchover", what, "ms", SWITCHOVER_LIMIT_MS)
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

    what = "active's neard killed: to the standby's key confirmed loaded"
    row = Row("neard-killed", what, "ms", NEARD_KILLED_LIMIT_MS)
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
    from hafailover.demo.scenarios import NO_CABLE

    rows = []
    for with_leader in (False, True):
        which = "with" if with_leader else "without"
        row = Row(
            f"host-gone-{profile}-{which}-leader",
            f"active's host gone, {which} Consul's leader, profile {profile}: to the standby's key loaded",
            "s",
            limit,
            remark="" if measure.pool.networks else NO_CABLE,
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
