"""neard's own short commands, such as ``neard init``: run to their end, and what they said if they failed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

TAIL_LINES = 10


class CommandError(Exception):
    """A command of neard's failed; the text names it and ends with its last lines."""


def run_neard(words: Sequence[str], name: str, timeout_s: float) -> str:
    """Runs neard with these words, its path first; returns what it wrote, to either stream.

    :param name: of the command, for messages.
    :raises CommandError: it cannot be run, failed, or took longer than ``timeout_s`` seconds.
    """
    what = f"{words[0]} {name}"
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"{what} did not end within {timeout_s:g} s") from None
    except OSError as error:
        raise CommandError(f"{words[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
        raise CommandError(f"{what} failed with code {done.returncode}:\n{tail}")
    return done.stdout
