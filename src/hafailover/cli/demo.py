"""``hafailover demo``: faults on a pool of real processes on this machine, and what comes of each."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import fail
from hafailover.cli.exit_codes import NOT_GOOD, OK, WRONG_SETTINGS

if TYPE_CHECKING:
    from rich.console import Console

    from hafailover.demo.result import Report
    from hafailover.demo.scenarios import Scenario
    from hafailover.lab.pool import LabPool


def add_to(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", help="Run only this one; may be given several times.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcome as JSON; progress to stderr.")
    ] = False,
    neard: Annotated[
        str | None, typer.Option("--neard", help="A real neard; default: the stand-in localneard.")
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", help="Timing profile: default, fast or wide.")
    ] = "default",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave it running at the end, to look at, until Ctrl-C.")
    ] = False,
) -> None:
    """Show a validator failing over: a pool on this machine, faults one after another, a summary.

    Exit code 0 only if every scenario met its expectation and no height was signed twice. As root each host
    has a network of its own, and one that is gone is a link that was cut; otherwise, and with --keep, all is
    on loopback, and its processes are killed.

    Examples: hafailover demo; hafailover demo --scenario host-gone --keep; hafailover demo --json
    """
    from rich.console import Console

    from hafailover.timing import PROFILES

    if profile not in PROFILES:
        fail(f"--profile: {profile} is none of {', '.join(PROFILES)}", WRONG_SETTINGS)
    chosen = _chosen(scenario)
    console = Console(stderr=as_json)
    consul_binary()
    networks = not keep and _has_networks(console, chosen, as_json, neard, profile)
    report = run_demo(chosen, console, neard=neard, profile=profile, keep=keep, networks=networks)
    if as_json:
        print(json.dumps(report.to_plain(), indent=2))
    raise typer.Exit(OK if report.ok else NOT_GOOD)


def _has_networks(
    console: Console, scenarios: list[Scenario], as_json: bool, neard: str | None, profile: str
) -> bool:
    """Whether links can be cut; where they can, the command has started itself anew for that."""
    from hafailover.cli.room import take_room
    from hafailover.lab.errors import LabError

    words = ["demo", "--profile", profile]
    words += [word for one in scenarios for word in ("--scenario", one.name)]
    words += ["--json"] if as_json else []
    words += ["--neard", neard] if neard is not None else []
    try:
        reason = take_room(words)
    except LabError as error:
        fail(f"demo: {error}", NOT_GOOD)
    if reason:
        console.print(f"no link can be cut, so processes are killed instead: {reason}", markup=False)
    return not reason


def run_demo(
    scenarios: list[Scenario],
    console: Console,
    *,
    neard: str | None,
    profile: str,
    keep: bool,
    networks: bool = False,
) -> Report:
    """Starts a pool, runs the scenarios, shows the summary and stops all that it started."""
    from hafailover.demo.board import LiveBoard, PlainBoard, summary
    from hafailover.demo.observer import ChainObserver
    from hafailover.demo.runner import Runner
    from hafailover.lab.errors import LabError
    from hafailover.lab.pool import LabPool
    from hafailover.localnet.errors import LocalnetError

    binary = consul_binary()
    folder = Path(tempfile.mkdtemp(prefix="hafailover-"))
    board: LiveBoard | PlainBoard = PlainBoard(console)
    pool: LabPool | None = None
    ok = False
    try:
        pool = LabPool(folder, binary, neard=neard, profile=profile, networks=networks)
        board.say(f"the hosts run {pool.neard}")
        if console.is_terminal:
            board = LiveBoard(console, pool, [one.name for one in scenarios])
        pool.start_network(board.say)
        observer = ChainObserver(pool.localnet.validators, pool.account_id)
        observer.start()
        runner = Runner(pool, observer, board.say)
        if scenarios[0].name != "first-promotion":
            board.say("starting three failover hosts; the first promotion waits out an unknown predecessor")
            for host in pool.hosts:
                host.start()
        for one in scenarios:
            board.result(runner.run(one))
        board.close()
        console.print(summary(runner.report))
        ok = runner.report.ok
        if keep:
            _keep(console, pool)
        observer.stop()
        return runner.report
    except (LabError, LocalnetError) as error:
        board.close()
        fail(f"demo: {error}\nthe logs are in {folder}", NOT_GOOD)
    except KeyboardInterrupt:
        board.close()
        fail("demo: stopped by Ctrl-C", NOT_GOOD)
    finally:
        if pool is not None:
            pool.stop()
        if ok:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            console.print(f"the logs are in {folder}", markup=False)


def consul_binary() -> Path:
    """The Consul to run, or the end of the command with how to get one."""
    named = os.environ.get("HAFAILOVER_CONSUL_BINARY") or shutil.which("consul")
    if not named:
        fail(
            "Consul is needed: install it, set HAFAILOVER_CONSUL_BINARY to its path, "
            "or run scripts/get-consul in a checkout, as `make demo` does",
            WRONG_SETTINGS,
        )
    return Path(named)


def _chosen(names: list[str] | None) -> list[Scenario]:
    from hafailover.demo.scenarios import SCENARIOS, by_name

    if not names:
        return list(SCENARIOS)
    chosen = []
    for name in names:
        one = by_name(name)
        if one is None:
            fail(f"--scenario: {name} is none of {', '.join(s.name for s in SCENARIOS)}", WRONG_SETTINGS)
        chosen.append(one)
    return chosen


def _keep(console: Console, pool: LabPool) -> None:
    """Leaves everything running until Ctrl-C, and says what to look at."""
    import signal

    command = Path(sys.argv[0]).name
    lines = ["", "Everything is left running; Ctrl-C stops it. To look at it:"]
    for host in pool.hosts:
        lines.append(f"  {host.name}: metrics http://127.0.0.1:{host.metrics_port}/metrics")
        lines.append(f"         neard's RPC {host.node.rpc_url}/status")
        lines.append(f"         Consul http://127.0.0.1:{host.consul.http_port}/ui")
    config = pool.hosts[0].config
    lines += [
        "  To try:",
        f"  {command} status --watch --config {config}",
        f"  {command} switchover --config {config}",
        f"  kill -9 {pool.host(pool.wait_settled()).neard().pid}    # the active's neard",
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("stopping")
