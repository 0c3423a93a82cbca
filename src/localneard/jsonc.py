"""JSON as neard reads it: comments of the kinds ``//``, ``#`` and ``/* */`` are allowed."""

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

from localneard.errors import BadFileError

# Whole strings are matched first, which is what keeps a "#" or "//" in one from being taken for a comment.
_STRING_OR_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|(?://|#)[^\n]*|/\*.*?\*/', re.DOTALL)


def _blank(match: re.Match[str]) -> str:
    # Line feeds stay, so that an error names the line that the reader sees.
    return match[1] or re.sub(r"[^\n]", " ", match[0])


def _no_constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is no number")


def _double(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _RefusedError("number out of range")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """serde takes no field twice; here that holds for the names that it does not know, too."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RefusedError("duplicate field")
    return found


class _RefusedError(Exception):
    """Well-formed for Python's reader, and not for serde_json."""


def parse(text: str) -> Any:
    """Parse JSON with comments.

    Raises ValueError with the place of the fault, and nothing of the content: it may be a key.
    """
    try:
        return json.loads(
            _STRING_OR_COMMENT.sub(_blank, text),
            parse_constant=_no_constant,
            parse_float=_double,
            object_pairs_hook=_once,
        )
    except _RefusedError as error:
        raise ValueError(str(error)) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object. Raises BadFileError, naming the file."""
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadFileError(f"{path}: is not text in UTF-8") from None
    except ValueError as error:
        raise BadFileError(f"{path}: is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadFileError(f"{path}: must hold a JSON object, not {type(document).__name__}")
    return document


def is_there(path: Path) -> bool:
    """Say whether a path leads to something, as neard asks it: a link to nothing does not."""
    try:
        return path.exists()
    except OSError:
        return False


def write_object(path: Path, document: dict[str, Any], mode: int = 0o644) -> None:
    """Write a JSON object as neard does: pretty-printed, truncating a file that is there."""
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
