"""A webhook: what goes out, what counts as taken, and that nothing keeps it waiting."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.notify.channel import SendError
from hafailover.notify.notice import Message, Notice, Severity, What, message
from hafailover.notify.webhook import Webhook, signature

from ..near.servers import DRIPS, Server, answer, endless, raw
from .hooks import SECRET_PATH, Receiver

SECRET = b"correct.horse.battery.staple"
NOTICE = Notice(
    What.BECAME_ACTIVE,
    Severity.WARNING,
    12,
    "host2 signs now",
    "host2 signs now.",
    cause="neard is down",
    from_node="host1",
    to_node="host2",
    planned=False,
    height=120,
    waited_s=0.2,
    silent_s=0.4,
)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "notifications.md"


@pytest.fixture
def told() -> Message:
    return message(NOTICE, "pool.near", "host2")


def hook(url: str, secret: bytes | None = None, timeout_s: float = 5.0) -> Webhook:
    return Webhook("webhook", None, url, secret, timeout_s)


def refused(one: Webhook, told: Message) -> SendError:
    with pytest.raises(SendError) as caught:
        one.send(told)
    assert SECRET_PATH not in str(caught.value) and "127.0.0.1" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


def test_credentials_of_netrc_stay_at_home(
    receiver: Receiver, told: Message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\ndefault login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    hook(receiver.url).send(told)
    hook(receiver.url.replace("://", "://you:own@")).send(told)
    (first, _), (second, _) = receiver.got
    assert "Authorization" not in first
    assert second["Authorization"] == "Basic " + base64.b64encode(b"you:own").decode()


def test_a_proxy_of_the_environment_is_used(
    receiver: Receiver, told: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{receiver.port}")
    monkeypatch.setenv("no_proxy", "")
    assert hook("http://hooks.invalid/x").send(told) == "HTTP 204"


def test_it_is_the_document_and_says_what_it_is(receiver: Receiver, told: Message) -> None:
    assert hook(receiver.url).send(told) == "HTTP 204"
    ((headers, body),) = receiver.got
    assert headers["Content-Type"] == "application/json"
    assert (headers["X-Hafailover-Event"], headers["X-Hafailover-Delivery"]) == ("became_active", NOTICE.id)
    assert "X-Hafailover-Signature" not in headers
    document = json.loads(body)
    assert (document["version"], document["event"], document["severity"]) == (1, "became_active", "warning")
    assert (document["from"], document["to"], document["term"]) == ("host1", "host2", 12)
    assert (document["account_id"], document["reported_by"]) == ("pool.near", "host2")
    assert document["title"] == "pool.near: host2 signs now"


def test_the_page_lists_every_field_of_the_document_and_no_other(told: Message) -> None:
    table = PAGE.read_text().partition("<!-- fields -->")[2].partition("<!-- end of fields -->")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(told.document)


def test_who_has_the_secret_can_check_where_it_comes_from(receiver: Receiver, told: Message) -> None:
    hook(receiver.url, SECRET).send(told)
    ((headers, body),) = receiver.got
    signed = headers["X-Hafailover-Timestamp"].encode() + b"." + body
    assert headers["X-Hafailover-Signature"] == "v1=" + hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    assert (
        signature(b"another secret", headers["X-Hafailover-Timestamp"], body)
        != (headers["X-Hafailover-Signature"])
    )
    assert SECRET not in body and SECRET.decode() not in str(headers)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_no_is_final(receiver: Receiver, told: Message, status: int) -> None:
    receiver.statuses = [status]
    error = refused(hook(receiver.url), told)
    assert error.final
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_not_now_is_not(receiver: Receiver, told: Message, status: int) -> None:
    receiver.statuses = [status]
    assert not refused(hook(receiver.url), told).final


def test_a_redirection_is_not_followed(receiver: Receiver, told: Message) -> None:
    head = f"HTTP/1.1 307 Go\r\nLocation: {receiver.url}\r\nContent-Length: 0\r\n\r\n"
    with Server(raw(head.encode())) as server:
        error = refused(hook(f"http://127.0.0.1:{server.port}{SECRET_PATH}"), told)
    assert error.final
    assert "redirects" in str(error)
    assert receiver.got == []


@pytest.mark.parametrize("name", [name for name in DRIPS if name not in ("a body", "a chunk")])
def test_an_answer_that_does_not_come_is_given_up_in_time(told: Message, name: str) -> None:
    with Server(DRIPS[name]) as server:
        began = boottime()
        error = refused(hook(f"http://127.0.0.1:{server.port}{SECRET_PATH}", timeout_s=0.5), told)
        # The drip would go on for 3 s, the silence for 30.
        assert boottime() - began < 2.5
    assert not error.final
    assert str(error) in ("no answer within 0.5 s", "no connection")


def test_the_rest_of_a_taken_answer_is_not_waited_for(told: Message) -> None:
    with Server(endless) as server:
        assert hook(f"http://127.0.0.1:{server.port}/").send(told) == "HTTP 200"


def test_nobody_there(told: Message) -> None:
    with Server(answer({})) as server:
        port = server.port
    error = refused(hook(f"http://127.0.0.1:{port}{SECRET_PATH}"), told)
    assert (str(error), error.final) == ("no connection", False)


def test_no_tls_there(receiver: Receiver, told: Message) -> None:
    error = refused(hook(receiver.url.replace("http:", "https:")), told)
    assert "TLS failed" in str(error)


def test_no_such_name(told: Message) -> None:
    error = refused(hook(f"http://nowhere.invalid{SECRET_PATH}"), told)
    assert str(error) in ("its host's name cannot be resolved", "no connection")
