"""Which of two versions is newer."""

from __future__ import annotations

import re
from collections.abc import Iterable

VERSION = re.compile(r"(\d+(?:\.\d+)*)(.*)")
Key = tuple[tuple[int, ...], bool, tuple[int, ...]]


def key(version: str) -> Key:
    """For sorting: ``2.10.0-rc.1`` is before ``2.10.0``, and what holds no number is before everything."""
    match = VERSION.search(version)
    if match is None:
        return ((), False, ())
    numbers = tuple(int(part) for part in match[1].split("."))
    rest = tuple(int(part) for part in re.findall(r"\d+", match[2]))
    early = re.match(r"[-.]?(rc|a|b|alpha|beta|dev|pre)", match[2]) is not None
    return (numbers, not early, rest)


def newest(versions: Iterable[str]) -> str:
    """Empty if there are none."""
    return max((one for one in versions if one), key=key, default="")


def reaches(version: str, target: str) -> bool:
    """Whether it is the target or newer; never, if either is unknown."""
    return bool(version) and bool(target) and key(version) >= key(target)
