"""``hafailover``: where every command begins."""

from __future__ import annotations

import gc
import os
import sys

from hafailover.cli.quick import quick_status

LONG = ("run", "guard", "demo", "bench")
"""They work for minutes: garbage left to lie would hold connections open, until Consul refuses more."""
COMPLETING = "_HAFAILOVER_COMPLETE"
"""Set by the shell while it completes a line, which is in one of the next two."""
LINES = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")


def main() -> None:
    """Entry point."""
    word = _word()
    if word not in LONG:
        _start_quickly()
    # Broken pipes end quietly, as in `hafailover status | head`.
    try:
        if word == "status" and COMPLETING not in os.environ:
            code = quick_status(sys.argv[2:])
            if code is not None:
                sys.exit(code)
        # Loading it takes longer than a quick answer does.
        from hafailover.cli.app import make_app

        make_app(word)()
    except BrokenPipeError:
        sys.exit(1)


def _word() -> str | None:
    words = sys.argv
    if COMPLETING in os.environ:
        words = next((os.environ[name].split() for name in LINES if name in os.environ), [])
    return words[1] if len(words) > 1 else None


def _start_quickly() -> None:
    """A short command is busy with imports for most of its time; looking for garbage meanwhile finds none."""
    gc.set_threshold(50_000)
    # pydantic would read the entry points of every installed package, to find plugins that nobody has.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
