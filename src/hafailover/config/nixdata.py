"""What the NixOS module knows of timing and of rights, made from the program's own.

``python -m hafailover.config.nixdata FOLDER`` writes ``timing.json`` (profiles and bounds),
``timing-cases.json`` and ``policy.json`` (the least policies of tokens) into it. The module refuses wrong
timings while it is evaluated, so it states the rules in its own language; the cases (changes of a profile,
and the settings that the broken rules name) hold both together.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from hafailover import timing
from hafailover.lock.policy import host_policy, operator_policy
from hafailover.near.files import write_whole
from hafailover.timing import PROFILES, Profile, violations, with_changes

_SETTING = re.compile(r"timing\.(\w+) (?:is|\+)")
_CASES: tuple[tuple[str, dict[str, float]], ...] = (
    ("default", {}),
    ("fast", {}),
    ("wide", {}),
    ("default", {"fence_after_s": 5}),
    ("default", {"fence_after_s": 4.4}),
    ("default", {"fence_after_s": 4.3}),
    ("wide", {"fence_after_s": 6.3}),
    ("default", {"beat_s": 0.5, "fence_after_s": 4}),
    ("default", {"drop_budget_s": 0.5}),
    ("default", {"drop_budget_s": 0.4}),
    ("wide", {"fence_after_s": 13.1}),
    ("wide", {"fence_after_s": 12, "drop_budget_s": 3}),
    ("wide", {"fence_after_s": 12, "drop_budget_s": 3.1}),
    ("default", {"margin_s": 0.4}),
    ("default", {"margin_rate": 0.009}),
    ("default", {"margin_s": 3, "margin_rate": 0.2}),
    ("default", {"session_ttl_s": 10}),
    ("wide", {"session_ttl_s": 12}),
    ("default", {"check_ttl_s": 2.2}),
    ("default", {"check_ttl_s": 2.3}),
    ("default", {"session_ttl_s": 9}),
    ("default", {"call_deadline_s": 2.6}),
    ("default", {"beat_s": 0}),
    ("default", {"call_deadline_s": 0}),
    ("default", {"retry_s": 0}),
    ("fast", {"retry_s": 1, "margin_s": 0.1, "drop_budget_s": 0.1}),
)


def profile_values(profile: Profile) -> dict[str, Any]:
    """Every value of a profile and what follows from it, in seconds (``margin_rate``: a fraction)."""
    values = {field.name: getattr(profile, field.name) for field in fields(profile) if field.name != "name"}
    derived = ("agent_watchdog_s", "guard_watchdog_s", "gone_within_s")
    return {**values, **{name: getattr(profile, name) for name in derived}}


def timing_table() -> dict[str, Any]:
    """``timing.json``: the profiles, and the bounds of the rules. Times in seconds."""
    return {
        "profiles": {name: profile_values(profile) for name, profile in PROFILES.items()},
        "bounds": {
            "longest_gone_within_s": timing.LONGEST_GONE_WITHIN_S,
            "min_agent_watchdog_s": timing.MIN_AGENT_WATCHDOG_S,
            "min_grant_s": timing.MIN_GRANT_S,
            "min_drop_budget_s": timing.MIN_DROP_BUDGET_S,
            "min_margin_s": timing.MIN_MARGIN_S,
            "min_margin_rate": timing.MIN_MARGIN_RATE,
            "consul_min_session_ttl_s": timing.CONSUL_MIN_SESSION_TTL_S,
        },
    }


def timing_cases() -> list[dict[str, Any]]:
    """``timing-cases.json``: each rule broken at least once, and changes that break none."""
    return [
        {"profile": name, "changes": changes, "broken": broken_settings(name, changes)}
        for name, changes in _CASES
    ]


def broken_settings(profile: str, changes: dict[str, float]) -> list[str]:
    """The setting that each broken rule begins with, in the order of the rules."""
    found = []
    for text in violations(with_changes(PROFILES[profile], changes)):
        match = _SETTING.match(text)
        assert match is not None, text
        found.append(match[1])
    return found


def policies() -> dict[str, list[str]]:
    """``policy.json``: the rules, with ``@...@`` for what differs from host to host."""
    return {
        "host": host_policy("@account_id@", "@node_name@", "@consul_node@"),
        "operator": operator_policy("@account_id@", "@consul_node@"),
    }


def files() -> dict[str, str]:
    """The files' names and texts."""
    return {
        "timing.json": json.dumps(timing_table(), indent=2) + "\n",
        "policy.json": json.dumps(policies(), indent=2) + "\n",
        "timing-cases.json": json.dumps(timing_cases(), indent=2) + "\n",
    }


def write(folder: Path) -> None:
    """Writes the files, each in one step.

    :raises OSError: the folder is missing or cannot be written to.
    """
    for name, text in files().items():
        write_whole(folder / name, text.encode(), 0o644)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
