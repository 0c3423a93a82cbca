"""What can come of a call to Consul other than its answer."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """Why a call failed. Only ``REFUSED`` and ``SESSION_GONE`` are Consul's own, final word."""

    UNREACHABLE = "unreachable"
    """No connection, or no answer before the deadline."""
    SERVER = "server"
    """Consul answered with an error of its own, such as having no leader."""
    DENIED = "denied"
    """The token lacks a right."""
    GARBAGE = "garbage"
    """An answer that Consul would not give."""
    REFUSED = "refused"
    """By consensus, the lock is not this session's."""
    SESSION_GONE = "session gone"


class CallError(Exception):
    """A failed call. The text is fit for a log: it says what to do, and holds no token."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class LimitError(CallError):
    """This host's Consul takes no more calls of this address, which says nothing of Consul as a whole."""

    def __init__(self, text: str) -> None:
        super().__init__(Kind.SERVER, text)
