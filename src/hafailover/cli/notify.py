"""``hafailover notify``: whether notifications reach anybody."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK, WRONG_SETTINGS
from hafailover.text import one_line

if TYPE_CHECKING:
    from hafailover.notify.channel import Channel
    from hafailover.notify.notice import Message

app = typer.Typer(no_args_is_help=True, help="Notifications of role changes, fences and failed drills.")

NONE = (
    "notify: nobody is told: set notify.webhook_file or notify.apprise_file, see docs/notifications.md "
    "(credentials of the service are seen by the service alone)"
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a channel's test. ``seconds``: until it was known."""

    channel: str
    ok: bool
    text: str
    seconds: float


@app.callback()
def _notify() -> None:
    """Keeps ``test`` a command of its own."""


@app.command()
def test(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Send a test message to every channel, once, and say what came of it.

    Exit code 1: some channel did not take it. Exit code 2: no channel, or one that cannot be used.

    Examples: hafailover notify test; hafailover notify test --json
    """
    from hafailover.notify.notice import Notice, Severity, What, message
    from hafailover.notify.sources import read_channels

    settings = settings_or_exit(config)
    channels, problems = read_channels(settings)
    if problems:
        fail("\n  ".join(["notifications that cannot be sent:", *problems]), WRONG_SETTINGS)
    if not channels:
        fail(NONE, WRONG_SETTINGS)
    text = f"A test from {settings.node_name}: notifications of {settings.account_id} reach you."
    notice = Notice(What.TEST, Severity.INFO, 0, f"a test from {settings.node_name}", text)
    told = message(notice, settings.account_id, settings.node_name)
    with ThreadPoolExecutor(len(channels)) as pool:
        results = list(pool.map(lambda channel: _try(channel, told), channels))
    if as_json:
        print(
            json.dumps({"v": 1, "id": told.id, "channels": [asdict(result) for result in results]}, indent=2)
        )
    else:
        width = max(len(result.channel) for result in results)
        for result in results:
            verdict = "sent" if result.ok else "FAILED"
            text = one_line(result.text)
            print(f"{result.channel:{width}}  {verdict}: {text}, after {result.seconds:.1f} s")
    raise typer.Exit(OK if all(result.ok for result in results) else NOT_GOOD)


def _try(channel: Channel, message: Message) -> Result:
    from hafailover.clock import boottime
    from hafailover.notify.channel import SendError

    began = boottime()
    try:
        ok, text = True, channel.send(message)
    except SendError as error:
        ok, text = False, str(error)
    return Result(channel.name, ok, text, round(boottime() - began, 2))
