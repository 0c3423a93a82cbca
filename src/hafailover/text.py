"""Text from elsewhere that may go on: into records, logs and metrics, all of them UTF-8."""

from __future__ import annotations

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


def one_line(text: str) -> str:
    """The text with everything that is not printable as an escape: it stays one line, and moves no cursor."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text
    )
