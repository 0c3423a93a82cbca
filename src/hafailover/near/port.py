"""Port numbers as they stand in addresses."""

from __future__ import annotations

MAX_DIGITS = 20
"""Python refuses to read numbers of thousands of digits, with an error of its own."""


def port_number(text: str) -> int | None:
    """The port that ``text`` names, or ``None``."""
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_DIGITS:
        return None
    return int(text) if 0 < int(text) < 65536 else None
