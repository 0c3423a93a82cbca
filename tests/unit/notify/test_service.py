"""Services by apprise: the real library in its real process, against a receiver on loopback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hafailover.config.settings import Settings
from hafailover.notify import service as module
from hafailover.notify.channel import SendError
from hafailover.notify.notice import Message, Notice, Severity, What, message
from hafailover.notify.service import Service
from hafailover.notify.sources import read_channels

from ..near.servers import Server, hang
from .hooks import SECRET_PATH, Receiver

pytest.importorskip("apprise", reason="the Python package apprise is not installed")


@pytest.fixture
def told() -> Message:
    notice = Notice(What.FENCED, Severity.CRITICAL, 7, "host1 fenced itself", "host1 <b>fenced</b> *itself*.")
    return message(notice, "pool.near", "host1")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is slow to load on a machine that is busy with other tests."""
    monkeypatch.setattr(module, "START_S", 60.0)


def service(url: str, timeout_s: float = 5.0) -> Service:
    return Service("json", None, url, timeout_s)


def at(port: int) -> str:
    return f"json://127.0.0.1:{port}{SECRET_PATH}"


def refused(one: Service, told: Message) -> SendError:
    with pytest.raises(SendError) as caught:
        one.send(told)
    assert SECRET_PATH not in str(caught.value) and "127.0.0.1" not in str(caught.value)
    return caught.value


def test_the_library_sends_what_it_is_told(receiver: Receiver, told: Message) -> None:
    assert service(at(receiver.port)).send(told) == "taken"
    (document,) = receiver.documents
    assert document["title"] == "pool.near: host1 fenced itself"
    assert document["message"] == "host1 <b>fenced</b> *itself*."
    assert document["type"] == "failure"


@pytest.mark.parametrize(("status", "final"), [(404, True), (403, True), (503, False), (429, False)])
def test_a_no_is_told_by_its_number(receiver: Receiver, told: Message, status: int, final: bool) -> None:
    receiver.statuses = [status] * 5
    error = refused(service(at(receiver.port)), told)
    assert (str(error), error.final) == (f"the service answered {status}", final)


def test_nobody_there(told: Message) -> None:
    with Server(hang) as server:
        port = server.port
    error = refused(service(at(port)), told)
    assert (str(error), error.final) == ("no connection, or no answer in time", False)


def test_what_apprise_does_not_know_is_final(told: Message) -> None:
    error = refused(service("bogus://xoxb-2b7e151628aed2a6"), told)
    assert error.final
    assert "no URL that apprise understands" in str(error)


def test_a_process_that_does_not_end_is_killed(told: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_S", 0.0)
    with Server(hang) as server:
        error = refused(service(at(server.port), timeout_s=0.2), told)
    assert (str(error), error.final) == ("no answer within 0.2 s", False)


def test_nothing_of_the_url_can_be_seen_from_outside(told: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, object]] = []
    run = subprocess.run

    def watch(command: list[str], **more: object) -> object:
        seen.append((command, more["env"]))
        return run([sys.executable, "-c", "pass"], check=False, stdout=subprocess.PIPE)

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", "pool.near")
    monkeypatch.setattr(subprocess, "run", watch)
    error = refused(service(at(1)), told)
    assert str(error) == "the process that sends it has died"
    ((command, env),) = seen
    assert SECRET_PATH not in str(command) + str(env)
    assert "CREDENTIALS_DIRECTORY" not in str(env)
    assert "HAFAILOVER" not in str(env)
    assert isinstance(env, dict)
    assert env["NETRC"] == "/dev/null"


def test_the_agent_never_loads_the_library() -> None:
    code = "import sys, hafailover.agent.loop, hafailover.cli.main; print('apprise' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def lines_of_the_page() -> list[str]:
    page = Path(__file__).resolve().parents[3] / "docs" / "notifications.md"
    table = page.read_text().partition("| service | line |")[2].partition("\n\n")[0]
    return re.findall(r"\| `([^`]+)` \|$", table, re.MULTILINE)


def test_the_library_understands_every_line_of_the_page(tmp_path: Path) -> None:
    import apprise

    lines = lines_of_the_page()
    assert len(lines) == 6
    file = tmp_path / "chat"
    file.write_text("\n".join(lines))
    notify = {"apprise_file": file}
    found, problems = read_channels(Settings.model_validate({"account_id": "pool.near", "notify": notify}))
    assert problems == []
    assert [one.name for one in found] == ["slack", "matrixs", "tgram", "pagerduty", "mailtos", "mailto"]
    for one in found:
        assert isinstance(one, Service)
        assert apprise.Apprise.instantiate(one._url, suppress_exceptions=True), one.name
