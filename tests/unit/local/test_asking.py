"""A command asks, the agent answers; and whatever goes wrong, the command is told to look for itself."""

from __future__ import annotations

import logging
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hafailover import __version__
from hafailover.local import client, server
from hafailover.local.client import NoAnswerError, ask
from hafailover.local.place import Place
from hafailover.local.server import LookServer
from hafailover.lock.errors import CallError, Kind

HELLO = (
    f'{{"account_id": "pool.near", "node_name": "a", "consul": "http://c", "agent_version": "{__version__}"}}'
)
OVERVIEW: dict[str, Any] = {"account_id": "pool.near", "hosts": [{"node": "a"}]}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no reason for an answer to be late."""
    monkeypatch.setattr(client, "HELLO_S", 20.0)
    monkeypatch.setattr(client, "ANSWER_S", 20.0)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path), "pool.near", "a", "http://c")


def serve(place: Place, *looks: dict[str, Any] | Exception) -> list[str]:
    """An agent that finds this, look after look; the threads that looked."""
    left, looked = list(looks), []

    def look() -> dict[str, Any]:
        looked.append(threading.current_thread().name)
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    LookServer(place, lambda: look).start()
    return looked


def test_every_question_is_a_look(place: Place) -> None:
    second = {**OVERVIEW, "hosts": []}
    looked = serve(place, OVERVIEW, second)
    assert [ask(place), ask(place)] == [{"overview": OVERVIEW}, {"overview": second}]
    assert looked == ["look-socket"] * 2


def test_a_consul_that_cannot_be_asked_is_told(place: Place) -> None:
    serve(place, CallError(Kind.UNREACHABLE, "reading the pool: no connection to Consul"), OVERVIEW)
    assert ask(place) == {"error": "reading the pool: no connection to Consul"}
    assert ask(place) == {"overview": OVERVIEW}


def test_a_look_that_breaks_leaves_it_to_the_command_and_the_next_one_is_answered(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    serve(place, RuntimeError("nobody thought of it"), OVERVIEW)
    with pytest.raises(NoAnswerError):
        ask(place)
    assert "looking at the pool" in caplog.text
    assert ask(place) == {"overview": OVERVIEW}


def test_a_command_that_leaves_at_once_keeps_nobody(place: Place) -> None:
    serve(place, *[OVERVIEW] * 2)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(place.socket))
    assert ask(place) == {"overview": OVERVIEW}


@pytest.mark.parametrize(
    "other",
    [{"account_id": "other.near"}, {"node_name": "b"}, {"consul": "http://elsewhere"}],
    ids=["account", "host", "Consul"],
)
def test_an_agent_of_another_pool_is_not_believed(place: Place, other: dict[str, str]) -> None:
    serve(place, *[OVERVIEW] * 2)
    mine = place._replace(**other)
    if mine.socket != place.socket:
        mine.socket.symlink_to(place.socket)
    with pytest.raises(NoAnswerError):
        ask(mine)


def test_an_agent_of_another_version_is_not_believed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(place, OVERVIEW)
    monkeypatch.setattr(client, "__version__", "9.9.9")
    with pytest.raises(NoAnswerError):
        ask(place)


def test_root_and_the_agents_group_may_ask(place: Place) -> None:
    serve(place)
    assert stat.S_IMODE(place.socket.stat().st_mode) == 0o660


def test_what_a_dead_agent_left_is_replaced(place: Place) -> None:
    with pytest.raises(NoAnswerError):
        ask(place)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place.socket))
    with pytest.raises(NoAnswerError):
        ask(place)
    serve(place, OVERVIEW)
    assert ask(place) == {"overview": OVERVIEW}


@pytest.mark.parametrize("trouble", ["a file", "no folder", "too long"])
def test_without_a_socket_the_agent_says_so_and_goes_on(
    tmp_path: Path, place: Place, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    if trouble == "a file":
        place.socket.write_text("somebody's")
    elif trouble == "no folder":
        place = place._replace(state_dir=str(tmp_path / "nowhere"))
    else:
        folder = tmp_path / ("x" * 100)
        folder.mkdir()
        place = place._replace(state_dir=str(folder))
    with caplog.at_level(logging.WARNING):
        serve(place, OVERVIEW)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"state_dir: {place.socket}: " in caplog.text
    with pytest.raises(NoAnswerError):
        ask(place)
    if trouble == "a file":
        assert place.socket.read_text() == "somebody's"


def test_a_folder_whose_disk_hangs_does_not_keep_the_agent(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on = threading.Event()

    def hangs(path: Path) -> socket.socket:
        goes_on.wait(60)
        raise OSError(0, "is gone")

    monkeypatch.setattr(server, "_listen", hangs)
    monkeypatch.setattr(server, "START_S", 0.1)
    try:
        serve(place)
        assert "its disk hangs: status is slower without" in caplog.text
    finally:
        goes_on.set()


@pytest.fixture
def agent(place: Place) -> Iterator[Callable[[bytes | None], None]]:
    """An agent that says these bytes and hangs up; with ``None`` it is stopped, and says nothing."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.socket))
        listener.listen()

        def says(data: bytes | None) -> None:
            if data is None:
                return

            def speak() -> None:
                sock, _ = listener.accept()
                with sock:
                    sock.sendall(data)

            threading.Thread(target=speak, daemon=True).start()

        yield says


def test_an_agent_that_is_stopped_is_not_waited_for(
    place: Place, agent: Callable[[bytes | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HELLO_S", 0.2)
    agent(None)
    with pytest.raises(NoAnswerError):
        ask(place)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{}\n",
        HELLO,
        f"{HELLO}\n",
        f"{HELLO}\nnonsense\n",
        f"{HELLO}\n[]\n",
        f"{HELLO}\n{{}}\n",
        f'{HELLO}\n{{"overview": 5}}\n',
        f'{HELLO}\n{{"error": null}}\n',
        f'{HELLO}\n{{"overview": {{}}}}',
        f"{HELLO}\n{'[' * 5000}\n",
        "nonsense\n",
    ],
)
def test_half_an_answer_is_none(place: Place, agent: Callable[[bytes | None], None], said: str) -> None:
    agent(said.encode())
    with pytest.raises(NoAnswerError):
        ask(place)


def test_an_answer_without_an_end_is_given_up(
    place: Place, agent: Callable[[bytes | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_BYTES", 1000)
    agent(f"{HELLO}\n".encode() + b" " * 100_000)
    with pytest.raises(NoAnswerError):
        ask(place)
