"""The guard's socket from both ends, with a stream of garbage in between: lines of any shape and length."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.agent.hand import Hand
from hafailover.clock import boottime
from hafailover.core import events as ev
from hafailover.guard import model as m
from hafailover.guard import protocol
from hafailover.guard.protocol import GuardReport, ProtocolError
from hafailover.guard.server import AgentSocket

from .running import came_to, fuzz
from .secret import SECRET_KEY, Silence
from .strategies import raw
from .test_protocol import COMMANDS, REPORT

T = TypeVar("T")

LONGEST_S = 3.0
ARM = json.dumps(COMMANDS[0]).encode()
GOOD_REPORT = json.dumps({**REPORT, "neard_pid": None}).encode()
NOISE = (b"", b"\0", b"\n", b"\r", b"[]", b"x" * 70_000, b" " * 70_000, b"{" * 70_000, SECRET_KEY.encode())


@st.composite
def streams(draw: st.DrawFn, documents: tuple[Any, ...]) -> list[bytes]:
    """Pieces as they come from a socket: whole lines, several at once, parts of lines, half a line."""
    lines = draw(
        st.lists(st.sampled_from(documents).flatmap(raw) | st.sampled_from(NOISE), min_size=1, max_size=3)
    )
    data = b"\n".join(
        json.dumps(document).encode() for document in draw(st.lists(st.sampled_from(documents), max_size=2))
    )
    data = b"\n".join([data, *lines] if data else lines) + draw(st.sampled_from((b"\n", b"\n", b"")))
    at = draw(st.integers(0, len(data)))
    return [piece for piece in (data[:at], data[at:]) if piece]


def expected(data: bytes, parse: Callable[[dict[str, Any]], T], last_line: bool) -> list[T]:
    """What the lines up to the first wrong one mean.

    :param last_line: whether one without an end counts; half a line is no JSON object.
    """
    found = []
    lines = data.split(b"\n")
    for line in lines if last_line and lines[-1] else lines[:-1]:
        try:
            found.append(parse(protocol.decode(line)))
        except ProtocolError:
            break
    return found


class Guard:
    """The guard's socket without a guard behind it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fed: list[m.GuardEvent | None] = []
        self.socket = AgentSocket(path, self.fed.append)

    async def hears(self, pieces: list[bytes]) -> None:
        """A whole connection, until the guard has hung up."""
        async with asyncio.timeout(LONGEST_S):
            reader, writer = await asyncio.open_unix_connection(self._path)
            # Hung up in the middle of what it was told: that is the guard's good right.
            with contextlib.suppress(OSError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                writer.write_eof()
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Guard]]:
    with asyncio.Runner() as runner:
        one = Guard(tmp_path_factory.mktemp("guard") / "s")
        runner.run(one.socket.open())
        yield runner, one
        runner.get_loop().call_soon(one.socket.close)
        runner.run(asyncio.sleep(0.05))


@fuzz(250)
@given(streams(COMMANDS))
@example([ARM[:20]])
@example([ARM + b"\n" + ARM[:30], ARM[30:] + b"\n"])
@example([b"x" * 200_000])
def test_the_guard_is_fed_whole_commands_alone(
    guard: tuple[asyncio.Runner, Guard], silence: Silence, pieces: list[bytes]
) -> None:
    runner, one = guard
    one.fed.clear()
    runner.run(one.hears(pieces))
    wanted = expected(b"".join(pieces), protocol.parse_command, last_line=True)
    # Lines too long for its buffer end it as wrong ones do.
    assert one.fed[0] is None
    assert one.fed[1:] == wanted[: len(one.fed) - 1]
    if len(b"".join(pieces)) < protocol.MAX_LINE_BYTES:
        assert one.fed[1:] == wanted
    came_to("test_the_guard_is_fed_whole_commands_alone", "some" if wanted else "none")
    silence.check()
    # Whatever that was, the next agent is heard.
    one.fed.clear()
    runner.run(one.hears([ARM + b"\n"]))
    assert one.fed == [None, m.ArmAsked(COMMANDS[0]["term"], COMMANDS[0]["deadline"])]


@fuzz(250)
@given(streams(({**REPORT, "neard_pid": None},)))
@example([GOOD_REPORT[:20]])
@example([GOOD_REPORT + b"\n" + GOOD_REPORT[:30], GOOD_REPORT[30:] + b"\n"])
@example([b"x" * 200_000])
def test_the_agent_believes_whole_reports_alone(
    tmp_path: Path, silence: Silence, pieces: list[bytes]
) -> None:
    emitted: list[ev.Event] = []
    reports: list[GuardReport] = []
    hand = Hand(tmp_path / "s", emitted.append, reports.append)
    ours, theirs = socket.socketpair()
    sender = threading.Thread(target=say, args=(theirs, pieces), daemon=True)
    began = boottime()
    with ours:
        ours.settimeout(LONGEST_S)
        sender.start()
        hand._read(ours)
    assert boottime() - began < LONGEST_S
    sender.join(LONGEST_S)
    assert not sender.is_alive()
    wanted = expected(b"".join(pieces), protocol.parse_report, last_line=False)
    assert reports == wanted
    assert emitted == [ev.GuardSeen(report.view) for report in wanted]
    came_to("test_the_agent_believes_whole_reports_alone", "some" if wanted else "none")
    silence.check()


def say(sock: socket.socket, pieces: list[bytes]) -> None:
    with sock, contextlib.suppress(OSError):
        for piece in pieces:
            sock.sendall(piece)
