"""How agent and guard log: to stderr, with the levels that journald knows, for people or for programs.

Whatever stands in a text, a record is one line (a traceback: one for each of its own), holds no secret that
:func:`hide` was told of, and is shorter than what journald would cut in two.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from hafailover import defect
from hafailover.clock import boottime
from hafailover.log_writer import LogWriter
from hafailover.text import one_line

Style = Literal["auto", "text", "logfmt", "json"]

LONGEST_TEXT = 2000
"""Characters of one text; the rest is counted."""
LONGEST_LINE = 45_000
"""journald splits at 48 KiB (LineMax= in journald.conf(5)), and would take the rest for a line of its own."""
SHORTEST_SECRET = 6

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_BARE = re.compile(r"[A-Za-z0-9_.:/@+-]+")

_known: dict[str, Any] = {}
_secrets: tuple[str, ...] = ()


def set_up(name: str, level: str = "info", style: Style = "auto", **known: Any) -> None:
    """Sends all log lines to stderr, from a thread of their own: whoever logs never waits for a reader.
    From now on a thread that ends by a defect ends the process.

    :param name: of the component, such as ``agent``.
    :param style: ``auto`` is text, which leaves time and level to the journal where stderr is one.
    :param known: what each structured line says besides, as with :func:`remember`.
    """
    journal = _is_journal()
    formatter = _Text(name, journal, style) if style in ("auto", "text") else _Fields(name, journal, style)
    handler = LogWriter(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Its one-line complaints repeat what is said better elsewhere, and name whole URLs.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    remember(**known)
    sys.excepthook = _defect
    threading.excepthook = defect.in_thread


def remember(**known: Any) -> None:
    """What structured lines say from now on, such as ``role`` and ``term``; ``None`` takes it out."""
    global _known
    _known = {**_known, **known}


def fields(**values: Any) -> dict[str, Any]:
    """For ``extra=``: what a structured line says besides its text, such as ``event`` and ``reason``."""
    return {"fields": values}


def hide(*secrets: str | None) -> None:
    """Texts that no line may hold. They are replaced by dots, whoever logs them."""
    global _secrets
    found = {secret for secret in secrets if secret and len(secret) >= SHORTEST_SECRET}
    # The longest first: a part of one may be another.
    _secrets = tuple(sorted({*_secrets, *found}, key=len, reverse=True))


def without_secrets(text: str) -> str:
    """The text as a line may hold it."""
    for secret in _secrets:
        text = text.replace(secret, "...")
    return text


class _Text(logging.Formatter):
    """``[ 1234.567] INFO agent: text``, the seconds being CLOCK_BOOTTIME, as in the kernel's log.

    In the journal ``<6>agent: text``: it takes the level from the front and adds its own time (sd-daemon(3)).
    """

    def __init__(self, name: str, journal: bool, style: Style) -> None:
        super().__init__()
        self._name = name
        self._journal = journal
        self._short = journal and style == "auto"

    def format(self, record: logging.LogRecord) -> str:
        when = "" if self._short else f"[{boottime():12.3f}] {record.levelname} "
        head = f"{_prefix(record, self._journal)}{when}{self._name}: "
        texts = [record.getMessage(), *(f"  | {line}" for line in _traceback(record).splitlines())]
        return "\n".join(head + one_line(_cut(without_secrets(text))) for text in texts)


class _Fields(logging.Formatter):
    """A line of logfmt or JSON, in ASCII. The journal takes the level off its front."""

    def __init__(self, name: str, journal: bool, style: Style) -> None:
        super().__init__()
        self._name = name
        self._journal = journal
        self._write = _json if style == "json" else _logfmt

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "boottime": round(boottime(), 3),
            "level": record.levelname.lower(),
            "component": self._name,
            **_known,
            **getattr(record, "fields", {}),
            "msg": record.getMessage(),
            "traceback": _traceback(record) or None,
        }
        plain = {key: _plain(value) for key, value in entry.items() if value is not None}
        line = self._write(plain)
        if len(line) > LONGEST_LINE:
            # Only the odd text gets so long, twelve characters for one; its beginning is in the message.
            short = {key: value[:200] if isinstance(value, str) else value for key, value in plain.items()}
            line = self._write(short)
        return _prefix(record, self._journal) + line


def _prefix(record: logging.LogRecord, journal: bool) -> str:
    return f"<{_PRIORITIES.get(record.levelno, 6)}>" if journal else ""


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    return "".join(traceback.format_exception(*record.exc_info)).strip()


def _cut(text: str) -> str:
    more = len(text) - LONGEST_TEXT
    return text if more <= 0 else f"{text[:LONGEST_TEXT]}... ({more} characters more)"


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _cut(without_secrets(str(value)))


def _json(entry: dict[str, Any]) -> str:
    return json.dumps(entry)


def _logfmt(entry: dict[str, Any]) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in entry.items())


def _value(value: Any) -> str:
    """A bare word, or a string as JSON writes it."""
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else json.dumps(value)
    return json.dumps(value)


def _is_journal() -> bool:
    """Whether stderr is the journal's own stream, and not a file that it was redirected to."""
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


def _defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger(__name__).critical("ended by a defect", exc_info=(kind, error, trace))
