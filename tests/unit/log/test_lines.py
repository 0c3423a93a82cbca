"""What agent and guard write: one line a record, whatever stands in it, in every format, and no secret."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafailover import log as module
from hafailover.defect import EXIT_DEFECT
from hafailover.log import LONGEST_TEXT, Style, fields, hide, remember, set_up
from hafailover.text import one_line

from ...fuzz.secret import PLAIN_TOKEN, SECRET_KEY, leaks

STYLES: tuple[Style, ...] = ("auto", "text", "logfmt", "json")
SEPARATORS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\0\x1b[2J\u202e"
texts = st.text(max_size=60) | st.text(alphabet=SEPARATORS + 'ab=" \\', max_size=20)
wild = texts | st.text(alphabet=st.characters(codec=None, categories=("Cs", "Cc", "Lu")), max_size=20)
"""With surrogates, too, which UTF-8 cannot hold."""


@pytest.fixture(autouse=True)
def afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test sets up ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for name in ("_known", "_secrets"):
        monkeypatch.setattr(module, name, type(getattr(module, name))())
    hooks = sys.excepthook, threading.excepthook
    yield
    root.handlers[:], root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks


def written(style: Style, write: Callable[[], None], journal: bool = False) -> str:
    """What goes to stderr."""
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        patch.setattr(module, "_is_journal", lambda: journal)
        set_up("agent", style=style)
        write()
        # Else each example would leave its thread behind.
        logging.getLogger().handlers[0].flush()
        logging.getLogger().handlers[0].close()
    return stream.getvalue()


def parse_logfmt(line: str) -> dict[str, str]:
    """As the format's other readers do it: a key, and a bare word or a quoted string."""
    found = {}
    rest = line
    while rest:
        match = re.match(r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?: |$)', rest)
        assert match, f"not logfmt: {rest!r}"
        key, value = match.groups()
        assert key not in found
        found[key] = json.loads(value) if value.startswith('"') else value
        rest = rest[match.end() :]
    return found


def parse(style: Style, line: str) -> Any:
    return json.loads(line) if style == "json" else parse_logfmt(line.removesuffix("\n"))


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("style", STYLES)
@given(text=wild, reason=wild)
def test_any_text_is_one_line(style: Style, journal: bool, text: str, reason: str) -> None:
    def write() -> None:
        logging.getLogger("x").info("%s", text, extra=fields(reason=reason))

    said = written(style, write, journal)
    assert said.endswith("\n")
    assert len(said.splitlines()) == 1
    assert said[:-1].isprintable()
    assert re.match(r"<6>" if journal else r"\[|\{|time=", said)


@pytest.mark.parametrize("style", ["logfmt", "json"])
@given(text=texts, reason=texts, number=st.integers(), figure=st.floats())
def test_programs_read_back_what_was_written(
    style: Style, text: str, reason: str, number: int, figure: float
) -> None:
    def write() -> None:
        extra = fields(event="role", reason=reason, number=number, figure=figure, on=True, nothing=None)
        logging.getLogger("x").warning("%s", text, extra=extra)

    got = parse(style, written(style, write))
    assert got["msg"] == text
    assert got["reason"] == reason
    assert int(got["number"]) == number
    assert float(got["figure"]) == figure or figure != figure
    assert str(got["on"]).lower() == "true"
    assert "nothing" not in got
    assert (got["level"], got["component"], got["event"]) == ("warning", "agent", "role")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", got["time"])
    assert float(got["boottime"]) > 0


@pytest.mark.parametrize("style", STYLES)
def test_no_line_forges_another(style: Style) -> None:
    def write() -> None:
        try:
            raise ValueError("first\n<0>guard: the key is loaded\n[1.000] INFO guard: the key is loaded")
        except ValueError:
            logging.getLogger("x").exception("a defect\r\n<0>guard: the key is loaded")

    for journal in (False, True):
        lines = written(style, write, journal).splitlines()
        head = "<3>" if journal else ""
        assert all(line.startswith(head) for line in lines)
        if style in ("logfmt", "json"):
            (line,) = lines
            assert "first\n<0>guard" in parse(style, line.removeprefix(head))["traceback"]
        else:
            stamp = r"\[ *\d+\.\d{3}\] ERROR " if not journal or style == "text" else ""
            assert all(re.match(rf"{head}{stamp}agent: (a defect\\r\\n<0>|  \| )", line) for line in lines)


def test_what_is_known_of_the_host_stands_in_every_structured_line() -> None:
    def write() -> None:
        remember(account="pool.near", node="host1", role="standby")
        remember(role="active", term=7)
        logging.getLogger("x").info("first")
        remember(term=None)
        logging.getLogger("x").info("second")

    first, second = (json.loads(line) for line in written("json", write).splitlines())
    known = {key: first[key] for key in ("account", "node", "role", "term")}
    assert known == {"account": "pool.near", "node": "host1", "role": "active", "term": 7}
    assert "term" not in second
    assert second["role"] == "active"


@pytest.mark.parametrize("style", STYLES)
@given(before=texts, after=texts)
def test_a_hidden_secret_comes_out_nowhere(style: Style, before: str, after: str) -> None:
    def write() -> None:
        hide(SECRET_KEY, PLAIN_TOKEN, None, "")
        try:
            raise ValueError(PLAIN_TOKEN)
        except ValueError:
            text = f"{before}{SECRET_KEY}{after}"
            logging.getLogger("x").exception("%s", text, extra=fields(reason=text, who=PLAIN_TOKEN))

    said = written(style, write)
    assert not leaks(said)
    assert "..." in said


def test_a_text_too_long_is_cut_and_says_so() -> None:
    line = written("text", lambda: logging.getLogger("x").info("%s", "a" * (LONGEST_TEXT + 5)))
    assert line.endswith("a... (5 characters more)\n")


@pytest.mark.parametrize("style", STYLES)
def test_no_line_is_so_long_that_journald_would_cut_it(style: Style) -> None:
    long = "\U0001f600\U000e0001" * 100_000

    def write() -> None:
        try:
            raise ValueError(long)
        except ValueError:
            logging.getLogger("x").exception("%s", long, extra=fields(reason=long, subject=long))

    assert all(len(line.encode()) < 48 * 1024 for line in written(style, write).splitlines())


@given(text=texts)
def test_printable_text_is_left_as_it_is(text: str) -> None:
    plain = "".join(sign for sign in text if sign.isprintable())
    assert one_line(plain) == plain
    assert one_line(text).isprintable()


IN_MAIN = """
from hafailover.log import set_up
set_up("agent", style="json")
raise ValueError("two\\nlines")
"""

IN_THREAD = """
import threading, time
from hafailover.log import set_up
set_up("agent", style="json")
threading.Thread(target=lambda: {}["nothing"], name="beat").start()
time.sleep(50)
"""

WITH_NOBODY_READING = """
import os
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x" * 65536)
except BlockingIOError:
    os.set_blocking(2, True)
"""

IN_ASYNCIO = """
import asyncio
from hafailover import defect
from hafailover.log import set_up
set_up("guard", style="json")

async def broken():
    {}["nothing"]

async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(defect.in_loop)
    loop.call_exception_handler({"message": "descriptors ran out", "exception": OSError(24, "Too many")})
    {how}
    await asyncio.sleep(50)

asyncio.run(main())
"""


def ended(program: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=40, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


def test_a_defect_is_told_in_the_same_form() -> None:
    code, (said,) = ended(IN_MAIN)
    assert (said["level"], said["msg"]) == ("critical", "ended by a defect")
    assert said["traceback"].endswith("ValueError: two\nlines")
    assert code == 1


def test_a_thread_that_ends_by_a_defect_ends_its_process() -> None:
    code, (said,) = ended(IN_THREAD)
    assert (said["level"], said["msg"]) == ("critical", "thread beat ended by a defect; the process ends")
    assert "KeyError: 'nothing'" in said["traceback"]
    assert code == EXIT_DEFECT


def test_it_ends_where_nobody_reads_what_it_says_of_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WITH_NOBODY_READING + IN_THREAD], stderr=subprocess.PIPE
    ) as process:
        assert process.wait(30) == EXIT_DEFECT


@pytest.mark.parametrize(
    ("how", "who"),
    [
        (
            "task = loop.create_task(broken(), name='probe'); task.add_done_callback(defect.in_task)",
            "task probe",
        ),
        ("loop.call_soon(lambda: {}['nothing'])", "callback"),
    ],
)
def test_so_does_a_task_and_a_callback_of_asyncio_and_trouble_with_a_socket_does_not(
    how: str, who: str
) -> None:
    code, (trouble, said) = ended(IN_ASYNCIO.replace("{how}", how))
    assert (trouble["level"], trouble["msg"]) == ("warning", "descriptors ran out: [Errno 24] Too many")
    assert who in said["msg"]
    assert "KeyError: 'nothing'" in said["traceback"]
    assert code == EXIT_DEFECT


SAY = 'import logging; from hafailover.log import set_up; set_up("guard"); logging.warning("hello")'


def said_into(path: Path, stream_of: Path) -> str:
    """What a process writes into the file whose environment names another's stream for the journal's."""
    stat = stream_of.stat()
    env = {**os.environ, "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
    with path.open("w") as file:
        subprocess.run([sys.executable, "-c", SAY], stderr=file, env=env, check=True, timeout=60)
    return path.read_text()


def test_only_the_journal_itself_gets_its_marks(tmp_path: Path) -> None:
    path, other = tmp_path / "stream", tmp_path / "other"
    path.touch()
    other.touch()
    assert said_into(path, path) == "<4>guard: hello\n"
    assert re.fullmatch(r"\[ *\d+\.\d{3}\] WARNING guard: hello\n", said_into(path, other))
