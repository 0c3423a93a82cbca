"""``hafailover allow-first-term``: lets this host sign first, whatever the chain shows of another signer."""

from __future__ import annotations

import json
import uuid
from typing import Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import OK, REFUSED, WRONG_SETTINGS

RISK = """\
This host may now sign for {account} although the chain shows that somebody does, or cannot show that
nobody does. Another neard with this key that still runs makes a double signature. It still waits for the
longest time that a host of this pool may keep the key. The order is for one term, and void in {minutes:g}
minutes.
"""


def add_to(app: typer.Typer) -> None:
    app.command("allow-first-term")(allow_first_term)


def allow_first_term(
    account: Annotated[
        str, typer.Option("--account", metavar="ACCOUNT", help="The pool's account, to be sure.")
    ] = "",
    end: Annotated[bool, typer.Option("--end", help="Take the order back.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let this very host sign although "somebody else signs" or nothing shows that nobody does.

    A host with no active before it on record waits until the chain has shown that nobody works for the
    account. Give this order on the host that waits, once you know that no other neard has the key.
    docs/runbook.md tells how to find one.

    Examples: hafailover allow-first-term --account pool.near; hafailover allow-first-term --end
    """
    from hafailover.cli.switchover import whoami
    from hafailover.takeover.first_term import VALID_S, FirstTermFile

    settings = settings_or_exit(config)
    file = FirstTermFile(settings.state_dir, settings.account_id, settings.node_name)
    if end == bool(account):
        fail(
            f"allow-first-term: give either --account {settings.account_id} or --end",
            WRONG_SETTINGS,
        )
    if account and account != settings.account_id:
        fail(f"--account: {account} is not this pool's account; nothing was done", REFUSED)
    try:
        if end:
            stood = file.end()
            text = "the order is taken back" if stood else "no such order stood"
            print(json.dumps({"v": 1, "was_allowed": stood}) if as_json else text)
            raise typer.Exit(OK)
        order = file.put(whoami(), uuid.uuid4().hex)
    except OSError as error:
        fail(
            f"state_dir: {settings.state_dir}: {error.strerror}; run this on the agent's host, as root",
            WRONG_SETTINGS,
        )
    if as_json:
        print(json.dumps({"v": 1, **order.model_dump(), "valid_s": VALID_S}))
    else:
        print(RISK.format(account=settings.account_id, minutes=VALID_S / 60), end="")
        print("to take it back: hafailover allow-first-term --end")
