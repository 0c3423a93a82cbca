"""Agent and guard, by real sockets; above all, that the guard's agent is not disturbed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hafailover.doctor.checks.running import judge
from hafailover.doctor.facts.running import Guard, Health, RunningFacts, look_at_guard, look_at_running
from hafailover.doctor.finding import Severity

from .said import bad, one

WELL = Health(200, "standby: ready")
GOOD = RunningFacts(Guard.RUNS, WELL, WELL, "root")


@contextmanager
def agent(status: Callable[[str], int]) -> Iterator[tuple[str, int]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status(self.path))
            self.end_headers()
            self.wfile.write(b"said by " + self.path.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Requests are no news."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "guard.sock"


def test_a_guard_that_listens_is_seen_without_a_connection(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as guard:
        guard.bind(str(place))
        guard.listen()
        assert look_at_guard(place) is Guard.RUNS
        guard.setblocking(False)
        with pytest.raises(BlockingIOError):
            guard.accept()


def test_a_guard_that_died_or_was_never_there(place: Path) -> None:
    assert look_at_guard(place) is Guard.ABSENT
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as guard:
        guard.bind(str(place))
    assert look_at_guard(place) is Guard.DEAD


def test_an_agent_that_answers(place: Path) -> None:
    with agent(lambda path: 503 if path == "/readyz" else 200) as address:
        facts = look_at_running(place, address)
    assert facts.healthz == Health(200, "said by /healthz")
    assert facts.readyz == Health(503, "said by /readyz")


def test_nobody_who_answers(place: Path) -> None:
    assert look_at_running(place, ("127.0.0.1", 1)).healthz.status == 0


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (GOOD, {}),
        (RunningFacts(Guard.DEAD, WELL, WELL, "root"), {"running.guard": Severity.WARNING}),
        (RunningFacts(Guard.ABSENT, WELL, WELL, "root"), {"running.guard": Severity.WARNING}),
        (RunningFacts(Guard.HIDDEN, WELL, WELL, "nobody"), {}),
        (RunningFacts(Guard.RUNS, Health(0, "x"), WELL, "root"), {"running.agent": Severity.WARNING}),
        (RunningFacts(Guard.RUNS, Health(503, "x"), WELL, "root"), {"running.agent": Severity.ERROR}),
        (RunningFacts(Guard.RUNS, Health(404, "x"), WELL, "root"), {"running.agent": Severity.ERROR}),
    ],
)
def test_what_is_told(facts: RunningFacts, expected: dict[str, Severity]) -> None:
    assert bad(judge(facts, "/run/guard.sock", "127.0.0.1:2233")) == expected


def test_a_host_that_is_well_and_not_ready() -> None:
    found = judge(RunningFacts(Guard.RUNS, WELL, Health(503, "standby: syncing"), "root"), "s", "l")
    assert one(found, "running.ready").severity is Severity.INFO
    # Said of an active that produces nothing, too.
    assert one(found, "running.ready").text == "this host is not ready: standby: syncing"
