"""Documents that are nearly right: a valid one with a field exchanged, taken away, said twice or cut short.

Random text hardly ever gets past the first brace; these get everywhere in a parser.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

Json = Any
T = TypeVar("T")

ODD: tuple[Json, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    1.5,
    -0.0,
    1e-300,
    (1 << 63) - 1,
    1 << 63,
    10**400,
    math.inf,
    -math.inf,
    math.nan,
    "",
    "0",
    "7",
    "null",
    "NaN",
    "\0",
    "\n",
    "\ud800",
    "\udcff",
    "a" * 300,
    "1" * 5000,
    [],
    {},
    [[]],
    [None],
    {"": {}},
)
"""What a field may hold instead: each kind, and the edges of each."""

NESTING = 100_000
TEXT_PARTS = (
    b"\xff",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b"9" * 5000,
    b"0x10",
    b"\\ud800",
    b'"',
    b"\\",
    b"/*",
    b"//",
    b"#",
    b"{",
    b"}",
    b"[",
    b",",
    b"\r\n\r\n",
    b"\n",
    b"[" * NESTING,
    b'{"a":' * NESTING,
)
ENCODINGS = ("utf-16", "utf-32", "utf-8-sig")


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
# To make a strategy takes longer than to draw from it: these are made once.
_INDEX = st.integers(0, (1 << 16) - 1)
_ODD = st.sampled_from(ODD)


def odd_values() -> st.SearchStrategy[Json]:
    """One of the known edges, or anything small."""
    return _ODD | _ANYTHING


def number(draw: st.DrawFn, least: int, most: int) -> int:
    return least + draw(_INDEX) % (most - least + 1)


def one_of(draw: st.DrawFn, choices: Sequence[T]) -> T:
    return choices[draw(_INDEX) % len(choices)]


@st.composite
def changed(draw: st.DrawFn, document: Json, most: int = 2) -> Json:
    """A document with up to ``most`` of its fields, however deep, changed; none at all now and then."""
    holder = [copy.deepcopy(document)]
    for _ in range(one_of(draw, (0, 1, 1, 1, most))):
        _change(draw, holder)
    return holder[0]


@st.composite
def raw(draw: st.DrawFn, document: Json, most: int = 2) -> bytes:
    """A changed document as text, itself damaged now and then."""
    data = json.dumps(draw(changed(document, most))).encode()
    kind = one_of(draw, ("whole",) * 5 + ("damaged", "damaged", "encoded"))
    if kind == "damaged":
        return draw(damaged(data))
    return data.decode().encode(one_of(draw, ENCODINGS)) if kind == "encoded" else data


@st.composite
def damaged(draw: st.DrawFn, data: bytes, most: int = 2) -> bytes:
    """Bytes cut short, flipped, repeated, taken out, or with something put between."""
    for _ in range(number(draw, 1, most)):
        at = number(draw, 0, max(0, len(data) - 1))
        to = min(len(data), at + number(draw, 1, 40))
        match one_of(draw, ("cut", "flip", "twice", "out", "between", "instead")):
            case "cut":
                data = data[:at]
            case "flip":
                data = (
                    data[:at] + bytes([data[at] ^ (1 << number(draw, 0, 7))]) + data[at + 1 :]
                    if data
                    else b""
                )
            case "twice":
                data = data[:to] + data[at:]
            case "out":
                data = data[:at] + data[to:]
            case "between":
                data = data[:at] + one_of(draw, TEXT_PARTS) + data[at:]
            case _:
                data = data[:at] + one_of(draw, TEXT_PARTS) + data[to:]
    return data


def _change(draw: st.DrawFn, holder: list[Json]) -> None:
    found = places(holder)
    container, key = one_of(draw, found)
    top = container is holder
    match one_of(draw, ("odd", "odd", "odd", "delete", "other", "again", "wrap", "deep")):
        case "delete" if not top:
            del container[key]
        case "other":
            # What is right in one place, in another.
            other, at = one_of(draw, found)
            container[key] = copy.deepcopy(other[at])
        case "again" if isinstance(container, list) and not top:
            container.append(copy.deepcopy(container[key]))
        case "again" if not top:
            container[f"{key}{one_of(draw, ('_', ' ', 's', chr(0x130)))}"] = copy.deepcopy(container[key])
        case "wrap":
            container[key] = one_of(draw, ([container[key]], {"": container[key]}, str(container[key])))
        case "deep":
            deep: Json = container[key]
            for _ in range(one_of(draw, (5, 60, 300))):
                deep = [deep]
            container[key] = deep
        case _:
            container[key] = copy.deepcopy(one_of(draw, ODD) if number(draw, 0, 2) else draw(_ANYTHING))


def places(container: Json) -> list[tuple[Json, Any]]:
    """Every value of a document by its container and key, but nothing below great depths."""
    found: list[tuple[Json, Any]] = []
    below = [(container, 0)]
    while below:
        now, depth = below.pop()
        for key in range(len(now)) if isinstance(now, list) else list(now):
            found.append((now, key))
            if isinstance(now[key], list | dict) and depth < 8:
                below.append((now[key], depth + 1))
    return found
