"""Text from elsewhere that may go on: into records, logs and metrics, all of them UTF-8."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, TypeGuard

NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
"""A host's name in its pool."""


def is_text(value: Any) -> TypeGuard[str]:
    """Whether it is a string that UTF-8 can hold; JSON's ``\\ud800`` makes one that it cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_node_name(value: Any) -> TypeGuard[str]:
    """Whether a host can have this name."""
    return isinstance(value, str) and NODE_NAME.fullmatch(value) is not None


def unix_time(text: str) -> float:
    """A time such as ``2025-12-10T13:12:02Z`` in seconds since 1970.

    :raises ValueError: no time, or one without its zone. :raises OverflowError: one beyond all calendars.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at.timestamp()


def one_line(text: str) -> str:
    """The text with everything that is not printable as an escape: it stays one line, and moves no cursor."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text
    )


def lines(text: str) -> str:
    """The same, but line breaks stay: for a message that may have several lines."""
    return "\n".join(map(one_line, text.split("\n")))


def printable(value: Any) -> Any:
    """JSON from elsewhere with all its texts as :func:`one_line` makes them, names of fields included."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {one_line(name): printable(one) for name, one in value.items()}
    return [printable(one) for one in value] if isinstance(value, list) else value
