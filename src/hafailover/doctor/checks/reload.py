"""What the next change of signer would apply beside the key: edits of config.json that wait for a reload.

The guard's SIGHUP has neard read all of config.json again. Some fields of it take effect then (nearcore,
core/chain-configs/src/updatable_config.rs; the timing of blocks since pull request 15742 of 2026-05).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hafailover.doctor.finding import Finding, ok, skipped, warning
from hafailover.near.answer import Bound, TooMuchError, parse
from hafailover.near.routing import release_of
from hafailover.text import one_line

ALWAYS = ("expected_shutdown", "resharding_config", "produce_chunk_add_transactions_time_limit")
TIMING = (
    "block_production_tracking_delay",
    "min_block_production_delay",
    "max_block_production_delay",
    "max_block_wait_delay",
    "chunk_wait_mult",
    "doomslug_step_period",
)
"""Of ``consensus`` in config.json; plain members of what ``client_config`` answers."""
TIMING_SINCE = (2, 12)
"""A release that may have the timing hot-reloadable also where its answer does not show it by its form."""
MOST_CHARS = 120
BOUND = Bound(1 << 16, 5_000)
_SECONDS = re.compile(r"(\d{1,18})\.(\d{9})")
_MISSING = object()


def judge(config: dict[str, Any], running: Any, neard: str) -> list[Finding]:
    """:param config: config.json as it is now.

    :param running: the answer to ``client_config``; ``None`` if there was none.
    :param neard: the release that runs.
    """
    if not isinstance(running, dict):
        return [skipped("neard.reload", "this neard does not tell what configuration it runs with")]
    found = [
        warning(
            "neard.reload",
            f"config.json says {name} = {_shown(now)}, and neard runs with {_shown(then)}: the next change "
            "of signer would apply it in passing, since the key is loaded and dropped by a reload",
            "take the edit back, or restart neard now (on the active, hand over first)",
        )
        for name, now, then in waiting(config, running, neard)
    ]
    return found or [ok("neard.reload", "a reload would change nothing but the key")]


def waiting(config: dict[str, Any], running: dict[str, Any], neard: str) -> Iterator[tuple[str, Any, Any]]:
    """Name, value in config.json and value that runs, of each field that a reload would change."""
    consensus = config.get("consensus")
    sections = [(name, name, config) for name in ALWAYS]
    if isinstance(consensus, dict):
        sections += [(f"consensus.{name}", name, consensus) for name in TIMING]
    for name, key, section in sections:
        # What config.json leaves out has a default of neard's, which is known of this one alone.
        now = section.get(key, None if key == "expected_shutdown" else _MISSING)
        then = running.get(key, _MISSING)
        if now is _MISSING or then is _MISSING:
            continue
        text = isinstance(then, str)
        # What can be reloaded is told as JSON within a text.
        then = _parsed(then) if isinstance(then, str) else then
        if key in TIMING and not text and release_of(neard) < TIMING_SINCE:
            continue
        now, then = _alike(now), _alike(then)
        if isinstance(now, dict) and isinstance(then, dict):
            for inner in sorted(now.keys() & then.keys()):
                if now[inner] != then[inner]:
                    yield f"{name}.{inner}", now[inner], then[inner]
        elif now != then:
            yield name, now, then


def _parsed(text: str) -> Any:
    try:
        return parse(text.encode(errors="replace"), BOUND)
    except (TooMuchError, ValueError):
        return text


def _alike(value: Any) -> Any:
    """Durations in one form: neard writes ``{"secs": 1, "nanos": 0}``, ``[1, 0]`` or ``1.000000000``."""
    if isinstance(value, dict):
        if set(value) == {"secs", "nanos"}:
            return [value["secs"], value["nanos"]]
        return {name: _alike(one) for name, one in value.items()}
    if isinstance(value, str) and (match := _SECONDS.fullmatch(value)):
        return [int(match[1]), int(match[2])]
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return one_line(text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}...")
