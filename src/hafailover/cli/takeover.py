"""``hafailover takeover --force``: the break-glass for a dead Consul."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK, REFUSED, UNREACHABLE, WRONG_SETTINGS
from hafailover.cli.status import address_of
from hafailover.clock import boottime

if TYPE_CHECKING:
    from hafailover.config.settings import Settings
    from hafailover.lock.client import Address
    from hafailover.near.rpc import NeardRpc, Production
    from hafailover.takeover.documents import Answer, Files
    from hafailover.takeover.evidence import Seen

WATCH_S = 30.0
WATCH_MOST_S = 600.0
LOOK_S = 2.0
ANSWER_S = 30.0
SILENT = "the agent did not take the order"
RISK = """\
This host will sign for {account} WITHOUT A LEASE. Nothing but you makes sure that no other host does.
  - If Consul is alive anywhere else, its hosts sign too: that is a double signature.
  - Stop hafailover on every other host first, if you can reach it: systemctl stop hafailover neard
  - It ends as soon as Consul answers this host, or with: hafailover takeover --end
  - Revive Consul on this host first: it does not see one that lives on the others alone
"""


def add_to(app: typer.Typer) -> None:
    app.command("takeover")(takeover)


def takeover(
    force: Annotated[bool, typer.Option("--force", help="Sign on this host without a lease.")] = False,
    end: Annotated[bool, typer.Option("--end", help="Give the key up again.")] = False,
    consul_down: Annotated[
        bool,
        typer.Option(
            "--local-consul-down",
            help="Also where this host's own Consul does not answer, which says nothing of the others.",
        ),
    ] = False,
    watch: Annotated[
        float,
        typer.Option(
            "--watch",
            metavar="SECONDS",
            min=WATCH_S,
            max=WATCH_MOST_S,
            help="Watch the chain so long at most.",
        ),
    ] = 120.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign without a lease on this very host, where Consul is dead and cannot be revived. The last resort.

    It asks Consul, watches the chain for another signer, and asks for the pool's account to be typed. This
    host gives way as soon as Consul answers again. docs/runbook.md tells when to use it, and the risk.

    Examples: hafailover takeover --force; hafailover takeover --end
    """
    from hafailover.takeover.documents import Files

    if force == end:
        fail(
            "takeover: give either --force or --end; without Consul's lease nothing else is safe",
            WRONG_SETTINGS,
        )
    settings = settings_or_exit(config)
    files = Files(settings.state_dir, settings.account_id, settings.node_name)
    try:
        if end:
            _end(files, as_json)
        _ask_consul(config, settings, consul_down)
        seen = _watch_the_chain(settings, watch, as_json)
        _confirm(settings.account_id)
        _order(files, consul_down, seen, as_json)
    except OSError as error:
        fail(
            f"state_dir: {settings.state_dir}: {error.strerror}; run this on the agent's host, as root",
            WRONG_SETTINGS,
        )


def _end(files: Files, as_json: bool) -> None:
    stood = files.end_order()
    answer = _await_answer(files, lambda one: one.state == "over") if stood else None
    if not stood:
        text = "no takeover without a lease stands"
    elif answer is None:
        text = f"the agent has not confirmed within {ANSWER_S:g} s that the key is gone; see its log"
    else:
        text = "this host has given the key up"
    ended = answer is not None
    print(json.dumps({"v": 1, "ended": ended, "text": text}) if as_json else text)
    raise typer.Exit(OK if ended else NOT_GOOD if stood else REFUSED)


def _await_answer(files: Files, wanted: Callable[[Answer], bool]) -> Answer | None:
    end = boottime() + ANSWER_S
    while boottime() < end:
        answer = files.answer()
        if answer is not None and wanted(answer):
            return answer
        time.sleep(0.2)
    return None


def _ask_consul(config: ConfigOption, settings: Settings, consul_down: bool) -> None:
    from hafailover.takeover.silence import Consul, Probe

    address, account_id = address_of(config)
    said = Probe(address, account_id, settings.node_name).ask()
    if said is Consul.ANSWERS:
        fail("Consul answers, so a lease can be had: hafailover switchover, or hafailover explain", REFUSED)
    if said is Consul.NO_COMMIT:
        print(f"hafailover: {_whom_to_stop(address, account_id)}; that may be all it takes", file=sys.stderr)
    if said is Consul.DOWN and not consul_down:
        fail(
            "this host's Consul does not answer, which says nothing of the others: start it "
            "(systemctl start consul), or make sure that all other servers are dead: --local-consul-down",
            REFUSED,
        )


def _whom_to_stop(address: Address, account_id: str) -> str:
    from hafailover.lock.errors import CallError
    from hafailover.lock.roster import whom_to_stop_in
    from hafailover.takeover.silence import Consul

    try:
        return whom_to_stop_in(address, account_id)
    except CallError:
        return Consul.NO_COMMIT.value


def _watch_the_chain(settings: Settings, most_s: float, quiet: bool) -> Seen:
    """Ends the command unless the chain has shown that nobody signs."""
    from hafailover.cli.daemons import RpcOpener
    from hafailover.near.rpc import RpcError

    try:
        with RpcOpener(settings)() as rpc:
            seen = _look_until_sure(rpc, settings.account_id, most_s, quiet or not sys.stderr.isatty())
    except RpcError as error:
        fail(f"neard could not be asked, so another signer would not be seen: {error}", UNREACHABLE)
    if seen is None or not seen.nobody:
        fail(_why_not(seen), REFUSED)
    return seen


def _why_not(seen: Seen | None) -> str:
    if seen is not None and seen.signer:
        return (
            f"another host signs: {seen.produced} of the pool's blocks, chunks and endorsements appeared in "
            f"the last {seen.blocks} blocks"
        )
    still = seen is None or not seen.blocks
    what = "the chain stands still" if still else "nothing was expected of the pool"
    return f"{what}, so another signer would not be seen; look longer: --watch {WATCH_MOST_S:g}"


def _look_until_sure(rpc: NeardRpc, account_id: str, most_s: float, quiet: bool) -> Seen | None:
    from hafailover.takeover.evidence import compare

    began, seen = boottime(), None
    first = _look(rpc, account_id)
    while (passed := boottime() - began) < most_s:
        time.sleep(LOOK_S)
        last = _look(rpc, account_id)
        seen = compare(first, last)
        if seen is None:
            # An epoch has ended, and the counts have begun anew.
            first = last
            continue
        if not quiet:
            print(
                f"watching the chain: {passed:.0f} s, {seen.blocks} blocks; {seen.produced} produced of "
                f"{seen.expected} expected of the pool",
                file=sys.stderr,
            )
        if seen.signer or (passed >= WATCH_S and seen.nobody):
            return seen
    return seen


def _look(rpc: NeardRpc, account_id: str) -> tuple[int, Production]:
    from hafailover.near.rpc import RpcError

    production = rpc.production(account_id)
    if production is None:
        raise RpcError(f"{account_id} is no validator of this epoch")
    return rpc.status().height, production


def _confirm(account_id: str) -> None:
    print(RISK.format(account=account_id), file=sys.stderr)
    print(f"Type the pool's account ({account_id}) to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != account_id:
        fail("that is not the pool's account; nothing was done", REFUSED)


def _order(files: Files, consul_down: bool, seen: Seen, as_json: bool) -> None:
    from hafailover.agent.identity import boot_id
    from hafailover.cli.switchover import whoami
    from hafailover.takeover.documents import Order

    order = Order(id=uuid.uuid4().hex, by=whoami(), at=boottime(), boot=boot_id(), consul_down=consul_down)
    files.put_order(order)
    answer = _await_answer(files, lambda one: one.id == order.id)
    signing = answer is not None and answer.state == "signing"
    if answer is None:
        files.end_order()
    text = answer.text if answer is not None else f"{SILENT} within {ANSWER_S:g} s: does it run on this host?"
    if as_json:
        watched = {"blocks_watched": seen.blocks, "expected": seen.expected}
        print(json.dumps({"v": 1, "signing": signing, "text": text, **watched}))
    elif signing:
        print(f"{text}. End it with: hafailover takeover --end")
    if not signing:
        fail(f"refused: {text}", REFUSED)
