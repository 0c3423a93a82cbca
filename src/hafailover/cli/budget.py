"""No drill and no planned handover where the validator may not miss much more in this epoch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import fail
from hafailover.cli.exit_codes import REFUSED

if TYPE_CHECKING:
    from hafailover.lock.client import Address

DespiteBudgetOption = Annotated[
    bool,
    typer.Option(
        "--despite-budget", help="Also where over half of what may be missed in this epoch has been missed."
    ),
]
DEADLINE_S = 2.0


def refuse_low_budget(address: Address, account_id: str, refused: str) -> None:
    """Ends the command if the hosts' records show that the budget is low.

    What they do not tell is no reason, and is said: an older agent, or a neard that cannot be asked, has no
    budget. Where Consul cannot be asked, the command itself says so.

    :param refused: what does not take place, as the message begins.
    """
    from hafailover.lock.errors import CallError
    from hafailover.lock.roster import Roster
    from hafailover.observe.budget import pools_budget, refusal, unknown_to_pool
    from hafailover.observe.records import parse_record

    try:
        entries = Roster(address, account_id, DEADLINE_S).entries(stale=False)
    except CallError:
        return
    hosts = [parse_record(entry) for entry in entries if entry.session is not None]
    active = next((host.node for host in hosts if host.role == "active"), None)
    if (why := refusal(pools_budget(hosts, active))) is not None:
        fail(f"{refused}: {why}", REFUSED)
    if (unknown := unknown_to_pool(hosts, active)) is not None:
        # A program reads stdout.
        print(f"hafailover: {unknown.text}; going on all the same", file=sys.stderr)
