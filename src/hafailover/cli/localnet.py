"""`hafailover localnet`: a NEAR network of one's own on this machine."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The rest is imported where it is used: every command would pay for it.
if TYPE_CHECKING:
    from rich.table import Table

    from hafailover.localnet import Localnet, NodeView

START_S = 60.0
STOP_S = 10.0
"""As ``hafailover.localnet.running`` has them."""

app = typer.Typer(
    name="localnet",
    no_args_is_help=True,
    help="Make and run a NEAR network on this machine: plain validators, and homes for failover hosts.",
)

_LOOK_S = 0.5

Home = Annotated[Path, typer.Option(help="Folder of the localnet.", file_okay=False)]


@contextmanager
def _told() -> Iterator[None]:
    """Show an expected error as one message and exit with code 1."""
    from hafailover.lab.errors import LabError
    from hafailover.localnet import LocalnetError

    try:
        yield
    except (LocalnetError, LabError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def init(
    home: Home,
    neard: Annotated[
        str | None,
        typer.Option(help="neard binary to make and run it with; default: the stand-in localneard."),
    ] = None,
    validators: Annotated[
        int,
        typer.Option(
            help="Validators, the pool that the hosts share being one; below 4 the chain waits for it."
        ),
    ] = 4,
    hosts: Annotated[int, typer.Option(help="Failover hosts that share the pool's key.")] = 3,
    block_time: Annotated[float, typer.Option(help="Shortest time between blocks, in seconds.")] = 1.0,
    address: Annotated[
        str, typer.Option(help="IP address that all nodes listen on, for hosts on other machines.")
    ] = "127.0.0.1",
    base_port: Annotated[
        int | None,
        typer.Option(help="First of the nodes' ports for peers; their RPC is 100 above. Default: free ones."),
    ] = None,
    chain_id: Annotated[str | None, typer.Option(help="The chain's id. Default: a random one.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a localnet that is there, chain included.")
    ] = False,
) -> None:
    """Make a localnet: keys, genesis and configuration of all nodes.

    Examples: hafailover localnet init --home net; hafailover localnet init --home net --neard ./neard
    """
    from hafailover.localnet import init_localnet

    with _told():
        localnet = init_localnet(
            home,
            neard=neard,
            validators=validators,
            hosts=hosts,
            block_time_s=block_time,
            address=address,
            base_port=base_port,
            chain_id=chain_id,
            force=force,
        )
    typer.echo(f"Made localnet {localnet.chain_id} in {localnet.home} with {localnet.neard}")
    typer.echo(f"  pool {localnet.pool.account_id}, key {localnet.pool.public_key}")
    typer.echo(f"  its credential, which the failover hosts share: {localnet.pool.credential}")
    for node in localnet.nodes:
        typer.echo(f"  {node.role:<9} {node.name:<6} RPC http://{node.rpc_addr}  home {node.home}")
    typer.echo(f"Start its plain validators: hafailover localnet up --home {home}")


@app.command()
def up(
    home: Home,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, and stop the nodes on Ctrl-C.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for blocks.", min=1)] = START_S,
) -> None:
    """Start the plain validators and wait for blocks. The failover hosts' neard is their guards' to start.

    Examples: hafailover localnet up --home net; hafailover localnet up --home net --foreground
    """
    from hafailover.localnet import Localnet
    from hafailover.localnet.background import start_in_background

    with _told():
        localnet = Localnet.load(home)
        if foreground:
            _run_in_foreground(localnet, timeout)
        else:
            started = start_in_background(localnet, timeout)
            typer.echo(
                f"Started {', '.join(started)}; blocks are being produced" if started else "Runs already"
            )
            typer.echo(f"Logs are in {localnet.log_folder}; stop it: hafailover localnet down --home {home}")


def _run_in_foreground(localnet: Localnet, timeout_s: float) -> None:
    from hafailover.localnet import LocalnetError, LocalnetProcesses

    # Both signals interrupt whatever goes on, and leaving the block stops the nodes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), LocalnetProcesses(localnet) as processes:
        processes.start(timeout_s)
        names = ", ".join(node.name for node in processes.nodes)
        typer.echo(f"{names} produce blocks; logs are in {localnet.log_folder}; Ctrl-C stops them")
        while not (ended := processes.ended()):
            time.sleep(_LOOK_S)
        tail = processes.process(ended[0]).log_tail()
        raise LocalnetError(f"node {ended[0]} has ended, so the others are stopped; its log:\n{tail}")
    typer.echo("Stopped")


@app.command()
def down(
    home: Home,
    timeout: Annotated[float, typer.Option(help="Seconds before nodes are killed.", min=0)] = STOP_S,
) -> None:
    """Stop all nodes that were started here.

    Example: hafailover localnet down --home net
    """
    from hafailover.localnet import Localnet
    from hafailover.localnet.background import stop_in_background

    with _told():
        stopped = stop_in_background(Localnet.load(home), timeout)
    typer.echo(f"Stopped {', '.join(stopped)}" if stopped else "Nothing ran")


@app.command()
def status(home: Home, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show all nodes. Exit code 0 only if every plain validator runs and the chain moves.

    Examples: hafailover localnet status --home net; hafailover localnet status --home net --json
    """
    from rich.console import Console

    from hafailover.localnet import Localnet
    from hafailover.localnet.chain import is_moving, view_nodes
    from hafailover.localnet.pidfiles import running_nodes

    with _told():
        localnet = Localnet.load(home)
        running = running_nodes(localnet.home)
        moving = is_moving(localnet)
        views = view_nodes(localnet.nodes)
    ok = moving and all(node.name in running and views[node.name].answers for node in localnet.validators)
    pids = {name: process.pid for name, process in running.items()}
    if as_json:
        typer.echo(json.dumps(_as_json(localnet, pids, views, moving=moving, ok=ok), indent=2))
    else:
        Console().print(_as_table(localnet, pids, views))
        typer.echo(f"The chain {'moves' if moving else 'stands still'}.")
    raise typer.Exit(0 if ok else 1)


def _as_json(
    localnet: Localnet, pids: dict[str, int], views: dict[str, NodeView], *, moving: bool, ok: bool
) -> dict[str, object]:
    nodes = [
        {
            "name": node.name,
            "role": node.role,
            "pid": pids.get(node.name),
            "rpc_addr": node.rpc_addr,
            "answers": view.answers,
            "height": view.height,
            "syncing": view.syncing,
            "peers": view.peers,
            "validator_key": view.validator_key,
            "version": view.version,
        }
        for node in localnet.nodes
        for view in (views[node.name],)
    ]
    pool = {"account_id": localnet.pool.account_id, "public_key": localnet.pool.public_key}
    return {"ok": ok, "moving": moving, "chain_id": localnet.chain_id, "pool": pool, "nodes": nodes}


def _as_table(localnet: Localnet, pids: dict[str, int], views: dict[str, NodeView]) -> Table:
    from rich.table import Table

    table = Table(title=f"localnet {localnet.chain_id}, pool {localnet.pool.account_id}", box=None)
    for heading in ("node", "role", "pid", "RPC", "height", "peers", "state"):
        table.add_column(heading, no_wrap=True, justify="left")
    for node in localnet.nodes:
        view = views[node.name]
        numbers = ("-" if one is None else str(one) for one in (view.height, view.peers))
        pid = str(pids.get(node.name, "-"))
        table.add_row(node.name, node.role, pid, node.rpc_addr, *numbers, _state(localnet, view))
    return table


def _state(localnet: Localnet, view: NodeView) -> str:
    if not view.answers:
        return "no answer"
    state = "syncing" if view.syncing else "in sync"
    return f"{state}, pool key" if view.validator_key == localnet.pool.public_key else state
