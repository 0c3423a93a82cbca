"""How ``hafailover status`` shows a pool that it has looked at, and what that means as an exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hafailover.cli.exit_codes import NOT_GOOD, OK, UNREACHABLE

if TYPE_CHECKING:
    from hafailover.observe.overview import Overview


def show(view: Overview, plain: dict[str, Any] | None) -> int:
    """Prints it and returns the exit code.

    :param plain: the same as a document, if that is what is wanted.
    """
    if plain is not None:
        print(json.dumps(plain, indent=2))
    else:
        from rich.console import Console

        from hafailover.observe.render import render

        Console().print(render(view))
    return UNREACHABLE if view.stale else OK if view.ok else NOT_GOOD


def cannot_be_seen(error: object) -> str:
    return f"the pool cannot be seen: {error}"
