"""Asks the agent of this host how the pool is. Few imports: this is for a command that is to be quick."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from hafailover import __version__
from hafailover.clock import boottime
from hafailover.local.place import LONGEST_PATH, Place

HELLO_S = 0.2
"""An agent that has not said a word by then hangs, is stopped, or is busy with other commands."""
ANSWER_S = 2.6
"""A bit longer than one look takes at most, without Consul's leader (:mod:`hafailover.observe.look`)."""
MAX_BYTES = 8 << 20


class NoAnswerError(Exception):
    """The agent did not tell: look for yourself."""


def ask(place: Place) -> dict[str, Any]:
    """The agent's answer: ``overview`` as in ``status --json``, or ``error``: why Consul could not be asked.

    :raises NoAnswerError: no agent is there, it is another version or pool, or it said nothing in time.
    """
    if len(os.fsencode(place.socket)) > LONGEST_PATH:
        raise NoAnswerError
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            began = boottime()
            sock.settimeout(HELLO_S)
            sock.connect(str(place.socket))
            lines = _Lines(sock)
            hello = lines.next(began + HELLO_S)
            if hello != {**place.hello, "agent_version": __version__}:
                raise NoAnswerError
            answer = lines.next(began + ANSWER_S)
    except OSError:
        raise NoAnswerError from None
    if not isinstance(answer.get("overview"), dict) and not isinstance(answer.get("error"), str):
        raise NoAnswerError
    return answer


class _Lines:
    """JSON objects, one a line."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._read = b""

    def next(self, end: float) -> dict[str, Any]:
        """:param end: on CLOCK_BOOTTIME.
        :raises OSError: it did not come in time. :raises NoAnswerError: something else came.
        """
        while b"\n" not in self._read:
            left = end - boottime()
            if left <= 0 or len(self._read) > MAX_BYTES:
                raise NoAnswerError
            self._sock.settimeout(left)
            chunk = self._sock.recv(1 << 16)
            if not chunk:
                raise NoAnswerError
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise NoAnswerError from None
        if not isinstance(found, dict):
            raise NoAnswerError
        return found
