"""What goes in and out, without the network: a request, an answer, and the headers that all answers have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"

STRICT = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    # Every answer is of its moment, and an old "all is well" is worse than none.
    ("Cache-Control", "no-store"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` by lower-case name; of several of one name the last."""

    method: str
    path: str
    """Without the query."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body, and headers beside :data:`STRICT`."""

    status: int
    body: bytes
    kind: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()

    def all_headers(self) -> list[tuple[str, str]]:
        length = ("Content-Length", str(len(self.body)))
        return [("Content-Type", self.kind), length, *STRICT, *self.headers]


Respond = Callable[[Request], Answer]


def text(status: int, line: str, *headers: tuple[str, str]) -> Answer:
    """One line for people."""
    return Answer(status, f"{line}\n".encode(), headers=headers)


TOO_BUSY = text(503, "too many requests at once; try again", ("Retry-After", "1"))
NOT_HTTP = text(400, "this is no HTTP request")
TOO_LARGE = text(431, "the request is larger than 8 KiB")
NO_BODIES = text(413, "no request here has a body")
BROKEN = text(500, "the answer could not be made; the agent's log says why")
