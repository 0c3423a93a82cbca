"""JSON with the comments that neard allows in its files: ``//``, ``#`` and ``/* */``."""

from __future__ import annotations

import json
import re
from typing import Any

# Strings come first, so that a comment sign inside one stays what it is. A string or comment without an end
# goes to the end of the text: to look for one from each of its quotes would take minutes.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*(?:"|\\?\Z)|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)


def strip_comments(text: str) -> str:
    """The text with every comment replaced by a blank; strings stay untouched, and what has no end, too."""
    return _TOKEN.sub(_stripped, text)


def _stripped(match: re.Match[str]) -> str:
    token = match.group()
    endless = token.startswith("/*") and (len(token) < 4 or not token.endswith("*/"))
    return token if token.startswith('"') or endless else " "


def loads(text: str) -> Any:
    """Parses JSON with comments.

    :raises ValueError: with the place of the error but none of the content, which may be secret.
    """
    try:
        return json.loads(strip_comments(text))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ValueError("not valid JSON: nested too deeply") from None
