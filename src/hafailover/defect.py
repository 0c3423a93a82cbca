"""A part of the process that ends by a defect takes the whole process with it, and systemd starts a new one.

Half an agent is worse than none: it goes on beating while its page, its metrics or its eyes are gone for
good. The guard keeps the last grant meanwhile, so that an agent that is back in time costs nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    # The agent has no use for it.
    import asyncio

log = logging.getLogger(__name__)

EXIT_DEFECT = 70
"""EX_SOFTWARE of sysexits.h."""
TELL_S = 2
"""Whole seconds in which the last line must be out: stderr may be a pipe that nobody reads."""


_first: list[Callable[[], None]] = []


def first(act: Callable[[], None]) -> None:
    """Has this done before all else when a defect ends the process. It must not wait."""
    _first.append(act)


def end_process(text: str, error: BaseException) -> NoReturn:
    """Logs the defect and ends the process at once, without the exit handlers: one of them could wait."""
    # Should the line not get out, the signal's default action ends the process.
    signal.alarm(TELL_S)
    try:
        for act in _first:
            act()
        log.critical("%s; the process ends", text, exc_info=(type(error), error, error.__traceback__))
        for handler in logging.getLogger().handlers:
            # For a second at most: the lines are written by a thread.
            handler.flush()
    finally:
        os._exit(EXIT_DEFECT)


def in_thread(args: threading.ExceptHookArgs) -> None:
    """For ``threading.excepthook``."""
    name = args.thread.name if args.thread is not None else "unknown"
    end_process(f"thread {name} ended by a defect", args.exc_value or args.exc_type())


def in_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For ``set_exception_handler``: what a callback or a connection of asyncio's did not catch.

    A connection that breaks and descriptors that run out are no defects; they are told and go by.
    """
    error = context.get("exception")
    text = str(context.get("message", "asyncio"))
    if error is None or isinstance(error, OSError):
        log.warning("%s%s", text, f": {error}" if error is not None else "")
        return
    end_process(text, error)


def in_task(task: asyncio.Task[Any]) -> None:
    """For ``add_done_callback``: asyncio itself would tell of the defect when the task is forgotten."""
    if not task.cancelled() and (error := task.exception()) is not None:
        end_process(f"task {task.get_name()} ended by a defect", error)
