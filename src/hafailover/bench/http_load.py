"""What requests to an agent do to its beats."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from hafailover.clock import boottime
from hafailover.lab.errors import LabError
from hafailover.web.site import API, OTHERS, PAGE

ROUTES = (*PAGE, *OTHERS, *API)
RATE = 200.0
"""Requests a second."""
CLIENTS = 8
"""Every other one makes a new connection for each request, as most programs do."""
LOOK_EVERY_S = 0.2
DEADLINE_S = 5.0


@dataclass(slots=True)
class Counts:
    answered: int = 0
    refused: int = 0
    failed: int = 0
    slowest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, status: int | None, seconds: float) -> None:
        """:param status: ``None`` for no answer."""
        with self.lock:
            self.answered += status == 200
            self.refused += status == 503
            self.failed += status not in (200, 503)
            self.slowest_s = max(self.slowest_s, seconds)


class Load:
    """Asks an agent for everything it has, at a fixed rate, within its ``with`` block."""

    def __init__(self, port: int) -> None:
        self.counts = Counts()
        self._port = port
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(CLIENTS)
        ]

    def __enter__(self) -> Counts:
        for thread in self._threads:
            thread.start()
        return self.counts

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * DEADLINE_S)

    def _ask(self, number: int) -> None:
        keeps = number % 2 == 0
        interval = CLIENTS / RATE
        due = boottime() + interval * number / CLIENTS
        connection = self._connect()
        turn = number
        while not self._over.wait(max(0.0, due - boottime())):
            began = boottime()
            try:
                connection.request("GET", ROUTES[turn % len(ROUTES)])
                answer = connection.getresponse()
                answer.read()
                self.counts.take(answer.status, boottime() - began)
            except (OSError, http.client.HTTPException):
                self.counts.take(None, boottime() - began)
                connection.close()
            if not keeps:
                connection.close()
            turn += 1
            due += interval

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)


@dataclass(frozen=True, slots=True)
class Beats:
    """Beats in a row, by when they were sent (CLOCK_BOOTTIME) and how long they took; in seconds."""

    sent: tuple[float, ...]
    took: tuple[float, ...]

    @property
    def slowest_s(self) -> float:
        return max(self.took)

    @property
    def longest_renewal_s(self) -> float:
        """From a beat's sending to the good answer of the next, at the longest: what a lease has to last."""
        return max(
            sent + took - before
            for before, sent, took in zip(self.sent, self.sent[1:], self.took[1:], strict=False)
        )


def watch_beats(port: int, seconds: float, sleep: Callable[[float], None] = time.sleep) -> Beats:
    """An agent's own word of its beats.

    :raises LabError: it tells of fewer than two.
    """
    found: dict[float, float] = {}
    end = boottime() + seconds
    with requests.Session() as session:
        session.trust_env = False
        while boottime() < end:
            answer = session.get(f"http://127.0.0.1:{port}/api/status", timeout=DEADLINE_S)
            beat = answer.json()["last_beat"] if answer.status_code == 200 else None
            if beat is not None:
                found[beat["sent_boottime_s"]] = beat["took_s"]
            sleep(LOOK_EVERY_S)
    if len(found) < 2:
        raise LabError("the active's agent tells of no beats")
    sent = sorted(found)
    return Beats(tuple(sent), tuple(found[at] for at in sent))
