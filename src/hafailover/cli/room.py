"""How a command that shows failovers gets hosts whose links can be cut: it goes on in a room of its own."""

from __future__ import annotations

import os
import sys

MARK = "LAB_ROOM"
"""In the environment of a command that has just entered its room."""


def take_room(words: list[str]) -> str:
    """Goes on as ``hafailover WORDS`` in a room, where there can be one; inside it is furnished.

    :returns: why no link can be cut; empty in a room.
    :raises LabError: the room cannot be furnished.
    """
    from hafailover.lab.room import enter, furnish, refusal

    # The agents need not know.
    if os.environ.pop(MARK, ""):
        furnish()
        return ""
    reason = refusal()
    if not reason:
        os.environ[MARK] = "1"
        enter([sys.executable, "-P", "-m", "hafailover", *words])
    return reason
