"""Secrets that are planted in what is parsed, and the check that no piece of them comes out anywhere."""

from __future__ import annotations

import logging
import traceback

import pytest

from ..unit.near.keys import secret_key

SECRET_KEY = secret_key("planted")
TOKEN = "B3F1C6D2-9E04-4A7B-8D15-6C0FA2E97B41"
"""A token of Consul's, as its operator wrote it: in capitals."""
PLAIN_TOKEN = "correct.horse.battery.staple.tenfold"
"""One that is no UUID, and as long as one."""
SESSION = "1f0c2a9e-77b3-4c55-9d10-aa5e6b1c2d3f"
SECRETS = (SECRET_KEY, SECRET_KEY.removeprefix("ed25519:"), TOKEN, PLAIN_TOKEN, SESSION)
PIECE = 12
"""So many characters in a row are a leak."""


def leaks(text: str) -> list[str]:
    """The pieces of planted secrets in a text; ``ed25519:`` and the like are too short to count."""
    found = []
    for secret in SECRETS:
        for start in range(len(secret) - PIECE + 1):
            piece = secret[start : start + PIECE]
            if piece in text and not piece.startswith("ed25519:"):
                found.append(piece)
    return found


def told(error: BaseException) -> str:
    """All that a log or an operator could see of an exception, causes and contexts included."""
    parts = [str(error), repr(error), "".join(traceback.format_exception(error))]
    return "\n".join(parts)


class Silence:
    """What was logged since the last look holds no secret, and no thread or task has died of anything."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def check(self, error: BaseException | None = None) -> None:
        text = self._caplog.text + (told(error) if error is not None else "")
        assert not leaks(text), f"a secret in: {text}"
        died = [r.getMessage() for r in self._caplog.records if r.name == "asyncio" or r.exc_info]
        assert not died, died
        wrong = [r for r in self._caplog.records if r.levelno >= logging.CRITICAL]
        assert not wrong
        self._caplog.clear()
