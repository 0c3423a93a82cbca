"""What somebody has written into neard's config.json by hand, told from what we and neard wrote. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
MOST_NAMES = 40


def differences(before: Json, now: Json) -> Json:
    """What ``now`` says that ``before`` does not, or says otherwise; objects are looked into."""
    found: Json = {}
    for name, value in now.items():
        if name not in before:
            found[name] = value
        elif isinstance(value, dict) and isinstance(before[name], dict):
            if inner := differences(before[name], value):
                found[name] = inner
        # In Python, 1 equals true.
        elif value != before[name] or type(value) is not type(before[name]):
            found[name] = value
    return found


def without(values: Json, managed: Json) -> Json:
    """``values`` less what ``managed`` has a word on."""
    found: Json = {}
    for name, value in values.items():
        if name not in managed:
            found[name] = value
        elif (
            isinstance(value, dict)
            and isinstance(managed[name], dict)
            and (inner := without(value, managed[name]))
        ):
            found[name] = inner
    return found


def names(values: Json, prefix: str = "") -> Iterator[str]:
    """The names of all values that are no objects, such as ``rpc.addr``."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from names(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def gone(before: Json, now: Json, prefix: str = "") -> Iterator[str]:
    """What ``before`` says and ``now`` does not at all."""
    for name, value in before.items():
        if name not in now:
            yield f"{prefix}{name}"
        elif isinstance(value, dict) and isinstance(now[name], dict):
            yield from gone(value, now[name], f"{prefix}{name}.")


def changed(before: Json, now: Json, prefix: str = "") -> Iterator[str]:
    """What both say, each otherwise."""
    for name, value in differences(before, now).items():
        if name not in before:
            continue
        if isinstance(value, dict) and isinstance(before[name], dict):
            yield from changed(before[name], now[name], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def listed(found: Iterator[str]) -> str:
    """For a log line; empty if there are none."""
    every = sorted(found)
    more = [f"and {len(every) - MOST_NAMES} more"] if len(every) > MOST_NAMES else []
    return ", ".join([*every[:MOST_NAMES], *more])
