"""JSON with the comments that neard allows in its files: ``//``, ``#`` and ``/* */``."""

from __future__ import annotations

import json
import re
from typing import Any

# Strings come first, so that a comment sign inside one stays what it is.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|#[^\n]*|/\*.*?\*/', re.DOTALL)


def strip_comments(text: str) -> str:
    """The text with every comment replaced by a blank; strings stay untouched."""
    return _TOKEN.sub(lambda match: match.group() if match.group().startswith('"') else " ", text)


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
