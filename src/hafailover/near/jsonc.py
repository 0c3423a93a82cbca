"""JSON with the comments that neard allows in its files: ``//``, ``#`` and ``/* */``.

Otherwise as strict as neard's own reader, serde_json: no NaN, no number beyond a double, and no name twice in
one object. (serde minds the last only for names that it knows; a file that says one thing twice is no good
anyway.)
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

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
        return json.loads(
            strip_comments(text), object_pairs_hook=_object, parse_float=_double, parse_constant=_no_number
        )
    except _RefusedError as error:
        raise ValueError(f"not valid JSON: {error}, which neard refuses") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ValueError("not valid JSON: nested too deeply") from None


class _RefusedError(Exception):
    """What Python's reader would let through."""


# Other names are not repeated in a message: a secret may stand where a name should.
_NAME = re.compile(r"[a-z_]{1,40}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _RefusedError(f"{name if _NAME.fullmatch(name) else 'a name'} stands there twice")
        found[name] = value
    return found


def _double(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _RefusedError("a number too large")
    return value


def _no_number(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is no number")
