"""The process that sends one message by the library apprise: ``python -m hafailover.notify.messenger``.

Reads the task as JSON from stdin, writes what came of it as JSON to stdout, and ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from hafailover.notify.channel import again

STATUS = re.compile(r"error=(\d{3})\b")


def main() -> None:
    task = json.loads(sys.stdin.buffer.read())
    # Should the agent end before it: nothing stays behind.
    signal.alarm(int(task["timeout_s"]) + 10)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    with contextlib.suppress(OSError):
        os.nice(10)
    json.dump(send(task), sys.stdout)


def send(task: dict[str, Any]) -> dict[str, Any]:
    """What came of it: ``ok``, ``text`` for people, and whether that is ``final``."""
    try:
        import apprise
    except ImportError:
        return _failed("the Python package apprise is not installed", final=True)
    notes = _Notes()
    logging.getLogger("apprise").addHandler(notes)
    logging.getLogger("apprise").propagate = False
    asset = apprise.AppriseAsset(
        app_id="hafailover", app_desc="NEAR validator failover", app_url="", async_mode=False
    )
    service = apprise.Apprise.instantiate(task["url"], asset=asset, suppress_exceptions=True)
    if service is None:
        return _failed("it is no URL that apprise understands; see docs/notifications.md", final=True)
    # Of connecting and of reading, each; the whole is bounded from outside.
    service.socket_connect_timeout = service.socket_read_timeout = task["timeout_s"]
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    sent = sender.notify(
        title=task["title"],
        body=task["text"],
        notify_type=task["kind"],
        body_format=apprise.NotifyFormat.TEXT,
    )
    if sent:
        return {"ok": True, "text": "taken", "final": True}
    return notes.verdict()


class _Notes(logging.Handler):
    """The library's own words name tokens and hosts; only a status is taken from them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._status: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        match = STATUS.search(record.getMessage())
        if match is not None:
            self._status = int(match[1])

    def verdict(self) -> dict[str, Any]:
        if self._status is None:
            return _failed("no connection, or no answer in time", final=False)
        return _failed(f"the service answered {self._status}", final=not again(self._status))


def _failed(text: str, final: bool) -> dict[str, Any]:
    return {"ok": False, "text": text, "final": final}


if __name__ == "__main__":
    main()
