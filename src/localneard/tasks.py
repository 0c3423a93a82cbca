"""Tasks that may not fail unseen: as in neard, whose build aborts on a panic, a fault ends the process."""

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any, NoReturn

log = logging.getLogger("neard")

_running: set[asyncio.Task[Any]] = set()


def panic(message: str, error: BaseException | None = None) -> NoReturn:
    """End the process by SIGABRT, after a line that says why."""
    log.error("panicked: %s", message, exc_info=error)
    os.abort()


def spawn(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task whose failure, other than being cancelled, ends the process."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)
    task.add_done_callback(_done)
    return task


def _done(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        panic(f"{task.get_coro()} failed: {error!r}", error)


def on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what asyncio reports itself: a failed callback ends the process, the rest is only said."""
    error = context.get("exception")
    if error is not None and ("handle" in context or "task" in context or "future" in context):
        panic(f"{context['message']}: {error!r}", error)
    log.warning("%s: %r", context["message"], error)
