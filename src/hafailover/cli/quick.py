"""``hafailover status`` as it is mostly called, from this host's agent: without libraries that take long."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hafailover.cli.exit_codes import UNREACHABLE
from hafailover.cli.glance import cannot_be_seen, show
from hafailover.local.client import NoAnswerError, ask
from hafailover.local.place import place_of

if TYPE_CHECKING:
    from hafailover.observe.overview import Overview


def quick_status(words: list[str]) -> int | None:
    """Prints the pool and returns the exit code; ``None``, and nothing printed, where this is not the way.

    :param words: what stands behind ``status``.
    """
    understood = _understand(words)
    if understood is None:
        return None
    config, as_json = understood
    place = place_of(config)
    if place is None:
        return None
    try:
        answer = ask(place)
    except NoAnswerError:
        return None
    if "error" in answer:
        print(f"hafailover: {cannot_be_seen(answer['error'])}", file=sys.stderr)
        return UNREACHABLE
    plain = answer["overview"]
    return show(_view(plain), plain if as_json else None)


def _understand(words: list[str]) -> tuple[Path | None, bool] | None:
    """The file of ``--config`` and whether there is ``--json``; ``None`` if there is anything else."""
    config, as_json = None, False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--json":
            as_json = True
        elif word in ("--config", "-c") and rest:
            config = Path(rest.pop(0))
        elif word.startswith("--config="):
            config = Path(word.partition("=")[2])
        else:
            return None
    return config, as_json


def _view(plain: dict[str, Any]) -> Overview:
    """The document with its fields as attributes: for reading, an overview whose class need not be loaded."""

    def fields(value: Any) -> Any:
        if isinstance(value, dict):
            return SimpleNamespace(**{name: fields(one) for name, one in value.items()})
        return [fields(one) for one in value] if isinstance(value, list) else value

    return cast("Overview", fields(plain))
