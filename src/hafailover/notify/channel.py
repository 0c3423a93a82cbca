"""What a channel is: a place that a message can be sent to, once, within a deadline."""

from __future__ import annotations

from abc import ABC, abstractmethod

from hafailover.notify.notice import Message


class SendError(Exception):
    """A message was not taken. The text is fit for a log: it names no URL.

    :param final: trying again would change nothing.
    """

    def __init__(self, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Channel(ABC):
    """One URL. ``name`` tells it apart in log and metrics, and gives nothing away."""

    def __init__(self, name: str, events: frozenset[str] | None) -> None:
        self.name = name
        self._events = events

    def takes(self, what: str) -> bool:
        """Whether messages of that event go to it."""
        return self._events is None or what in self._events

    @abstractmethod
    def send(self, message: Message) -> str:
        """Sends it once; what came back, for people.

        :raises SendError: it was not taken, or nobody knows.
        """


def again(status: int) -> bool:
    """Whether an HTTP status may be another one at the next try."""
    return status in (408, 425, 429) or status >= 500
