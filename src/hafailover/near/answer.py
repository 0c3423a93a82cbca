"""JSON of neard's, parsed only where that cannot take long: Python does nothing else meanwhile.

``json.loads`` holds the interpreter's lock from beginning to end. 15 MB of ``[],[],...`` take it five
seconds, in which no thread of the agent beats. What takes the time is the number of values, far more than
that of bytes (250 000 take some 0.1 s), so both are bounded before anything is parsed; to count takes a
millisecond for each MiB.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MOST_DIGITS = 40
"""Of a whole number: 128 bits have 39, and amounts in yocto are texts. More cost time by their square."""
TOO_LONG = b"0" * (MOST_DIGITS + 1)
ALL_ZEROS = bytes.maketrans(b"123456789", b"000000000")


class TooMuchError(Exception):
    """An answer beyond its bound; the text says which."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that an answer may be."""

    size: int
    """In bytes."""
    values: int
    """Array elements and object members, some more where texts have commas or brackets in them."""


def parse(raw: bytes, bound: Bound) -> Any:
    """The value. Nesting is bounded by Python's own limit, some thousand levels.

    :raises TooMuchError: see there.
    :raises ValueError: not JSON as neard writes it.
    """
    if len(raw) > bound.size:
        raise TooMuchError(f"an answer of more than {bound.size >> 10} KiB")
    if sum(raw.count(sign) for sign in (b",", b"[", b"{")) > bound.values:
        raise TooMuchError(f"an answer of more than {bound.values} values")
    # To look at each number takes longer than all the rest; most answers have none that could be too long.
    whole = _whole if TOO_LONG in raw.translate(ALL_ZEROS) else int
    try:
        return json.loads(raw, parse_int=whole, parse_constant=_none_such)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


def _none_such(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
