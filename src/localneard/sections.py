"""Reading typed values out of a JSON object, with errors that name the key."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from localneard.errors import BadFileError

T = TypeVar("T")


class Section:
    """One object of a configuration file.

    Every reader takes a key and a default; without a default the key is needed. Raises BadFileError.
    """

    _NEEDED: Any = object()

    def __init__(self, source: str, data: dict[str, Any], path: str = "") -> None:
        """Wrap an object; `source` names the file in errors, `path` leads to the object in it."""
        self.data = data
        self.source = source
        self._path = path

    def fail(self, key: str, problem: str) -> BadFileError:
        """Return the error for a key."""
        return BadFileError(f"{self.source}: {self._path}{key} {problem}")

    def section(self, key: str, default: dict[str, Any]) -> "Section":
        """Return the object under a key, or one made of the default."""
        value = self.data.get(key, default)
        if not isinstance(value, dict):
            raise self.fail(key, "must be an object")
        return Section(self.source, value, f"{self._path}{key}.")

    def text(self, key: str, default: Any = _NEEDED) -> str:
        """Return a string."""
        return str(self._get(key, default, _is_text, "must be a string"))

    def flag(self, key: str, default: Any = _NEEDED) -> bool:
        """Return true or false."""
        return bool(self._get(key, default, lambda value: isinstance(value, bool), "must be true or false"))

    def whole(self, key: str, default: Any = _NEEDED) -> int:
        """Return a whole number from 0 up."""
        return int(self._get(key, default, is_whole, "must be a whole number, not negative"))

    def number(self, key: str, default: Any = _NEEDED) -> float:
        """Return a number from 0 up."""
        problem = "must be a number, not negative"
        return float(self._get(key, default, lambda value: is_number(value) and value >= 0, problem))

    def texts(self, key: str, default: Any = _NEEDED) -> list[str]:
        """Return a list of strings."""
        return list(self._get(key, default, _is_texts, "must be a list of strings"))

    def choice(self, key: str, choices: Collection[str], default: Any = _NEEDED) -> str:
        """Return one of some strings."""
        problem = f"must be one of {', '.join(sorted(choices))}"
        return str(self._get(key, default, lambda value: _is_text(value) and value in choices, problem))

    def amount(self, key: str) -> int:
        """Return a number that is written as a string, since it is too large for JSON."""
        value = self.text(key)
        if not value.isdecimal():
            raise self.fail(key, "must be a whole number in a string")
        return int(value)

    def seconds(self, key: str, default: Any = _NEEDED) -> float:
        """Return the seconds of a duration, which stands in the file as ``{"secs":1,"nanos":0}``."""
        value = self._get(key, default, is_duration, 'must be a duration such as {"secs":1,"nanos":0}')
        return float(value["secs"] + value["nanos"] / 1e9)

    def optional(self, key: str, read: Callable[[str], T]) -> T | None:
        """Return what `read` makes of a key, or None where it is missing or null."""
        return None if self.data.get(key) is None else read(key)

    def _get(self, key: str, default: Any, fits: Callable[[Any], bool], problem: str) -> Any:
        if key not in self.data:
            if default is self._NEEDED:
                raise self.fail(key, "is missing")
            return default
        if not fits(self.data[key]):
            raise self.fail(key, problem)
        return self.data[key]


def is_whole(value: Any) -> bool:
    """Say whether this is a whole number from 0 up."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: Any) -> bool:
    """Say whether this is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def is_duration(value: Any) -> bool:
    """Say whether this is a duration as neard writes it."""
    return (
        isinstance(value, dict)
        and set(value) == {"secs", "nanos"}
        and all(is_whole(part) for part in value.values())
        and value["nanos"] < 1_000_000_000
    )
