"""A FIFO where a file is expected: whoever opens it as a file waits for ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path


def refusal_of_fifo(path: Path, read: Callable[[], object], refusal: type[Exception]) -> str:
    """Puts a FIFO that nobody writes to at ``path``; what ``read`` says of it, which must not wait."""
    os.mkfifo(path)
    told: list[str] = []

    def attempt() -> None:
        try:
            read()
        except refusal as error:
            told.append(str(error))

    reader = threading.Thread(target=attempt, daemon=True)
    reader.start()
    reader.join(2.0)
    waited = reader.is_alive()
    # Lets a reader go that waits for a writer, or for a word.
    end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    os.write(end, b"{}")
    reader.join(0.5)
    os.close(end)
    assert not waited, "it waits"
    assert told, "a FIFO was taken for a file"
    return told[0]
