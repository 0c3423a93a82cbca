"""Log lines in neard's manner: on stderr, one per event, filtered by target as neard filters them.

The default shows INFO for the targets near, neard, config, stats, telemetry and db, and WARN for the rest
(core/o11y/src/env_filter.rs). ``RUST_LOG`` and ``rust_log`` in log_config.json replace that.
"""

import logging
import os
import sys
from typing import Any

from localneard.clock import rfc3339

TRACE = 5
_LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
_NAMES = {TRACE: "TRACE", logging.WARNING: "WARN", logging.CRITICAL: "ERROR"}
_DEFAULT = "warn,near=info,config=info,stats=info,telemetry=info,db=info"


def parse_filter(text: str) -> dict[str, int]:
    """Return the level of each target prefix, ``""`` for all others. Raises ValueError."""
    levels: dict[str, int] = {"": logging.ERROR}
    for part in (piece.strip() for piece in text.split(",")):
        if not part:
            continue
        target, equals, level = part.rpartition("=")
        if level.lower() in _LEVELS:
            levels[target] = _LEVELS[level.lower()]
        elif not equals and part.replace("_", "").replace(":", "").isalnum():
            levels[part] = TRACE
        else:
            raise ValueError(f"{part!r} is not a log directive such as info or network=debug")
    return levels


class _Filter(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.levels = parse_filter(_DEFAULT)

    def filter(self, record: logging.LogRecord) -> bool:
        fitting = [prefix for prefix in self.levels if record.name.startswith(prefix)]
        return record.levelno >= self.levels[max(fitting, key=len)]


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        name = _NAMES.get(record.levelno, record.levelname)
        stamp = rfc3339(int(record.created * 1_000_000) * 1000)[:-4] + "Z"
        text = f"{stamp} {name:>5} {record.name}: {record.getMessage()}"
        return text if record.exc_info is None else f"{text}\n{self.formatException(record.exc_info)}"


_filter = _Filter()


def set_up() -> None:
    """Send all logs to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    handler.addFilter(_filter)
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(TRACE)
    # What the libraries say of themselves is no part of neard's log.
    for name in ("asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(logging.ERROR)


def apply(rust_log: str | None = None) -> None:
    """Set the filter: the one given, else ``RUST_LOG``, else neard's default. Raises ValueError."""
    environment = os.environ.get("RUST_LOG")
    _filter.levels = parse_filter(rust_log or environment or _DEFAULT)


def fields(**values: Any) -> str:
    """Return the fields of an event as neard's log writes them."""
    return " ".join(f"{name}={_show(value)}" for name, value in values.items())


def _show(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
