"""The agent's line in ``systemctl status``."""

from __future__ import annotations

from hafailover.core.production import Tally
from hafailover.core.state import State
from hafailover.observe import production
from hafailover.sdnotify import notify
from hafailover.text import one_line

MOST_SHOWN = 500
"""Characters of a reason."""


class StatusLine:
    """Role and reason, and what is wrong with what this host signs. systemd is told of each change once."""

    def __init__(self) -> None:
        self._text = ""
        self._trouble = ""

    def show(self, state: State, *, is_new_role: bool) -> None:
        """Takes the role and the reason. What was wrong under another role is wrong no more."""
        # A line break would begin an assignment of its own.
        self._text = one_line(f"{state.role}: {state.reason}")[:MOST_SHOWN]
        if is_new_role:
            self._trouble = ""
        self._send()

    def show_production(self, tally: Tally | None, now: float) -> None:
        """Takes what the chain shows, so that no active looks well while nothing that it signs arrives."""
        trouble = production.brief_trouble(tally, now)
        if trouble != self._trouble:
            self._trouble = trouble
            self._send()

    def _send(self) -> None:
        notify(f"STATUS={'; '.join(filter(None, (self._text, self._trouble)))}")
