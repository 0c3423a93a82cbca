"""Slack, Matrix, Telegram, PagerDuty, e-mail and the rest of what the library apprise knows.

It runs in a process of its own for each message: the agent neither loads the library nor waits for it, and
what does not end in time is killed.
"""

from __future__ import annotations

import json
import os
import subprocess

from hafailover import interpreter
from hafailover.notify.channel import Channel, SendError
from hafailover.notify.notice import Message, Severity

KIND = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
START_S = 10.0
"""For the interpreter and the library, on a machine that is busy; they take half a second on an idle one."""
NOT_PASSED_ON = ("HAFAILOVER_", "CONSUL_", "CREDENTIALS_", "NOTIFY_", "WATCHDOG_", "LISTEN_")


class Service(Channel):
    """:param timeout_s: for one try, in seconds, beside the start of the process."""

    def __init__(self, name: str, events: frozenset[str] | None, url: str, timeout_s: float) -> None:
        super().__init__(name, events)
        self._url = url
        self._timeout_s = timeout_s

    def send(self, message: Message) -> str:
        # By stdin: a command line can be read by everybody on the machine.
        task = {
            "url": self._url,
            "title": message.title,
            "text": message.text,
            "kind": KIND[message.severity],
            "timeout_s": self._timeout_s,
        }
        base = {key: value for key, value in os.environ.items() if not key.startswith(NOT_PASSED_ON)}
        # Credentials for a host in ~/.netrc are not for us to give away; requests, which apprise uses, would.
        base["NETRC"] = os.devnull
        try:
            done = subprocess.run(
                interpreter.command("hafailover.notify.messenger"),
                input=json.dumps(task).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=interpreter.environment(base),
                timeout=self._timeout_s + START_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SendError(f"no answer within {self._timeout_s:g} s") from None
        except OSError as error:
            raise SendError(f"the process that sends it cannot be started: {error.strerror}") from None
        return _result(done.stdout)


def _result(output: bytes) -> str:
    try:
        result = json.loads(output)
        ok, text, final = result["ok"] is True, str(result["text"]), result["final"] is True
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SendError("the process that sends it has died") from None
    if not ok:
        raise SendError(text, final)
    return text
