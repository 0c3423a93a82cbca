"""The validator key that the process holds, or none: the one cell that all else looks into."""

from collections.abc import Callable

from localneard.evidence import KeyEvents
from localneard.keys import Key


class Signer:
    """The key and the record of its changes."""

    def __init__(self, events: KeyEvents) -> None:
        """Begin without a key."""
        self._events = events
        self._key: Key | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def key(self) -> Key | None:
        """The key to sign with now."""
        return self._key

    def set(self, key: Key | None, reason: str) -> None:
        """Take another key, or none; at once for all who sign."""
        old = self._key
        if key == old:
            # The file may have been written anew with the same key.
            self._key = key
            return
        if old is not None:
            self._key = None
            self._events.drop(old, reason)
        if key is not None:
            self._events.load(key, reason)
            self._key = key
        self.on_change()
