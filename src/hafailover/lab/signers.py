"""Who had the key loaded when: from what stand-ins note of themselves, over all hosts of a pool."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from hafailover.clock import boottime
from hafailover.lab.guardlog import guard_lines
from hafailover.lab.host import FailoverHost

KEY_EVENTS = Path("data") / "key_events.jsonl"


@dataclass(frozen=True, slots=True)
class Holding:
    """A host's neard had the key loaded from ``start`` to ``end``, in seconds on CLOCK_BOOTTIME."""

    host: str
    start: float
    end: float


def holdings(host: FailoverHost, public_key: str) -> list[Holding]:
    """When the host's neards held the key; empty for a real neard, which keeps no such notes.

    A neard that was killed notes no end: it is the guard's word for its death, or the moment the host died.
    """
    found = []
    events = [
        event for event in _events(host.node.home / KEY_EVENTS) if event.get("public_key") == public_key
    ]
    ends = sorted([line.at for line in guard_lines(host.guard_log) if line.gone] + host.killed_at)
    for number, event in enumerate(events):
        if event["event"] != "load":
            continue
        start, pid = float(event["boottime"]), event["pid"]
        later = events[number + 1 :]
        dropped = next(
            (float(e["boottime"]) for e in later if e["event"] == "drop" and e["pid"] == pid), None
        )
        if dropped is None:
            bounds = [end for end in ends if end >= start] + [float(e["boottime"]) for e in later]
            dropped = min(bounds, default=boottime())
        found.append(Holding(host.name, start, dropped))
    return found


def overlaps(hosts: list[FailoverHost], public_key: str) -> list[str]:
    """Every time that two hosts had the key loaded at once, in words. Empty is what must be."""
    everything = [holding for host in hosts for holding in holdings(host, public_key)]
    return [
        f"{one.host} and {other.host} both had the key loaded for "
        f"{(min(one.end, other.end) - max(one.start, other.start)) * 1000:.0f} ms"
        for one, other in combinations(everything, 2)
        if one.host != other.host and max(one.start, other.start) < min(one.end, other.end)
    ]


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            # Torn by a full disk; its neighbours still bound the time.
            continue
        if isinstance(event, dict) and {"event", "boottime", "pid"} <= event.keys():
            events.append(event)
    return events
