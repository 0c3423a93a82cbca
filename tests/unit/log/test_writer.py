"""Whoever logs never waits: not for a pipe that nobody reads, not for a journal that hangs."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from hafailover.log_writer import MOST_QUEUED_CHARS, LogWriter


class Deaf(io.StringIO):
    """A stream whose reader comes late."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def write(self, text: str) -> int:
        self.heard.wait(30)
        return super().write(text)


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    stream = Deaf()
    yield stream
    stream.heard.set()


def logger(writer: LogWriter) -> logging.Logger:
    found = logging.Logger("test")
    found.addHandler(writer)
    return found


def test_lines_come_in_order_and_whole() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream)
    for number in range(500):
        logger(writer).info("line %d", number)
    writer.flush(20)
    writer.close()

    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(500)]


def test_a_record_is_made_into_a_line_when_it_is_logged(deaf: Deaf) -> None:
    writer = LogWriter(deaf)
    changing = ["first"]
    logger(writer).info("%s", changing)
    changing[0] = "later"
    deaf.heard.set()
    writer.flush(20)
    writer.close()

    assert deaf.getvalue() == "['first']\n"


def test_nobody_waits_for_a_reader_and_what_is_lost_is_counted(deaf: Deaf) -> None:
    writer = LogWriter(deaf)
    one = "x" * (MOST_QUEUED_CHARS // 100)
    began = time.monotonic()
    for _ in range(150):
        logger(writer).info(one)
    assert time.monotonic() - began < 5

    deaf.heard.set()
    writer.flush(20)
    writer.close()

    *lines, last = deaf.getvalue().splitlines()
    assert set(lines) == {one}
    assert 98 <= len(lines) <= 102
    assert last == f"{150 - len(lines)} lines of the log are lost: nobody read them"


def test_an_end_waits_for_its_last_lines_but_not_for_ever(deaf: Deaf) -> None:
    writer = LogWriter(deaf)
    logger(writer).info("last words")
    began = time.monotonic()

    writer.flush(0.2)

    assert 0.2 <= time.monotonic() - began < 5


def test_a_line_that_cannot_be_made_is_told_of_and_harms_nothing() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream)

    logger(writer).info("%d", "no number")
    writer.flush(20)
    writer.close()

    assert "a line of test could not be made (test_writer.py:" in stream.getvalue()


PROGRAM = """
import logging, sys
from hafailover.log import set_up
set_up("guard")
for number in range(20000):
    logging.info("line %d %s", number, "x" * 200)
sys.stdout.write("done")
"""


def test_a_process_whose_stderr_nobody_reads_goes_on_and_ends() -> None:
    reader, writer = os.pipe()
    try:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=writer, timeout=60, check=False
        )
        assert done.stdout == b"done"
        assert done.returncode == 0
        assert time.monotonic() - began < 30
        os.set_blocking(reader, False)
        assert b"line 0 xxx" in os.read(reader, 65536)
    finally:
        os.close(reader)
        os.close(writer)
