"""The lease's calls against a Consul that may answer anything: OK and REFUSED are proved, or not said."""

from __future__ import annotations

import dataclasses
import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.clock import boottime
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulLease
from hafailover.lock.errors import CallError, Kind
from hafailover.timing import PROFILES

from . import consul_words as words
from .answering import Answering
from .http_answers import drips, http_answers
from .running import came_to, fuzz
from .secret import PLAIN_TOKEN, SESSION, TOKEN, Silence
from .strategies import one_of

DEADLINE_S = 1.0
SLACK_S = 1.5
PROVED = ("acquire", "beat", "release")
CALLS: dict[str, tuple[Callable[[ConsulLease], Any], Any]] = {
    "acquire": (lambda lease: lease.take(SESSION), words.ACQUIRED),
    "beat": (lambda lease: lease.beat(SESSION, words.BEAT), words.BEATEN),
    "release": (lambda lease: lease.release(SESSION, words.BEAT), words.RELEASED),
    "open": (ConsulLease.open_session, {"ID": SESSION}),
    "renew": (lambda lease: lease.renew(SESSION), [words.SESSION_INFO]),
    "feed": (ConsulLease.feed, ""),
    "destroy": (lambda lease: lease.destroy(SESSION), True),
    "dropped": (lambda lease: lease.record_dropped(words.CLAIM), True),
    "forget": (lambda lease: lease.forget_dropped(20), [words.DROPPED]),
}
NAMES = (*PROVED, *PROVED, *PROVED, *CALLS)
OK = b"HTTP/1.1 200 OK\r\n" + words.INDEX + b"\r\n\r\n"
DEEP = b'HTTP/1.1 409 Conflict\r\n\r\n{"Errors":' + b"[" * 100_000


def leases(answering: Answering, deadline_s: float) -> dict[str, ConsulLease]:
    profile = dataclasses.replace(PROFILES["default"], call_deadline_s=deadline_s)
    return {
        token: ConsulLease(
            Address(answering.host, answering.port, token=token), words.ACCOUNT, "host1", profile
        )
        for token in (TOKEN, PLAIN_TOKEN)
    }


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, bytes]:
    name = one_of(draw, NAMES)
    if one_of(draw, (True, False)):
        return name, draw(http_answers(CALLS[name][1], words.INDEX))
    document = one_of(draw, words.REFUSALS)
    line = one_of(draw, words.REFUSAL_LINES)
    return name, draw(http_answers(document, words.INDEX, line=line, whole=True))


def ok(document: Any) -> bytes:
    return OK + json.dumps(document).encode()


def no(document: Any) -> bytes:
    return b"HTTP/1.1 409 Conflict\r\n\r\n" + json.dumps(document).encode()


@fuzz(600)
@given(calls(), st.sampled_from((TOKEN, PLAIN_TOKEN)))
@example(("acquire", ok(words.ACQUIRED)), TOKEN)
@example(("beat", ok(words.BEATEN)), TOKEN)
@example(("release", ok(words.RELEASED)), TOKEN)
@example(("acquire", no(words.refused(0))), TOKEN)
@example(("beat", no(words.refused(1))), TOKEN)
@example(("release", no(words.refused(0))), TOKEN)
@example(("beat", DEEP), TOKEN)
@example(("acquire", ok(words.results({**words.LOCK, "ModifyIndex": float("inf")}))), TOKEN)
@example(("acquire", ok(words.results({**words.LOCK, "ModifyIndex": True}))), TOKEN)
@example(("beat", ok({**words.BEATEN, "Errors": [{"OpIndex": 0, "What": "no"}]})), TOKEN)
@example(("beat", ok(words.results({**words.LOCK, "ModifyIndex": 5}, words.WRITTEN))), TOKEN)
@example(("release", b"HTTP/1.1 301 Moved\r\n\r\n" + json.dumps(words.RELEASED).encode()), TOKEN)
@example(("beat", b"HTTP/1.1 500 Odd\r\n\r\n" + PLAIN_TOKEN.encode()), PLAIN_TOKEN)
@example(("beat", b"HTTP/1.1 500 Odd\r\n\r\n" + TOKEN.encode()), PLAIN_TOKEN)
@example(("beat", b"HTTP/1.1 500 Odd\r\n\r\n" + SESSION[:-8].encode()), TOKEN)
@example(("beat", b'HTTP/1.1 409 Odd\r\n\r\n{"Errors": [{"OpIndex": false}]}'), TOKEN)
@example(("renew", b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n[]"), TOKEN)
def test_a_call_is_proved_refused_or_no_proof(
    answering: Answering, silence: Silence, call: tuple[str, bytes], token: str
) -> None:
    name, data = call
    # What Consul repeats is the token that it was given, which is as long as the other one.
    answering.says(data.replace(PLAIN_TOKEN.encode(), token.encode()))
    # One that has confirmed a beat confirms no older one.
    lease = leases(answering, DEADLINE_S)[token]
    began = boottime()
    error = None
    try:
        got = CALLS[name][0](lease)
        outcome = "OK"
    except CallError as failure:
        error, got, outcome = failure, None, failure.kind.name
        str(failure).encode()
    # Opening a session is three calls, and forgetting one for each record.
    assert boottime() - began < 3 * DEADLINE_S + SLACK_S
    silence.check(error)
    came_to("test_a_call_is_proved_refused_or_no_proof", f"{name if name in PROVED else 'other'}: {outcome}")
    if outcome == "OK" and name in PROVED:
        proves(name, *said(answering), got)
    if outcome in (Kind.REFUSED.name, Kind.SESSION_GONE.name):
        final(outcome, *said(answering))


def said(answering: Answering) -> tuple[int, bytes]:
    """The same answer, read by the standard library alone."""
    connection = http.client.HTTPConnection(answering.host, answering.port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def proves(name: str, status: int, body: bytes, got: Any) -> None:
    """The body shows the lock as ours, in this term where there is one, and the heartbeat as written."""
    assert status == 200
    # requests, too, reads what is not UTF-8 as far as it can.
    data = json.loads(body.decode(errors="replace"))
    assert not data.get("Errors")
    entries = [one["KV"] for one in data["Results"]]
    lock = next(one for one in entries if one.get("Key") == words.KEYS.lock)
    assert lock["Session"] == SESSION
    assert type(lock["ModifyIndex"]) is int
    if name == "acquire":
        assert got == lock["ModifyIndex"] > 0
        assert type(got) is int
        return
    assert lock["ModifyIndex"] == words.TERM
    assert any(one.get("Key") == words.KEYS.heartbeat for one in entries)


def final(outcome: str, status: int, body: bytes) -> None:
    """Only Consul's own, final word makes a host drop its key at once."""
    text = body.decode("utf-8", "replace")
    if outcome == Kind.REFUSED.name:
        index = json.loads(text)["Errors"][0]["OpIndex"]
        assert status == 409
        assert type(index) is int
        assert index in (0, 1)
        return
    assert status == 404 or (status >= 400 and "nvalid session" in text)


@fuzz(8, slow=50)
@given(drips(), st.sampled_from(sorted(CALLS)))
def test_a_call_ends_in_time(answering: Answering, data: bytes, name: str) -> None:
    answering.says(data, dripping=True)
    began = boottime()
    with pytest.raises(CallError):
        CALLS[name][0](leases(answering, 0.15)[TOKEN])
    assert boottime() - began < 0.15 + SLACK_S
