"""What all properties share: silent libraries, one loopback server, and the count at the end."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .answering import Answering
from .running import examples, outcomes
from .secret import Silence

_began = time.monotonic()


@pytest.fixture(autouse=True)
def as_the_agent_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """urllib3 speaks of errors alone, as hafailover.log has it; ours says all that it can."""
    quiet, ours = logging.getLogger("urllib3"), logging.getLogger("hafailover")
    before = quiet.level, ours.level
    quiet.setLevel(logging.ERROR)
    ours.setLevel(logging.DEBUG)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    yield
    quiet.setLevel(before[0])
    ours.setLevel(before[1])


@pytest.fixture
def silence(caplog: pytest.LogCaptureFixture) -> Silence:
    return Silence(caplog)


@pytest.fixture(scope="session")
def answering() -> Iterator[Answering]:
    with Answering() as server:
        yield server


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file that only its owner can read; its content is the example's."""
    path = tmp_path / "file.json"
    path.touch(0o600)
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not examples:
        return
    total, took = sum(examples.values()), time.monotonic() - _began
    terminalreporter.section("fuzz")
    for name, count in sorted(examples.items()):
        parts = ", ".join(f"{outcome} {n}" for outcome, n in sorted(outcomes(name).items()))
        terminalreporter.write_line(f"{count:8d}  {name}{f': {parts}' if parts else ''}")
    terminalreporter.write_line(
        f"{total:8d}  examples in {len(examples)} properties, {total / took:.0f} a second"
    )
