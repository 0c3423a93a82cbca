"""Text from elsewhere that may go on: into records, logs and metrics, all of them UTF-8."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeGuard


def is_text(value: Any) -> TypeGuard[str]:
    """Whether it is a string that UTF-8 can hold; JSON's ``\\ud800`` makes one that it cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


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
