"""Whether agent and guard of this host run."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import requests

from hafailover.deadline import DeadlineAdapter, deadline
from hafailover.doctor.facts.key import whoami

DEADLINE_S = 2.0
MOST_CHARS = 300


class Guard(StrEnum):
    RUNS = "runs"
    DEAD = "dead"
    """Its socket is there, and nobody listens."""
    ABSENT = "absent"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Health:
    """An answer of the agent's: HTTP status and text; status 0 if there was none, and the text says why."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class RunningFacts:
    guard: Guard
    healthz: Health
    readyz: Health
    user: str


def look_at_running(guard_socket: Path, listen: tuple[str, int]) -> RunningFacts:
    return RunningFacts(
        look_at_guard(guard_socket), _ask(listen, "healthz"), _ask(listen, "readyz"), whoami()
    )


def look_at_guard(path: Path) -> Guard:
    """Never by a connection, which would take the agent's place: a socket of another type is not let in."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except PermissionError:
            return Guard.HIDDEN
        except FileNotFoundError:
            return Guard.ABSENT
        except OSError as error:
            return Guard.RUNS if error.errno == errno.EPROTOTYPE else Guard.DEAD
    return Guard.DEAD


def _ask(listen: tuple[str, int], path: str) -> Health:
    host, port = listen
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/{path}"
    with requests.Session() as session, deadline(DEADLINE_S):
        session.trust_env = False
        session.mount("http://", DeadlineAdapter())
        try:
            answer = session.get(url, timeout=DEADLINE_S, allow_redirects=False)
        except requests.ConnectionError:
            return Health(0, "nobody listens there")
        except (requests.RequestException, OSError):
            return Health(0, "no answer in time")
        return Health(answer.status_code, answer.text.strip()[:MOST_CHARS])
