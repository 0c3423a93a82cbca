"""What the log is told of this host's duties: that what it signs does not arrive, or does again. Pure."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hafailover.core.production import BAD, UNKNOWN_S, Grade, Tally
from hafailover.observe.production import advice, record_of, words


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the log."""

    level: int
    text: str


class ProductionNews:
    """Remembers what was told last, so that each turn is told once.

    :param node: this host.
    :param routing: the setting ``neard.validator_routing``.
    """

    def __init__(self, node: str, routing: str = "") -> None:
        self._node = node
        self._routing = routing
        self._began: float | None = None
        """Since when it signs, as of the last step: what was told before says nothing of this term."""
        self._grade: Grade | None = None
        self._bad = False
        """Whether the log's last word on it is that what this host signs does not arrive."""
        self._untold = False
        """Whether it is that neard does not tell."""

    def step(self, tally: Tally | None, now: float) -> tuple[bool, list[Line]]:
        """Whether the grade has changed since the last step, and what the log is told of it.

        :param tally: ``None`` where this host does not sign.
        :param now: CLOCK_BOOTTIME.
        """
        grade = tally.grade if tally is not None else None
        began = tally.began if tally is not None else None
        changed = grade is not self._grade or began != self._began
        if began != self._began:
            self._bad = self._untold = False
        self._grade, self._began = grade, began
        if tally is not None and tally.unknown_since is not None:
            if self._untold or now - tally.unknown_since < UNKNOWN_S:
                return changed, []
            self._untold = True
            return True, [self._line(logging.WARNING, tally, now)]
        if not changed:
            return False, []
        told_anew, self._untold = self._untold, False
        turned = (grade is Grade.GOOD) if self._bad else (grade in BAD)
        self._bad = self._bad is not turned
        level = logging.CRITICAL if grade in BAD else logging.INFO
        return True, [self._line(level, tally, now)] if turned or told_anew else []

    def _line(self, level: int, tally: Tally | None, now: float) -> Line:
        found = record_of(tally, now, self._routing)
        return Line(level, "; ".join(filter(None, (f"{self._node} {words(found)}", advice(found)))))
