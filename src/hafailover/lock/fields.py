"""Fields of Consul's answers, of the very kind that Consul gives them.

Python takes ``true`` for 1, and ``int`` 4711.9 for 4711: a term must not be made of either.
"""

from __future__ import annotations

import json
from typing import Any

from hafailover.text import is_text, printable

MOST_BYTES = 1 << 16
"""Of one record. The largest that agents write, with all gates and reasons, has some 3 KB."""


def index_of(entry: dict[str, Any], name: str = "ModifyIndex") -> int:
    """:raises ValueError: no index of Consul's. :raises KeyError: none at all."""
    value = entry[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 63:
        raise ValueError(f"no {name}")
    return value


def session_of(entry: dict[str, Any]) -> str | None:
    """The session that holds the key. :raises ValueError: something that is none."""
    value = entry.get("Session")
    if value is not None and not is_text(value):
        raise ValueError("no session")
    return value or None


def key_of(entry: dict[str, Any]) -> str:
    """:raises ValueError: something that is no key. :raises KeyError: none at all."""
    value = entry["Key"]
    if not is_text(value):
        raise ValueError("no key")
    return value


def watch_index(header: Any) -> int:
    """``X-Consul-Index``. With one of 0 a watch would ask again and again without a pause.

    :raises ValueError: no index that can be waited on.
    """
    text = str(header)
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) == 0:
        raise ValueError("no X-Consul-Index")
    return int(text)


def object_of(raw: bytes | None) -> dict[str, Any] | None:
    """A record's content; ``None`` for what is no object, is too large, or holds text that UTF-8 cannot.

    Whoever may write to Consul may write anything. No text of it moves a cursor on anybody's terminal.
    """
    try:
        value = json.loads(raw) if raw and len(raw) <= MOST_BYTES else None
        json.dumps(value, ensure_ascii=False).encode()
        return printable(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None
