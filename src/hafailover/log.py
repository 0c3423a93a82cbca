"""How agent and guard log: to stderr, with the levels that journald knows, or with the time since boot."""

from __future__ import annotations

import logging
import os
import sys

from hafailover.clock import boottime

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _JournalFormatter(logging.Formatter):
    """``<6>agent: text``: journald takes the level from the front and adds its own time (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelno, 6)}>{super().format(record)}"


class _BoottimeFormatter(logging.Formatter):
    """``[ 1234.567] INFO agent: text``, the seconds being CLOCK_BOOTTIME, as in the kernel's log."""

    def format(self, record: logging.LogRecord) -> str:
        return f"[{boottime():12.3f}] {record.levelname} {super().format(record)}"


def set_up(name: str, level: str = "info") -> None:
    """Sends all log lines to stderr, each beginning with ``name``."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = _JournalFormatter if os.environ.get("JOURNAL_STREAM") else _BoottimeFormatter
    handler.setFormatter(formatter(f"{name}: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Its one-line complaints repeat what is said better elsewhere.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
