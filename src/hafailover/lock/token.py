"""The ACL token that all clients of this process show to Consul: read anew when denied, and on request."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hafailover.clock import boottime

READ_S = 0.3
"""So long a call that was denied waits for the file at most; a disk that hangs must not hold up a beat."""
AGAIN_S = 0.2
"""The file is not read more often than that, however many calls are denied."""


class TokenError(Exception):
    """The token's file cannot be read, or holds none. The text names the file and the reason."""


class Token:
    """May be used by any thread.

    :param value: the token; ``None`` for none.
    :param read: reads it anew; raises :class:`TokenError`. ``None`` where it cannot change.
    :param source: the setting and the file, for messages.
    """

    def __init__(
        self, value: str | None, read: Callable[[], str | None] | None = None, source: str = ""
    ) -> None:
        self._value = value
        self._read = read
        self._source = source
        self._number = 0
        self._problem = ""
        self._lock = threading.Lock()
        self._reading = threading.Event()
        self._reading.set()
        self._began = -AGAIN_S
        self._tell: Callable[[str | None], None] = lambda _: None

    def __repr__(self) -> str:
        # The token itself must not show up in a log or a traceback.
        return f"Token(number {self._number})"

    @property
    def value(self) -> str | None:
        return self._value

    @property
    def number(self) -> int:
        """Grows with every new token."""
        return self._number

    def tell(self, hide: Callable[[str | None], None]) -> None:
        """``hide`` takes this token at once, and every later one before it is used."""
        hide(self._value)
        self._tell = hide

    def read_again(self) -> bool:
        """Reads the file, however long that takes; whether it holds another token now.

        :raises TokenError: it cannot be read, and the token from before stays.
        """
        if self._read is None:
            return False
        try:
            value = self._read()
        except TokenError as error:
            self._problem = str(error)
            raise
        self._problem = ""
        with self._lock:
            if value == self._value:
                return False
            self._tell(value)
            self._value = value
            self._number += 1
        return True

    def differs_from(self, used: str | None) -> bool:
        """After Consul has denied ``used``: whether there is another token by now, or in the file."""
        if self._value == used and self._read is not None:
            self._begin().wait(READ_S)
        return self._value != used

    @property
    def hint(self) -> str:
        """What to do where Consul does not know the token."""
        if self._read is None:
            return "set consul.token_file to a file with a valid one"
        if self._problem:
            return self._problem
        return (
            f"{self._source} holds no other one; write a valid token there, which is read again by itself, "
            "or restart the service where that file is its copy of the operator's (a credential)"
        )

    def _begin(self) -> threading.Event:
        """Reads in a thread of its own, one for all that wait; done when the event is set."""
        with self._lock:
            now = boottime()
            if self._reading.is_set() and now - self._began >= AGAIN_S:
                self._began = now
                self._reading = threading.Event()
                threading.Thread(
                    target=self._read_once, args=(self._reading,), name="token", daemon=True
                ).start()
            return self._reading

    def _read_once(self, done: threading.Event) -> None:
        try:
            self.read_again()
        except TokenError:
            # Noted, and said with the denial.
            pass
        finally:
            done.set()
