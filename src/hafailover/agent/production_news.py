"""What the log is told of this host's duties: that what it signs does not arrive, or does again. Pure."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hafailover.core.production import Grade, Tally
from hafailover.observe.production import advice, record_of, words

BAD = (Grade.DEAF, Grade.STILL)


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the log."""

    level: int
    text: str


class ProductionNews:
    """Remembers what was told last, so that each turn is told once.

    :param node: this host.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._grade = Grade.UNKNOWN
        self._bad = False
        """Whether the log's last word on it is that what this host signs does not arrive."""

    def step(self, tally: Tally | None, now: float) -> tuple[bool, list[Line]]:
        """Whether the grade has changed since the last step, and what the log is told of it.

        :param tally: ``None`` where this host does not sign, or nothing is known.
        :param now: CLOCK_BOOTTIME.
        """
        grade = tally.grade if tally is not None else Grade.UNKNOWN
        if grade is self._grade:
            return False, []
        self._grade = grade
        if (grade is not Grade.GOOD) if self._bad else (grade not in BAD):
            return True, []
        self._bad = not self._bad
        found = record_of(tally, now)
        text = "; ".join(filter(None, (f"{self._node} {words(found)}", advice(found))))
        return True, [Line(logging.CRITICAL if self._bad else logging.INFO, text)]
